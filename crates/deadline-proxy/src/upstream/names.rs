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

/// Who knows the addresses of names.
pub(super) trait Resolve: fmt::Debug + Send + Sync {
    /// The addresses that a name has just now.
    fn resolve(&self, host: &str, port: u16) -> Pin<Box<dyn Future<Output = Found> + Send>>;
}

/// The system's resolver: what `/etc/hosts` and `/etc/resolv.conf` say.
#[derive(Debug)]
pub(super) struct System;

impl Resolve for System {
    fn resolve(&self, host: &str, port: u16) -> Pin<Box<dyn Future<Output = Found> + Send>> {
        let host = host.to_owned();
        Box::pin(async move { Ok(lookup_host((host, port)).await?.collect()) })
    }
}

/// One name, which is asked for by one at a time.
#[derive(Debug)]
pub(super) struct Named {
    /// Which target it belongs to.
    pub(super) target: usize,
    pub(super) host: String,
    pub(super) port: u16,
    /// How often it was asked for.
    asked: AtomicU64,
    /// Why the last time was in vain.
    failed: Mutex<Option<Arc<io::Error>>>,
}

impl Named {
    pub(super) fn new(target: usize, host: String, port: u16) -> Self {
        Self { target, host, port, asked: AtomicU64::new(0), failed: Mutex::new(None) }
    }

    /// Asks for the addresses, or waits for somebody who does: then whatever comes is for both. `found` takes them.
    ///
    /// Dropping the future leaves it to the next who waits.
    pub(super) async fn ask(
        &self,
        resolver: &dyn Resolve,
        limit: Duration,
        found: impl FnOnce(&[SocketAddr]),
    ) -> Result<(), Arc<io::Error>> {
        let before = self.asked.load(Ordering::Acquire);
        let mut failed = self.failed.lock().await;
        if self.asked.load(Ordering::Acquire) == before {
            let answer = timeout(limit, resolver.resolve(&self.host, self.port)).await;
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

fn late(limit: Duration) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {limit:?}"))
}
