//! HTTP/1.1: one request after the other, read as little as will do.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Outcome;
use crate::answers::{Answers, length};

/// A request head may have so many bytes.
const HEAD: usize = 64 * 1024;

/// Until the other side ends.
pub(crate) async fn serve(mut stream: TcpStream, answers: &Answers) -> Outcome {
    let mut bytes = vec![0; HEAD];
    let mut filled = 0;
    loop {
        let read = stream.read(&mut bytes[filled..]).await?;
        if read == 0 {
            return Ok(());
        }
        filled += read;
        let Some(request) = Request::parse(&bytes[..filled])? else { continue };
        let mut missing = request.whole.saturating_sub(filled);
        let answer = request.asks_for;
        while missing > 0 {
            let room = missing.min(HEAD);
            match stream.read(&mut bytes[..room]).await? {
                0 => return Ok(()),
                read => missing -= read,
            }
        }
        filled = 0;
        stream.write_all(&answers.of(answer)).await?;
    }
}

/// What has to be known of a request.
#[derive(Debug, PartialEq)]
struct Request {
    /// The length of the answer.
    asks_for: usize,
    /// The length of head and body.
    whole: usize,
}

impl Request {
    /// Nothing where the head has not ended yet.
    fn parse(bytes: &[u8]) -> Outcome<Option<Self>> {
        // One without a body ends with its head: no need to look through all of it.
        let end = if bytes.ends_with(b"\r\n\r\n") { Some(bytes.len() - 4) } else { end_of_head(bytes) };
        let Some(end) = end else {
            return if bytes.len() < HEAD { Ok(None) } else { Err("a head is too long".into()) };
        };
        let head = str::from_utf8(&bytes[..end])?;
        let (line, fields) = head.split_once("\r\n").unwrap_or((head, ""));
        let path = line.split(' ').nth(1).ok_or("no path")?;
        let body = if line.starts_with("GET ") { 0 } else { declared(fields)? };
        Ok(Some(Self { asks_for: length(path), whole: end + 4 + body }))
    }
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n")
}

/// The length of the body.
fn declared(fields: &str) -> Outcome<usize> {
    let length = fields.split("\r\n").filter_map(|line| line.split_once(':'));
    let mut length = length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    Ok(length.next().ok_or("a body without a length")?.1.trim().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_as_long_as_its_head_and_what_it_declares() {
        let parse = |text: &str| Request::parse(text.as_bytes()).unwrap();
        let get = "GET /128 HTTP/1.1\r\nhost: a\r\n\r\n";
        assert_eq!(parse(get), Some(Request { asks_for: 128, whole: get.len() }));
        let post = "POST /1 HTTP/1.1\r\nContent-Length: 5\r\n\r\n";
        for body in ["", "ab"] {
            let whole = post.len() + 5;
            assert_eq!(parse(&format!("{post}{body}")), Some(Request { asks_for: 1, whole }));
        }
        assert_eq!(parse("GET /128 HTTP/1.1\r\nhost"), None);
        assert!(Request::parse(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
        assert!(Request::parse(&[b'a'; HEAD]).is_err());
    }
}
