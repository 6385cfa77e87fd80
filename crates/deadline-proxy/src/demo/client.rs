//! The client: plain HTTP/1.1 over a connection of its own, without any of our layers.
//!
//! Dropping the future of a request closes its socket, which is how a client leaves.

use std::net::SocketAddr;

use bytes::Bytes;
use http::header::HOST;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tower_deadline::dialect::server_timing::{Entry, entries};
use tower_deadline::dialect::trail::Trail;
use tower_deadline::{BoxError, Cause, Dialect, Stage};

use super::Hop;

/// What came back.
#[derive(Clone, Debug, Default)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) stage: Option<Stage>,
    pub(super) cause: Option<Cause>,
    /// The hop that answered in place of the last one.
    pub(super) hop: Option<Hop>,
    /// What the problem document says.
    pub(super) detail: Option<String>,
    /// Where the time went, by hop; the nearest is the last.
    pub(super) entries: Vec<Entry>,
}

/// Sends one request to the chain, which works as `query` says, and waits for the whole answer.
pub(super) async fn ask(address: SocketAddr, query: &str, timeout: &str) -> Result<Reply, BoxError> {
    let (mut sender, connection) = handshake(TokioIo::new(TcpStream::connect(address).await?)).await?;
    // Aborted, and its socket closed, when this is dropped.
    let mut connections = JoinSet::new();
    connections.spawn(connection);
    let request = Request::get(format!("/order?{query}"))
        .header(HOST, address.to_string())
        .header(Dialect::XRequestTimeout.as_str(), timeout)
        .body(Empty::<Bytes>::new())?;
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Reply::of(&Response::from_parts(head, body)))
}

impl Reply {
    fn of(response: &Response<Bytes>) -> Self {
        let trail = Trail::read(response.headers());
        // An answer that is no problem document has none of its members.
        let problem: serde_json::Value = serde_json::from_slice(response.body()).unwrap_or_default();
        let member = |name: &str| problem.get(name).and_then(|value| value.as_str());
        Self {
            status: response.status().as_u16(),
            stage: trail.as_ref().map(Trail::stage),
            cause: trail.as_ref().map(Trail::cause),
            hop: trail.as_ref().and_then(Trail::hop).or(member("hop")).and_then(Hop::from_name),
            detail: member("detail").map(str::to_owned),
            entries: entries(response.headers()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tower_deadline::dialect::server_timing::SERVER_TIMING;
    use tower_deadline::dialect::trail::DEADLINE_EXCEEDED;

    #[test]
    fn the_field_tells_where_and_why_and_the_document_tells_the_rest() {
        let body = Bytes::from_static(br#"{"hop": "orders", "detail": "too late"}"#);
        let trail = r#"origin=header, stage=handler, cause=deadline, hop="payments""#;
        let late = Response::builder().status(504).header(&DEADLINE_EXCEEDED, trail);
        let late = late.header(&SERVER_TIMING, "hop.orders;dur=5;desc=\"own=5\"").body(body.clone()).unwrap();
        let late = Reply::of(&late);
        assert_eq!((late.status, late.hop, late.entries.len()), (504, Some(Hop::Payments), 1));
        assert_eq!((late.stage, late.cause), (Some(Stage::Handler), Some(Cause::Deadline)));
        let broken = Reply::of(&Response::builder().status(502).body(body).unwrap());
        assert_eq!((broken.status, broken.hop, broken.stage), (502, Some(Hop::Orders), None));
        assert_eq!(broken.detail.as_deref(), Some("too late"));
    }

    #[test]
    fn a_plain_answer_tells_nothing_but_its_status() {
        let plain = Reply::of(&Response::new(Bytes::from_static(b"charged\n")));
        assert_eq!((plain.status, plain.hop, plain.detail), (200, None, None));
    }
}
