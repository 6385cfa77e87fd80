//! The paper: what a run found replaces what one before has found, between marks.

use crate::Outcome;

/// What stands between the marks of this name.
pub(super) fn between<'a>(paper: &'a str, name: &str) -> Outcome<&'a str> {
    let (start, end) = range(paper, name)?;
    Ok(&paper[start..end])
}

/// The same paper with other words there.
pub(super) fn replaced(paper: &str, name: &str, text: &str) -> Outcome<String> {
    let (start, end) = range(paper, name)?;
    Ok(format!("{}\n{}\n{}", &paper[..start], text.trim(), &paper[end..]))
}

fn range(paper: &str, name: &str) -> Outcome<(usize, usize)> {
    let marks = [format!("<!-- bench {name} -->\n"), format!("<!-- end {name} -->")];
    let [first, last] = marks.each_ref().map(|mark| paper.find(mark.as_str()));
    match (first, last) {
        (Some(first), Some(last)) if first < last => Ok((first + marks[0].len(), last)),
        _ => Err(format!("the paper has no marks of `{name}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_replaces_the_first_and_nothing_else() {
        let paper = "a\n<!-- bench get -->\n<!-- end get -->\nb\n<!-- bench post -->\nold\n<!-- end post -->\n";
        let once = replaced(paper, "get", "one\n").unwrap();
        assert_eq!(between(&once, "get").unwrap().trim(), "one");
        let twice = replaced(&once, "get", "two").unwrap();
        assert_eq!(twice, replaced(paper, "get", "two").unwrap());
        assert_eq!(between(&twice, "post").unwrap(), "old\n");
        assert!(replaced(paper, "put", "").is_err_and(|wrong| wrong.contains("`put`")));
    }

    #[test]
    fn the_paper_has_a_place_for_whatever_is_measured() {
        let paper = include_str!("../../../../../docs/performance.md");
        let cases = crate::bench::proxy::cases::ALL.iter().map(|case| case.name);
        for name in cases.chain(["goals", "versions", "functions"]) {
            assert!(between(paper, name).is_ok(), "{name}");
        }
    }
}
