//! How far an answer of HTTP/1.1 has come.

use crate::Outcome;

/// One answer, of which bytes come in parts.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    head: Vec<u8>,
    /// Bytes of the body that are still to come, once the head is there.
    missing: Option<usize>,
}

impl Answer {
    /// Takes bytes, and says whether the answer is whole. An error where it is not the answer that was asked for.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Outcome<bool> {
        let body = match self.missing {
            Some(missing) => missing.checked_sub(bytes.len()),
            None => {
                self.head.extend_from_slice(bytes);
                let end = self.head.windows(4).position(|window| window == b"\r\n\r\n");
                let Some(end) = end else { return Ok(false) };
                declared(str::from_utf8(&self.head[..end])?)?.checked_sub(self.head.len() - end - 4)
            }
        };
        self.missing = Some(body.ok_or("more bytes than were declared")?);
        Ok(self.missing == Some(0))
    }

    /// Bytes that are known to be still to come; zero while the head is not whole.
    pub(crate) fn missing(&self) -> usize {
        self.missing.unwrap_or(0)
    }

    /// So many bytes of the body came, and nobody looked at them. Says whether the answer is whole.
    pub(crate) fn skip(&mut self, bytes: usize) -> bool {
        self.missing = self.missing.map(|missing| missing.saturating_sub(bytes));
        self.missing == Some(0)
    }

    /// Ready for the next one.
    pub(crate) fn clear(&mut self) {
        self.head.clear();
        self.missing = None;
    }
}

/// The length of the body of a good answer.
fn declared(head: &str) -> Outcome<usize> {
    let (line, fields) = head.split_once("\r\n").ok_or("no fields")?;
    if !line.starts_with("HTTP/1.1 200") {
        return Err(line.into());
    }
    let fields = fields.split("\r\n").filter_map(|line| line.split_once(':'));
    let mut length = fields.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    Ok(length.next().ok_or("no length")?.1.trim().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_last_byte_is_there() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
        let mut answer = Answer::default();
        for cut in 1..whole.len() {
            assert!(!answer.take(&whole[..cut]).unwrap(), "{cut}");
            assert!(answer.take(&whole[cut..]).unwrap(), "{cut}");
            answer.clear();
        }
    }

    #[test]
    fn a_body_may_be_skipped_once_the_head_is_there() {
        let mut answer = Answer::default();
        assert!(!answer.take(b"HTTP/1.1 200 OK\r\ncontent-le").unwrap());
        assert_eq!(answer.missing(), 0);
        assert!(!answer.take(b"ngth: 9\r\n\r\nab").unwrap());
        assert_eq!(answer.missing(), 7);
        assert!(!answer.skip(6) && answer.skip(1));
    }

    #[test]
    fn what_was_not_asked_for_is_an_error() {
        for bad in [
            "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nserver: a\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nab",
        ] {
            assert!(Answer::default().take(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
