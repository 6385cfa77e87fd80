//! An HTTP/1.1 client of raw bytes.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Head, soon};

pub(crate) struct Http1Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Http1Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = soon("a connection", TcpStream::connect(address)).await.expect("somebody listens");
        Self { stream, buffer: Vec::new() }
    }

    /// On a connection that is there.
    pub(crate) fn of(stream: TcpStream) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// Sends a request without a body; whether somebody took it.
    pub(crate) async fn try_get(&mut self, path: &str) -> bool {
        let request = format!("GET {path} HTTP/1.1\r\nhost: shop.example\r\n\r\n");
        soon("a write", self.stream.write_all(request.as_bytes())).await.is_ok()
    }

    pub(crate) async fn send(&mut self, text: &str) {
        soon("a write", self.stream.write_all(text.as_bytes())).await.expect("the connection is open");
    }

    /// Sends a request without a body.
    pub(crate) async fn get(&mut self, path: &str, fields: &str) {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: shop.example\r\n{fields}\r\n")).await;
    }

    /// The next answer, whose length is told, and its body.
    pub(crate) async fn answer(&mut self) -> (Head, String) {
        let head = self.head().await;
        let length = head.headers.get("content-length").and_then(|length| length.to_str().ok()?.parse().ok());
        let length: usize = length.expect("a length is told");
        while self.buffer.len() < length {
            assert!(self.more().await, "ended within a body");
        }
        let body = self.buffer.drain(..length).collect();
        (head, String::from_utf8(body).expect("a body is text"))
    }

    /// The same, where there is a whole one; `None` where the connection ends before that.
    pub(crate) async fn answer_if_whole(&mut self) -> Option<(Head, String)> {
        loop {
            if let Some((head, rest)) = Head::split(&self.buffer) {
                let length = head.headers["content-length"].to_str().ok().and_then(|length| length.parse().ok());
                if let Some((body, rest)) = rest.split_at_checked(length.expect("a length is told")) {
                    let body = String::from_utf8(body.to_vec()).expect("a body is text");
                    self.buffer = rest.to_vec();
                    return Some((head, body));
                }
            }
            let read = soon("an answer", self.stream.read_buf(&mut self.buffer)).await;
            read.ok().filter(|length| *length > 0)?;
        }
    }

    /// The next head.
    pub(crate) async fn head(&mut self) -> Head {
        loop {
            if let Some((head, rest)) = Head::split(&self.buffer) {
                self.buffer = rest.to_vec();
                return head;
            }
            assert!(self.more().await, "ended before a head");
        }
    }

    /// The body of the answer whose head was read, chunk by chunk, to its last one.
    pub(crate) async fn chunks(&mut self) -> Vec<String> {
        let mut chunks = Vec::new();
        loop {
            let length = self.line().await;
            let length = usize::from_str_radix(&length, 16).expect("a chunk tells its length");
            while self.buffer.len() < length {
                assert!(self.more().await, "ended within a chunk");
            }
            let chunk: Vec<u8> = self.buffer.drain(..length).collect();
            assert_eq!(self.line().await, "", "behind a chunk");
            if length == 0 {
                return chunks;
            }
            chunks.push(String::from_utf8(chunk).expect("a chunk is text"));
        }
    }

    async fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|window| window == b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..end + 2).collect();
                return String::from_utf8_lossy(&line[..end]).into_owned();
            }
            assert!(self.more().await, "ended within a line");
        }
    }

    /// Reads until this text has come.
    pub(crate) async fn until(&mut self, text: &str) {
        while !String::from_utf8_lossy(&self.buffer).contains(text) {
            assert!(self.more().await, "ended before {text:?}");
        }
    }

    /// Closes the side that writes.
    pub(crate) async fn half_close(&mut self) {
        soon("a half-close", self.stream.shutdown()).await.expect("the connection is open");
    }

    /// Whatever is left, to the end of the connection.
    pub(crate) async fn rest(mut self) -> String {
        while self.more().await {}
        String::from_utf8_lossy(&self.buffer).into_owned()
    }

    async fn more(&mut self) -> bool {
        let read = soon("an answer", self.stream.read_buf(&mut self.buffer)).await;
        read.expect("the connection is not reset") > 0
    }
}
