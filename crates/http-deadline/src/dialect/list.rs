//! Lists within a field: split where no string is.
//!
//! Covers quoted strings with `\` in them, as RFC 9110 and RFC 9651 have them alike. Does not know what the elements mean.

/// The elements of a list, with the blanks around them.
pub(super) fn split(list: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut string = InString::default();
    list.split(move |byte| !string.pass(*byte) && *byte == separator)
}

/// Whether every string that begins in it ends in it: what follows such a list is not taken for a part of it.
pub(super) fn is_whole(list: &[u8]) -> bool {
    let mut string = InString::default();
    for byte in list {
        string.pass(*byte);
    }
    string == InString::default()
}

#[derive(Default, PartialEq)]
struct InString {
    is_open: bool,
    is_escaped: bool,
}

impl InString {
    /// Returns whether this byte belongs to a string.
    fn pass(&mut self, byte: u8) -> bool {
        let was_open = self.is_open;
        match byte {
            _ if std::mem::take(&mut self.is_escaped) => {}
            b'\\' if was_open => self.is_escaped = true,
            b'"' => self.is_open = !was_open,
            _ => {}
        }
        was_open || self.is_open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_separator_within_a_string_separates_nothing() {
        for (list, elements, whole) in [
            (r"a, b", 2, true),
            (r#"a="x, y", b"#, 2, true),
            (r#"a="x\", y", b"#, 2, true),
            (r#"a="x\\", b"#, 2, true),
            (r"a\, b", 2, true),
            (r#"a="x, b"#, 1, false),
            (r#"a="x\"#, 1, false),
            ("", 1, true),
        ] {
            assert_eq!((split(list.as_bytes(), b',').count(), is_whole(list.as_bytes())), (elements, whole), "{list}");
        }
    }
}
