//! Clients that go on whatever they are told.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::words;
use crate::support::{Chance, Head, soon};

/// Where every client's chance begins.
const SEED: u64 = 0x0005_7a7e;

/// How often each status was met; 0: the connection, or the stream, was ended without one.
#[derive(Debug, Default)]
pub(super) struct Met(BTreeMap<u16, usize>);

impl Met {
    pub(super) fn add(&mut self, other: &Self) {
        other.0.iter().for_each(|(status, times)| *self.0.entry(*status).or_default() += times);
    }

    fn note(&mut self, status: u16) {
        *self.0.entry(status).or_default() += 1;
    }

    /// Whether there was one that was served, one malformed, one without a route, and one too late.
    pub(super) fn has_all(&self) -> bool {
        [200, 400, 404, 504].iter().all(|status| self.0.contains_key(status))
    }
}

impl fmt::Display for Met {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let met: Vec<_> = self.0.iter().map(|(status, times)| format!("{status}: {times}")).collect();
        f.write_str(&met.join(", "))
    }
}

/// So many requests, each after the answer to the one before.
pub(super) async fn http1(address: SocketAddr, part: usize, requests: usize) -> Met {
    let (mut chance, mut met, mut connection) = (Chance::of(SEED, part), Met::default(), None);
    for _ in 0..requests {
        let method = words::method(&mut chance);
        let request = words::request(&mut chance, &method);
        let mut stream = match connection.take() {
            Some(stream) => stream,
            None => soon("a connection", TcpStream::connect(address)).await.expect("somebody listens"),
        };
        let (status, is_kept) = soon("an answer", ask(&mut stream, &request, method == "HEAD")).await;
        met.note(status);
        connection = Some(stream).filter(|_| is_kept);
    }
    met
}

/// The status, and whether the connection can be used again.
async fn ask(stream: &mut TcpStream, request: &str, is_head: bool) -> (u16, bool) {
    let mut buffer = Vec::new();
    if stream.write_all(request.as_bytes()).await.is_err() {
        return (0, false);
    }
    loop {
        if let Some((head, rest)) = Head::split(&buffer) {
            let field = |name| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
            let length: Option<usize> = if is_head { Some(0) } else { field("content-length").parse().ok() };
            match length {
                Some(length) if rest.len() >= length => return (head.status(), field("connection") != "close"),
                Some(_) => {}
                // Where no length is told, there is no more than a head to wait for.
                None => return (head.status(), false),
            }
        }
        if !matches!(stream.read_buf(&mut buffer).await, Ok(read) if read > 0) {
            return (0, false);
        }
    }
}

/// The same over HTTP/2, as far as a client of it writes such things.
pub(super) async fn http2(address: SocketAddr, part: usize, requests: usize) -> Met {
    let (mut chance, mut met, mut connection) = (Chance::of(SEED, part), Met::default(), None);
    for _ in 0..requests {
        let target = format!("http://{}{}", words::host(&mut chance), words::path(&mut chance));
        let mut request = Request::builder().method(words::method(&mut chance).as_str()).uri(target);
        for (name, value) in words::fields(&mut chance) {
            request = request.header(name, value);
        }
        // What cannot be written is not sent.
        let Ok(request) = request.body(()) else { continue };
        let client = match connection.take() {
            Some(client) => client,
            None => soon("a connection", connect(address)).await,
        };
        let (status, kept) = soon("an answer", ask_over_http2(client, request)).await;
        met.note(status);
        connection = kept;
    }
    met
}

async fn connect(address: SocketAddr) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(address).await.expect("somebody listens");
    let (client, connection) = h2::client::handshake(stream).await.expect("HTTP/2 is spoken");
    tokio::spawn(async move { connection.await.map_or_else(drop, drop) });
    client
}

/// The status, and the connection, unless it has failed.
async fn ask_over_http2(client: SendRequest<Bytes>, request: Request<()>) -> (u16, Option<SendRequest<Bytes>>) {
    let Ok(mut client) = client.ready().await else { return (0, None) };
    let Ok((response, _)) = client.send_request(request, true) else { return (0, Some(client)) };
    let Ok(response) = response.await else { return (0, Some(client)) };
    let (head, mut body) = response.into_parts();
    while let Some(Ok(data)) = body.data().await {
        // A window that is used up is given back.
        let _ = body.flow_control().release_capacity(data.len());
    }
    (head.status.as_u16(), Some(client))
}
