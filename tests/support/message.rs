//! A whole HTTP/1.1 request.

use tokio::io::{AsyncRead, AsyncReadExt};

use super::Head;

pub(crate) struct Message {
    pub(crate) head: Head,
    /// Without its chunks' lengths and its trailers.
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// The next one; `None` where there is none, or no whole one. What comes behind it stays in the buffer.
    pub(crate) async fn read(reader: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> Option<Self> {
        loop {
            if let Some((message, rest)) = Self::split(buffer) {
                *buffer = rest;
                return Some(message);
            }
            if !matches!(reader.read_buf(buffer).await, Ok(1..)) {
                return None;
            }
        }
    }

    fn split(bytes: &[u8]) -> Option<(Self, Vec<u8>)> {
        let (head, rest) = Head::split(bytes)?;
        let length = head.headers.get("content-length").map(|length| length.to_str().expect("a length is text"));
        let (body, rest) = match length {
            Some(length) => rest.split_at_checked(length.parse().expect("a length is a number"))?,
            None if head.headers.contains_key("transfer-encoding") => return Self::chunked(head, rest),
            None => (&[][..], rest),
        };
        Some((Self { body: body.to_vec(), head }, rest.to_vec()))
    }

    fn chunked(head: Head, mut rest: &[u8]) -> Option<(Self, Vec<u8>)> {
        let mut body = Vec::new();
        loop {
            let (length, behind) = line(rest)?;
            let length = usize::from_str_radix(&length, 16).expect("a chunk tells its length");
            if length == 0 {
                return Some((Self { head, body }, trailers(behind)?.to_vec()));
            }
            let (chunk, behind) = behind.split_at_checked(length)?;
            body.extend_from_slice(chunk);
            rest = behind.strip_prefix(b"\r\n")?;
        }
    }
}

fn line(bytes: &[u8]) -> Option<(String, &[u8])> {
    let end = bytes.windows(2).position(|window| window == b"\r\n")?;
    Some((String::from_utf8_lossy(&bytes[..end]).into_owned(), &bytes[end + 2..]))
}

/// What comes behind the trailers.
fn trailers(mut bytes: &[u8]) -> Option<&[u8]> {
    loop {
        let (trailer, rest) = line(bytes)?;
        if trailer.is_empty() {
            return Some(rest);
        }
        bytes = rest;
    }
}
