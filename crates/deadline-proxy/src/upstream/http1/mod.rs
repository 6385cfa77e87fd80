//! The client half of HTTP/1.1.
//!
//! Covers one exchange after the other on one connection: the head of a request and its body are written, the head of an
//! answer and its body are read, both within the task of the request. There is no task of the connection and no channel
//! to it, so a request that is not sent is still there, and one that is dropped is gone. Only where an answer begins
//! before its request is whole does the rest of it go on in a task of its own.
//!
//! What is read is bounded: heads, fields, interim answers by the deadline around, extensions of chunks, trailers. What
//! two parties could read differently is refused (R35), and what breaks off is not whole (R34). Does not know pools,
//! endpoints and deadlines, nor HTTP/2.
//!
//! | | |
//! |---|---|
//! | `encode.rs` | how the head and the body of a request look |
//! | `upload.rs` | a body that is on its way |
//! | `head.rs` | the head of an answer, and where its body ends |
//! | `decode.rs`, `chunked.rs` | the body of an answer: bytes in, pieces out, without any I/O |
//! | `spare.rs` | the room for its fields, which was that of the request |
//! | `conn.rs` | a connection: all of these, and the bytes |
//! | `link.rs` | the bytes, whole or with the way out lent to the rest of a request |
//! | `switched.rs` | what becomes of a connection after a 101 |

mod chunked;
mod conn;
mod decode;
mod encode;
mod error;
mod head;
mod link;
mod spare;
mod switched;
#[cfg(test)]
mod tests;
mod upload;

pub(super) use self::conn::{Begun, Broke, Conn};
pub(super) use self::error::Error;
pub(super) use self::spare::keep as keep_room;
pub(crate) use self::spare::tell_lines;
pub(crate) use self::switched::Switched;
pub(super) use self::upload::Upload;
