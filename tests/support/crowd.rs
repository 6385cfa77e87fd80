//! Many clients at once.

use std::fmt::Write;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Head, Http1Client, Proxy, SLACK};

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Method and path.
    pub(crate) start: String,
    /// In whole milliseconds.
    pub(crate) timeout: Duration,
    /// Each with its line end.
    pub(crate) fields: String,
    pub(crate) body: String,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) asked: Asked,
    pub(crate) sent: Instant,
    /// `None` where the connection ended before there was a whole answer.
    pub(crate) head: Option<Head>,
    pub(crate) text: String,
    pub(crate) took: Duration,
}

impl Asked {
    pub(crate) fn get(path: impl Into<String>, timeout: Duration) -> Self {
        let start = format!("GET {}", path.into());
        Self { start, timeout, fields: String::new(), body: String::new() }
    }

    pub(crate) fn with_body(start: impl Into<String>, timeout: Duration, body: impl Into<String>) -> Self {
        Self { start: start.into(), timeout, fields: String::new(), body: body.into() }
    }

    /// Sends it, and waits for its answer.
    pub(crate) async fn put(self, client: &mut Http1Client) -> Told {
        let mut message = format!("{} HTTP/1.1\r\nhost: shop.example\r\n{}", self.start, self.fields);
        write!(message, "x-request-timeout: {}ms\r\n", self.timeout.as_millis()).expect("a string takes it");
        if !self.body.is_empty() {
            write!(message, "content-length: {}\r\n", self.body.len()).expect("a string takes it");
        }
        write!(message, "\r\n{}", self.body).expect("a string takes it");
        let sent = Instant::now();
        client.send(&message).await;
        let (head, text) = client.answer_if_whole().await.unzip();
        let text = text.unwrap_or_default();
        Told { asked: self, sent, head, text, took: sent.elapsed() }
    }
}

impl Told {
    /// 0 where there was no whole answer.
    pub(crate) fn status(&self) -> u16 {
        self.head.as_ref().map_or(0, Head::status)
    }

    /// It did not outlive its deadline; and what was ended at its deadline was not ended before.
    #[track_caller]
    pub(crate) fn assert_in_time(&self) {
        let timeout = self.asked.timeout;
        assert!(self.took < timeout + SLACK, "outlived its deadline: {self:?}");
        // The limit of a try is a 504, too, whose origin is another.
        let is_late = self.head.is_none() || self.text.contains("\"origin\":\"header\"");
        assert!(self.took >= timeout || !is_late, "ended too soon: {self:?}");
    }

    /// The value of a field, where it stands there once.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let values: Vec<_> = self.head.as_ref()?.headers.get_all(name).iter().collect();
        let [value] = values[..] else { return None };
        value.to_str().ok()
    }

    /// Which upstream it is of, as the field says.
    pub(crate) fn upstream(&self) -> Option<&str> {
        self.field("proxy-status")?.split("next-hop=\"").nth(1)?.split('"').next()
    }
}

/// Asks so many times, over so many connections.
pub(crate) async fn crowd(
    proxy: &Proxy,
    connections: usize,
    requests: usize,
    asked: impl Fn(usize) -> Asked + Clone + Send + 'static,
) -> Vec<Told> {
    let address = proxy.address;
    let mut clients = JoinSet::new();
    for first in 0..connections {
        let asked = asked.clone();
        clients.spawn(async move {
            let mut client = Http1Client::connect(address).await;
            let mut told = Vec::new();
            for number in (first..requests).step_by(connections) {
                let answer = asked(number).put(&mut client).await;
                if answer.head.is_none() || answer.field("connection") == Some("close") {
                    client = Http1Client::connect(address).await;
                }
                told.push(answer);
            }
            told
        });
    }
    clients.join_all().await.concat()
}
