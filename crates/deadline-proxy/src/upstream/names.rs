//! Names and their addresses.
//!
//! Covers who asks for them and when: the first request that needs one, and the background from then on. Does not know
//! how: that is the system's resolver.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::sync::Mutex;
use tokio::time::timeout;

/// What is told of a name.
pub(super) type Found = io::Result<Vec<SocketAddr>>;

/// A name that is being asked for.
pub(super) type Question = Pin<Box<dyn Future<Output = Found> + Send>>;

/// Who knows the addresses of names.
pub(super) trait Resolve: fmt::Debug + Send + Sync {
    /// The addresses that a name has just now.
    fn resolve(&self, host: &str, port: u16) -> Question;
}

/// The system's resolver: what `/etc/hosts` and `/etc/resolv.conf` say.
#[derive(Debug)]
pub(super) struct System;

impl Resolve for System {
    fn resolve(&self, host: &str, port: u16) -> Question {
        let host = host.to_owned();
        Box::pin(async move { Ok(lookup_host((host, port)).await?.collect()) })
    }
}

/// A name of an upstream that has no address just now. A request that needs one asks again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unresolved {
    /// What the upstream is called.
    pub upstream: String,
    /// The name.
    pub host: String,
    /// Why it has none.
    pub why: String,
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: the name has no address: {}", self.upstream, self.host, self.why)
    }
}

/// One name, which is asked for by one at a time.
pub(super) struct Named {
    /// Which target it belongs to.
    pub(super) target: usize,
    pub(super) host: String,
    pub(super) port: u16,
    /// How often it was asked for.
    asked: AtomicU64,
    state: Mutex<Asking>,
}

#[derive(Default)]
struct Asking {
    /// The question that whoever asked has left, or that took too long. The system cannot be told to stop, and each
    /// question keeps one of its threads: so the next who asks waits for this one, and puts no other.
    open: Option<Question>,
    /// Why the last time was in vain.
    failed: Option<Arc<io::Error>>,
}

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, host, port, .. } = self;
        f.debug_struct("Named")
            .field("target", target)
            .field("host", host)
            .field("port", port)
            .finish_non_exhaustive()
    }
}

impl Named {
    pub(super) fn new(target: usize, host: String, port: u16) -> Self {
        Self { target, host, port, asked: AtomicU64::new(0), state: Mutex::default() }
    }

    /// Whether somebody was answered, whatever the answer.
    pub(super) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire) > 0
    }

    /// Asks for the addresses, or waits for somebody who does: then whatever comes is for both. `found` takes them.
    ///
    /// Dropping the future leaves the question, with what is known of it by then, to the next who waits.
    pub(super) async fn ask(
        &self,
        resolver: &dyn Resolve,
        limit: Duration,
        found: impl FnOnce(&[SocketAddr]),
    ) -> Result<(), Arc<io::Error>> {
        let before = self.asked.load(Ordering::Acquire);
        let Asking { open, failed } = &mut *self.state.lock().await;
        if self.asked.load(Ordering::Acquire) == before {
            let question = open.get_or_insert_with(|| resolver.resolve(&self.host, self.port));
            let answer = timeout(limit, question).await;
            if answer.is_ok() {
                *open = None;
            }
            *failed = match answer.unwrap_or_else(|_| Err(late(limit))) {
                Ok(addresses) if addresses.is_empty() => Some(Arc::new(io::Error::other("no address was found"))),
                Ok(addresses) => {
                    found(&addresses);
                    None
                }
                Err(error) => Some(Arc::new(error)),
            };
            self.asked.fetch_add(1, Ordering::Release);
        }
        failed.clone().map_or(Ok(()), Err)
    }
}

pub(super) fn late(limit: Duration) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {limit:?}"))
}
