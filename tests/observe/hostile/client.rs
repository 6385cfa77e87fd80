//! Clients that go on whatever they are told.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::words;
use crate::support::{Chance, H2Client, Head, soon};

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
    let (mut chance, mut met) = (Chance::of(SEED, part), Met::default());
    let mut client = H2Client::connect(address).await;
    for _ in 0..requests {
        let target = format!("http://{}{}", words::host(&mut chance), words::path(&mut chance));
        let mut request = Request::builder().method(words::method(&mut chance).as_str()).uri(target);
        for (name, value) in words::fields(&mut chance) {
            request = request.header(name, value);
        }
        // What cannot be written is not sent.
        if let Ok(request) = request.body(()) {
            met.note(client.get(request).await.status);
        }
    }
    met
}
