//! An upstream of raw bytes, which tells what it saw.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{self, AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::sleep;

use super::scripts::{Step, script};
use super::{Head, soon};

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exchange {
    /// As the script says.
    Played,
    /// The peer left before that.
    Cancelled,
}

/// An HTTP/1.1 server that plays a script for each request, by its path.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    requests: UnboundedReceiver<Head>,
    exchanges: UnboundedReceiver<Exchange>,
}

/// What a connection works with.
#[derive(Clone)]
struct Stage {
    /// Instead of the scripts, for every path.
    answer: Option<String>,
    requests: UnboundedSender<Head>,
    exchanges: UnboundedSender<Exchange>,
}

impl Upstream {
    /// Plays the scripts.
    pub(crate) async fn start() -> Self {
        Self::serve(None).await
    }

    /// Answers every request with these bytes.
    pub(crate) async fn answering(answer: impl Into<String>) -> Self {
        Self::serve(Some(answer.into())).await
    }

    async fn serve(answer: Option<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let accepted = Arc::new(AtomicUsize::new(0));
        let (tell_requests, requests) = unbounded_channel();
        let (tell_exchanges, exchanges) = unbounded_channel();
        let stage = Stage { answer, requests: tell_requests, exchanges: tell_exchanges };
        let count = Arc::clone(&accepted);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(converse(stream, stage.clone()));
            }
        });
        Self { address, accepted, requests, exchanges }
    }

    /// The head of the next request.
    pub(crate) async fn request(&mut self) -> Head {
        soon("a request at the upstream", self.requests.recv()).await.expect("the upstream serves")
    }

    /// How the next exchange ended.
    pub(crate) async fn exchange(&mut self) -> Exchange {
        soon("the end of an exchange", self.exchanges.recv()).await.expect("the upstream serves")
    }

    /// How many connections there were.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Fails if there is a request that was not looked at.
    #[track_caller]
    pub(crate) fn assert_no_more(&mut self) {
        let request = self.requests.try_recv();
        assert!(request.is_err(), "{request:?}");
    }

    /// Fails if anybody has been here.
    #[track_caller]
    pub(crate) fn assert_untouched(&mut self) {
        assert_eq!(self.accepted(), 0);
        self.assert_no_more();
    }
}

async fn converse(stream: TcpStream, stage: Stage) {
    let (mut reader, mut writer) = stream.into_split();
    let mut buffer = Vec::new();
    while let Some(head) = read_head(&mut reader, &mut buffer).await {
        let steps = match &stage.answer {
            Some(answer) => vec![Step::Send(answer.clone())],
            None => script(head.path()),
        };
        let _ = stage.requests.send(head);
        let exchange = tokio::select! {
            biased;
            exchange = play(&steps, &mut writer) => exchange,
            () = left(&mut reader) => Exchange::Cancelled,
        };
        let _ = stage.exchanges.send(exchange);
        if exchange == Exchange::Cancelled || matches!(steps.last(), Some(Step::Close)) {
            return;
        }
    }
}

async fn read_head(reader: &mut OwnedReadHalf, buffer: &mut Vec<u8>) -> Option<Head> {
    loop {
        if let Some((head, rest)) = Head::split(buffer) {
            *buffer = rest.to_vec();
            return Some(head);
        }
        if !matches!(reader.read_buf(buffer).await, Ok(1..)) {
            return None;
        }
    }
}

async fn play(steps: &[Step], writer: &mut OwnedWriteHalf) -> Exchange {
    for step in steps {
        let sent = match step {
            Step::Send(text) => writer.write_all(text.as_bytes()).await,
            Step::Flood => flood(writer).await,
            Step::Wait(duration) => {
                sleep(*duration).await;
                Ok(())
            }
            Step::Stall => std::future::pending().await,
            Step::Close => return Exchange::Played,
        };
        if sent.is_err() {
            return Exchange::Cancelled;
        }
    }
    Exchange::Played
}

async fn flood(writer: &mut OwnedWriteHalf) -> io::Result<()> {
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    loop {
        writer.write_all(chunk.as_bytes()).await?;
    }
}

/// Ready once the peer has closed its side; what it sends until then is passed over.
async fn left(reader: &mut OwnedReadHalf) {
    let mut buffer = [0; 4_096];
    while matches!(reader.read(&mut buffer).await, Ok(1..)) {}
}
