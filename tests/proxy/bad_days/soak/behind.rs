//! What the backends stand in front of: answers that take their time, streams without an end, and tunnels.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::stream::unfold;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{copy, split};
use tokio::time::sleep;

use crate::support::{AnyBody, Chance, MS, Server, body};

/// Of every seventh answer, more than fits into one read.
const LARGE: usize = 70_000;

pub(super) async fn server() -> Server {
    let asked = Arc::new(AtomicUsize::new(0));
    Server::answering(move |request| {
        let number = asked.fetch_add(1, Ordering::Relaxed);
        answer(request, number)
    })
    .await
}

async fn answer(request: Request<Incoming>, number: usize) -> Response<AnyBody> {
    match request.uri().path() {
        "/healthz" => Response::new(body(Empty::new())),
        "/stream" => Response::new(endless()),
        "/chat" => switch(request),
        _ => {
            let _ = request.into_body().collect().await;
            // As real ones are: a few milliseconds as a rule, and now and then longer than anybody waits.
            sleep(Chance::of(31, number).latency()).await;
            let length = if number.is_multiple_of(7) { LARGE } else { 3 };
            Response::new(body(Full::new(Bytes::from(vec![b'o'; length]))))
        }
    }
}

fn endless() -> AnyBody {
    let chunks = unfold((), |()| async {
        sleep(MS).await;
        Some((Ok::<_, Infallible>(Frame::data(Bytes::from_static(&[b's'; 1_000]))), ()))
    });
    body(StreamBody::new(Box::pin(chunks)))
}

/// A tunnel that sends everything back.
fn switch(request: Request<Incoming>) -> Response<AnyBody> {
    tokio::spawn(async move {
        let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
        let (mut from, mut to) = split(TokioIo::new(upgraded));
        // It ends with whoever leaves.
        let _ = copy(&mut from, &mut to).await;
    });
    let answer = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
    let answer = answer.header("connection", "upgrade").header("upgrade", "websocket");
    let answer = answer.header("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    answer.body(body(Empty::new())).unwrap()
}
