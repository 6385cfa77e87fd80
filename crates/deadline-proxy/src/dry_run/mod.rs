//! What a proxy would do with one request, without sending it.
//!
//! Covers putting the request to the very service that would proxy it, and collecting what is told on the way. Decides
//! and foretells nothing: the connection, the layers and the pools are those of [`run`](mod@crate::run), and every
//! upstream is somebody in this process who answers 200 to everything. So nobody outside is called, no name is asked
//! for, and what an upstream would say cannot be known. One that speaks TLS is taken for one that chooses HTTP/1.1.

mod ask;
mod client;
mod error;
mod in_memory;
mod upstreams;

use std::future::pending;
use std::mem::take;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use tokio::io::duplex;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::timeout;
use tracing::subscriber::with_default;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, registry};

pub use self::ask::Ask;
use self::client::Exchange;
pub use self::error::Error;
use self::in_memory::InMemory;
use crate::explain::Lines;
use crate::limits::Limits;
use crate::proxy::Proxy;
use crate::run::terms;
use crate::serve::serve;
use crate::settings::Settings;
use crate::upstream::{Pools, StandIn};
use crate::worker::drive;

/// What a connection holds that is written and not yet read.
const BUFFER: usize = 64 * 1024;

/// Upstreams that answer at once need none of it; a request that waits for something all the same is told of.
const LIMIT: Duration = Duration::from_secs(10);

/// Every decision about a request, a line each, in the order in which they are made; see [`explain`](crate::explain).
///
/// # Errors
///
/// Settings that cannot be kept to, and a request that cannot be put to them.
pub fn dry_run(settings: &Settings, ask: &Ask) -> Result<Vec<String>, Error> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)?;
    dry_run_on(runtime, settings, ask)
}

fn dry_run_on(runtime: Runtime, settings: &Settings, ask: &Ask) -> Result<Vec<String>, Error> {
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&told);
    let lines = Lines::to(move |_: Option<&str>, line: &str| {
        kept.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned());
    });
    let listener = registry().with(lines.with_filter(filter_fn(Lines::concern)));
    let status = with_default(listener, || drive(runtime, put(settings, ask)))?;
    let mut lines = take(&mut *told.lock().unwrap_or_else(PoisonError::into_inner));
    if !lines.iter().any(|line| line.starts_with("answer: ")) {
        lines.push(format!("answer: {}: what came is no request, and no rule was asked", status.as_u16()));
    }
    Ok(lines)
}

/// Puts the request to a proxy of these settings, and waits for the head of its answer.
async fn put(settings: &Settings, ask: &Ask) -> Result<StatusCode, Error> {
    let exchange = Exchange::of(ask, settings)?;
    let limits = Limits::new(settings.limits.clone()).map_err(Error::Limits)?;
    let (stand_in, upstreams) = StandIn::new();
    let proxy = Proxy::rehearsed(&settings.proxy, &limits, &stand_in).map_err(Error::Proxy)?;
    let terms = terms(settings, limits, &proxy, None).uncounted();
    let ((ours, theirs), (connect, connections)) = (duplex(BUFFER), unbounded_channel());
    // Whoever takes it lives as long as this.
    let _ = connect.send(theirs);
    let listener = InMemory::new(connections, exchange.client());
    let upstreams = upstreams::serve(upstreams).map_err(Error::Limits)?;
    tokio::select! {
        status = timeout(LIMIT, exchange.on(ours)) => status.unwrap_or(Err(Error::Late(LIMIT))),
        () = serve(listener, proxy.service(&Pools::new(1)), terms, pending()) => Err(Error::Closed),
        () = upstreams => Err(Error::Closed),
    }
}

#[cfg(test)]
mod tests;
