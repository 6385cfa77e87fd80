//! Whole answers of HTTP/1.1, each made once.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// By the length of their bodies.
#[derive(Default)]
pub(crate) struct Answers(RefCell<BTreeMap<usize, Rc<[u8]>>>);

impl Answers {
    /// A head of three fields, and a body of so many bytes.
    pub(crate) fn of(&self, length: usize) -> Rc<[u8]> {
        Rc::clone(self.0.borrow_mut().entry(length).or_insert_with(|| make(length)))
    }
}

fn make(length: usize) -> Rc<[u8]> {
    let fields = "content-type: text/plain\r\ndate: Sun, 22 Nov 2026 12:00:00 GMT";
    let mut answer = format!("HTTP/1.1 200 OK\r\n{fields}\r\ncontent-length: {length}\r\n\r\n").into_bytes();
    answer.resize(answer.len() + length, b'x');
    answer.into()
}

/// What a path asks for: the length after its last slash.
pub(crate) fn length(path: &str) -> usize {
    path.rsplit('/').next().and_then(|length| length.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_says_how_long_the_answer_is() {
        for (path, wanted) in [("/128", 128), ("/r/7/16384", 16_384), ("/", 0), ("/a/b", 0)] {
            assert_eq!(length(path), wanted, "{path}");
        }
    }

    #[test]
    fn an_answer_is_as_long_as_it_says() {
        let answer = Answers::default().of(3);
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n") && answer.ends_with(b"content-length: 3\r\n\r\nxxx"));
    }
}
