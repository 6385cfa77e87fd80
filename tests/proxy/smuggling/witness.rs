//! An upstream that tells what it read, to the byte.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::support::{Head, soon};

/// The fields that it tells of, in this order.
const TOLD: [&str; 7] = ["host", "content-length", "transfer-encoding", "trailer", "x-a", "x-b", "x-t"];

pub(super) struct Witness {
    pub(super) address: SocketAddr,
    messages: UnboundedReceiver<String>,
}

impl Witness {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let (tell, messages) = unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, tell.clone()));
            }
        });
        Self { address, messages }
    }

    /// The next whole message: its first line, the fields of [`TOLD`], its body as it stood on the wire.
    pub(super) async fn message(&mut self) -> String {
        soon("a message at the upstream", self.messages.recv()).await.expect("the upstream serves")
    }

    /// Fails if there is a whole message that was not looked at.
    #[track_caller]
    pub(super) fn assert_no_more(&mut self) {
        let message = self.messages.try_recv();
        assert!(message.is_err(), "{message:?}");
    }
}

async fn converse(mut stream: TcpStream, tell: UnboundedSender<String>) {
    let mut buffer = Vec::new();
    while matches!(stream.read_buf(&mut buffer).await, Ok(1..)) {
        if let Some(message) = whole(&buffer) {
            buffer.clear();
            let _ = tell.send(message);
            if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.is_err() {
                return;
            }
        }
    }
}

/// The message, once it is whole by its own word.
fn whole(bytes: &[u8]) -> Option<String> {
    let (head, body) = Head::split(bytes)?;
    let body = String::from_utf8_lossy(body);
    let length = head.headers.get("content-length").and_then(|length| length.to_str().ok()?.parse().ok());
    let is_chunked = head.headers.contains_key("transfer-encoding");
    let is_whole = if is_chunked { body.ends_with("0\r\n\r\n") } else { body.len() >= length.unwrap_or(0) };
    is_whole.then(|| {
        let fields =
            TOLD.into_iter().flat_map(|name| head.headers.get_all(name).iter().map(move |value| (name, value)));
        let fields = fields.map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())));
        [vec![head.start], fields.collect(), vec![body.into_owned()]].concat().join(" | ")
    })
}
