//! The figures, as a table of Markdown.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::Outcome;

/// What stands beside a case.
#[derive(Debug, Default, PartialEq)]
struct Reference<'a> {
    /// Instructions of what else there is, and what that is.
    other: &'a str,
    /// Instructions that are aimed at.
    goal: &'a str,
}

/// A line for each case, in the order in which they were counted.
pub(super) fn print(counted: &str, allocated: &str, references: &str) -> Outcome<String> {
    let counted = instructions(counted);
    if counted.is_empty() {
        return Err("no instructions in what the benches printed".to_owned());
    }
    let (allocated, references) = (allocations(allocated), beside(references));
    let mut table = "| case | instructions | allocations · bytes | beside | goal |\n|---|--:|--:|---|--:|\n".to_owned();
    for (name, count) in counted {
        let (times, bytes) = allocated.get(name).copied().unwrap_or(("?", "?"));
        let none = Reference::default();
        let Reference { other, goal } = references.get(name).unwrap_or(&none);
        // A `String` takes whatever is written to it.
        let _ = writeln!(table, "| {name} | {count} | {times} · {bytes} | {other} | {goal} |");
    }
    Ok(table)
}

/// Names and counts: a line with the case and the path to it, and one of those after it with its count.
pub(super) fn instructions(printed: &str) -> Vec<(&str, &str)> {
    let (mut found, mut case) = (Vec::new(), None);
    for line in printed.lines() {
        if let Some(rest) = line.strip_prefix("instructions::") {
            case = rest.split_once(' ').and_then(|(_, rest)| rest.split(':').next());
        } else if let Some(count) = line.trim_start().strip_prefix("Instructions:") {
            let count = count.trim_start().split('|').next();
            found.extend(case.take().zip(count));
        }
    }
    found
}

/// How many allocations, and how many bytes, by the name of the case.
fn allocations(printed: &str) -> BTreeMap<&str, (&str, &str)> {
    let lines = printed.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    lines
        .filter_map(|words| <[&str; 3]>::try_from(words).ok())
        .map(|[name, times, bytes]| (name, (times, bytes)))
        .collect()
}

/// Lines of a case, a goal or `-`, and words for what stands beside it. A line that starts with `#` is a comment.
fn beside(text: &str) -> BTreeMap<&str, Reference<'_>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let parsed = lines.filter_map(|line| {
        let (name, rest) = line.split_once(' ')?;
        let (goal, other) = rest.trim_start().split_once(' ').unwrap_or((rest.trim(), ""));
        let goal = if goal == "-" { "" } else { goal };
        Some((name, Reference { other: other.trim(), goal }))
    });
    parsed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTED: &str = "instructions::every_case::instructions bare:(warmed(stringify! (bare)))\n  \
                           Instructions:   319|320   (-0.3%)\n  L1 Hits:  10|N/A\n\
                           instructions::every_case::instructions layer:(warmed(stringify! (layer)))\n  \
                           Instructions:   8431|N/A  (*********)\n";

    #[test]
    fn each_case_stands_beside_what_is_known_of_it() {
        let table = print(COUNTED, "bare 0 0\nlayer 7 468\n", "# a\nlayer  1500 tonic: 2007\n").unwrap();
        let lines: Vec<&str> = table.lines().skip(2).collect();
        assert_eq!(lines, ["| bare | 319 | 0 · 0 |  |  |", "| layer | 8431 | 7 · 468 | tonic: 2007 | 1500 |"]);
    }

    #[test]
    fn what_was_not_counted_is_told_and_never_made_up() {
        assert!(print("error: no valgrind\n", "", "").is_err());
        let table = print(COUNTED, "", "").unwrap();
        assert!(table.contains("| bare | 319 | ? · ? |  |  |"));
    }

    #[test]
    fn a_reference_may_lack_a_goal_or_the_words() {
        let references = beside("a - tower: 1 · 2\nb 250\n\nc\n");
        assert_eq!(references["a"], Reference { other: "tower: 1 · 2", goal: "" });
        assert_eq!(references["b"], Reference { other: "", goal: "250" });
        assert_eq!(references.len(), 2);
    }
}
