//! HTTP/2: many requests at a time, answered as gRPC where they are.

use std::future;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::{Builder, SendResponse};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Request, Response};
use tokio::net::TcpStream;

use crate::Outcome;
use crate::answers::length;

/// At most as many streams as anybody asks for, and windows that nobody waits for.
const STREAMS: u32 = 100_000;
const WINDOW: u32 = 1 << 20;

/// A message of gRPC: not compressed, eight bytes.
const MESSAGE: &[u8] = b"\0\0\0\0\x08deadline";

/// Until the other side ends.
pub(crate) async fn serve(stream: TcpStream) -> Outcome {
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(STREAMS)
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOW);
    let mut connection = builder.handshake(stream).await?;
    while let Some(request) = connection.accept().await {
        let (request, respond) = request?;
        tokio::task::spawn_local(async move {
            // Whoever breaks off is counted by who asked through it, and not here.
            let _ = answer(request, respond).await;
        });
    }
    Ok(())
}

async fn answer(request: Request<RecvStream>, mut respond: SendResponse<Bytes>) -> Outcome {
    let is_grpc = request
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    let length = length(request.uri().path());
    read(request.into_body()).await?;
    let Some(length) = length else { return future::pending().await };
    let kind = HeaderValue::from_static(if is_grpc { "application/grpc" } else { "text/plain" });
    let head = Response::builder().header(CONTENT_TYPE, kind);
    if is_grpc {
        let mut body = respond.send_response(head.body(())?, false)?;
        body.send_data(Bytes::from_static(MESSAGE), false)?;
        let status = ("grpc-status".parse()?, HeaderValue::from_static("0"));
        body.send_trailers(HeaderMap::from_iter([status]))?;
    } else {
        let head = head.header("content-length", length).body(())?;
        respond.send_response(head, false)?.send_data(vec![b'x'; length].into(), true)?;
    }
    Ok(())
}

async fn read(mut body: RecvStream) -> Outcome {
    while let Some(data) = body.data().await {
        let length = data?.len();
        body.flow_control().release_capacity(length)?;
    }
    Ok(())
}
