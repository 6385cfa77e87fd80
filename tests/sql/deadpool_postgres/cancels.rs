//! Ways to cancel that are worse than ours.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use deadline_sql::adapter::Delivery;
use deadline_sql::postgres::{Address, Tls};
use tokio::task::JoinHandle;
use tokio_postgres::{CancelToken, Client, Config, Error, NoTls};

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
type Connected = Result<(Client, JoinHandle<()>), Error>;

/// The driver's own, which does not wait for the server. Tests that find nothing wrong with it find nothing.
pub(super) struct OfTheDriver;

impl Tls for OfTheDriver {
    fn connect<'a>(&'a self, config: &'a Config) -> BoxFuture<'a, Connected> {
        NoTls.connect(config)
    }

    fn cancel<'a>(&'a self, token: &'a CancelToken, _: &'a Address) -> BoxFuture<'a, Delivery> {
        Box::pin(async {
            let sent = token.cancel_query(NoTls).await;
            if sent.is_ok() { Delivery::Acted } else { Delivery::NotSent }
        })
    }
}

/// Ours, but some come to nothing: they overtake their statement, and find the server idle.
#[derive(Clone)]
pub(super) struct Lost {
    /// So many of the first.
    pub(super) first: usize,
    pub(super) tried: Arc<AtomicUsize>,
}

impl Tls for Lost {
    fn connect<'a>(&'a self, config: &'a Config) -> BoxFuture<'a, Connected> {
        NoTls.connect(config)
    }

    fn cancel<'a>(&'a self, token: &'a CancelToken, address: &'a Address) -> BoxFuture<'a, Delivery> {
        if self.tried.fetch_add(1, Ordering::Relaxed) < self.first {
            return Box::pin(async { Delivery::Acted });
        }
        NoTls.cancel(token, address)
    }
}
