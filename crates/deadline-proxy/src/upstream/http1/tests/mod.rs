//! Answers however their bytes come, and requests however they are taken.

mod exchanges;
mod hostile;
mod requests;
mod splits;

use bytes::BytesMut;
use http::{HeaderMap, Method, StatusCode};

use super::decode::Piece;
use super::error::Error;
use super::head;

/// What came of the bytes of a peer, which then closed.
#[derive(Clone, Debug, PartialEq)]
struct Read {
    status: StatusCode,
    fields: HeaderMap,
    body: Vec<u8>,
    trailers: Option<HeaderMap>,
    /// Whether another exchange could have followed.
    is_kept: bool,
    /// What is left.
    rest: Vec<u8>,
}

/// Reads an answer to this request that comes in these pieces.
fn read<'a>(method: &Method, pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Read, String> {
    let (mut pieces, mut bytes, mut seen) = (pieces.into_iter(), BytesMut::new(), 0);
    let text = |error: Error| error.to_string();
    let mut is_closed = false;
    let mut head = loop {
        match head::take(&mut bytes, &mut seen, method).map_err(text)? {
            Some(head) if head.status.is_informational() && head.status != 101 => continue,
            Some(head) => break head,
            None if is_closed => return Err(Error::Incomplete.to_string()),
            None => {}
        }
        match pieces.next() {
            Some(piece) => bytes.extend_from_slice(piece),
            None => (is_closed, seen) = (true, 0),
        }
    };
    let (mut body, mut trailers) = (Vec::new(), None);
    loop {
        match head.body.next(&mut bytes).map_err(text)? {
            Piece::Data(data) => body.extend_from_slice(&data),
            Piece::Trailers(found) => trailers = Some(found),
            Piece::End => break,
            Piece::More => match pieces.next() {
                Some(piece) => bytes.extend_from_slice(piece),
                None => {
                    head.body.close().map_err(text)?;
                    break;
                }
            },
        }
    }
    pieces.for_each(|piece| bytes.extend_from_slice(piece));
    Ok(Read {
        status: head.status,
        fields: head.fields,
        body,
        trailers,
        is_kept: head.is_kept && bytes.is_empty(),
        rest: bytes.to_vec(),
    })
}

fn whole(text: &[u8]) -> Result<Read, String> {
    read(&Method::GET, [text])
}
