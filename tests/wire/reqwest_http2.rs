//! Requests that an HTTP/2 server refuses to look at are sent again, with what is left then.

use std::net::SocketAddr;
use std::time::Duration;

use h2::Reason;
use http::{HeaderMap, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::sleep;
use tower_deadline::reqwest::PropagateReqwest;
use tower_deadline::{Dialect, PropagateError, PropagateLayer};

use super::reqwest::{alone, get, within};
use crate::support::{MS, soon, timeout};

fn client() -> PropagateReqwest {
    PropagateLayer::new().reqwest().build(alone().http2_prior_knowledge()).unwrap()
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Refuses so many streams, each after 50 ms, and answers the rest.
async fn serve(stream: TcpStream, refused: usize, seen: UnboundedSender<HeaderMap>) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    let mut count = 0;
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        seen.send(request.into_parts().0.headers).unwrap();
        count += 1;
        if count > refused {
            respond.send_response(Response::new(()), true).unwrap();
        } else {
            sleep(50 * MS).await;
            respond.send_reset(Reason::REFUSED_STREAM);
        }
    }
}

async fn refusing(refused: usize) -> (SocketAddr, UnboundedReceiver<HeaderMap>) {
    let (listener, address) = listen().await;
    let (tell, seen) = unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, refused, tell.clone()));
        }
    });
    (address, seen)
}

async fn told(seen: &mut UnboundedReceiver<HeaderMap>) -> Duration {
    let headers = soon("a request", seen.recv()).await.unwrap();
    timeout(&headers, Dialect::XRequestTimeout)
}

#[tokio::test]
async fn a_refused_stream_is_sent_again_with_less() {
    let (address, mut seen) = refusing(2).await;
    let response = soon("an answer", client().execute(within(9_000, get(format!("http://{address}/"))))).await;
    assert!(response.unwrap().status().is_success());
    let left = [told(&mut seen).await, told(&mut seen).await, told(&mut seen).await];
    assert!(left[0] <= 9_000 * MS && left.is_sorted_by(|a, b| *a >= *b + 50 * MS), "{left:?}");
}

#[tokio::test]
async fn a_server_that_goes_on_refusing_is_left_after_two_more() {
    let (address, mut seen) = refusing(usize::MAX).await;
    let outcome = soon("a failure", client().execute(within(9_000, get(format!("http://{address}/"))))).await;
    assert!(matches!(outcome, Err(PropagateError::Inner(_))), "{outcome:?}");
    for _ in 0..3 {
        told(&mut seen).await;
    }
    assert!(seen.try_recv().is_err());
}

/// An empty SETTINGS frame, and a GOAWAY without an error that names no stream as seen.
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
const GOAWAY: &[u8] = &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

#[tokio::test]
async fn a_connection_that_closes_gracefully_has_its_request_sent_again_on_another() {
    let (listener, address) = listen().await;
    let (tell, mut seen) = unbounded_channel();
    tokio::spawn(async move {
        let (mut leaving, _) = listener.accept().await.unwrap();
        leaving.write_all(SETTINGS).await.unwrap();
        // The preface, settings, and then the head of the request, which is a frame of type 1.
        let mut read = Vec::new();
        while !has_headers(&read) {
            assert!(leaving.read_buf(&mut read).await.unwrap() > 0);
        }
        leaving.write_all(GOAWAY).await.unwrap();
        let (next, _) = listener.accept().await.unwrap();
        serve(next, 0, tell).await;
        drop(leaving);
    });
    let response = soon("an answer", client().execute(within(9_000, get(format!("http://{address}/"))))).await;
    assert!(response.unwrap().status().is_success());
    assert!(told(&mut seen).await <= 9_000 * MS);
}

fn has_headers(read: &[u8]) -> bool {
    let mut frames = read.get(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len()..).unwrap_or_default();
    while let [a, b, c, kind, ..] = *frames {
        let length = 9 + u32::from_be_bytes([0, a, b, c]) as usize;
        if kind == 1 && frames.len() >= length {
            return true;
        }
        frames = frames.get(length..).unwrap_or_default();
    }
    false
}
