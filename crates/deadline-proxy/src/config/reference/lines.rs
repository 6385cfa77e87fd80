//! Lines that are as long as those of the source.

/// The most characters of a line.
const WIDTH: usize = 120;

/// The paragraphs of a text, each broken anew.
pub(super) fn wrapped(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(paragraph);
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

fn paragraph(text: &str) -> String {
    let (mut lines, mut length) = (String::new(), 0);
    for word in text.split_whitespace() {
        let with = length + 1 + word.chars().count();
        if length == 0 {
            length = with - 1;
        } else if with <= WIDTH {
            lines.push(' ');
            length = with;
        } else {
            lines.push('\n');
            length = with - length - 1;
        }
        lines.push_str(word);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_broken_before_the_word_that_does_not_fit() {
        let (fits, beyond) = ("é".repeat(WIDTH - 4), "x".repeat(WIDTH));
        assert_eq!(wrapped(&format!("a\nb {fits} c {beyond} d")), format!("a b {fits}\nc\n{beyond}\nd"));
        assert_eq!(wrapped("a\nb\n\nc"), "a b\n\nc");
        assert_eq!(wrapped(""), "");
    }
}
