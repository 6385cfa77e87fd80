//! The client half of HTTP/2, over the frames and streams of `h2`.
//!
//! Covers one exchange on a stream: the head of a request is handed over, and its body is fed to the stream and the
//! answer awaited within the task of the request, which has no channel to the connection. The connection itself is
//! driven by a task. Only where an answer begins before its request is whole does the rest of that go on in a task of its
//! own. Dropping any part of an exchange before its end resets the stream with CANCEL (R15).
//!
//! Does not know pools, endpoints and deadlines. Does not read pushes, which it forbids, and shows no interim answers
//! (R34).
//!
//! | | |
//! |---|---|
//! | `sender.rs` | a connection: how it begins, what it says of itself, and whether its peer is still there |
//! | `upload.rs` | a body that is on its way |
//! | `answer.rs` | the body of an answer |

mod answer;
mod sender;
#[cfg(test)]
mod tests;
mod upload;

pub(super) use self::answer::Answer;
pub(super) use self::sender::{Link, Sender, Watch, handshake};
pub(super) use self::upload::{Rest, Stopped, Upload};
