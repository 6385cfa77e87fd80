//! `run`: open the listeners, say where they are, serve until a signal.
//!
//! The main thread has a runtime of its own: it waits for signals, serves the admin listener, and tends what the
//! workers share. The traffic is the workers' alone.

mod notify;
mod signals;
mod vigil;
mod ways_in;

use std::future::pending;
use std::time::Duration;

use futures_util::future::{join, join_all};
use tokio::runtime::Builder;
use tokio::sync::watch;
use tower_deadline::{Answers, UpgradePolicy};

use self::notify::Notify;
use self::signals::Signals;
use self::vigil::vigil;
use self::ways_in::WaysIn;
use crate::access::AccessLog;
use crate::admin::{self, Readiness};
use crate::cli::RunArgs;
use crate::error::Error;
use crate::limits::Limits;
use crate::listen::Socket;
use crate::log;
use crate::proxy::{Proxy, Tending};
use crate::route::Route;
use crate::serve::{Terms, serve};
use crate::settings::Settings;
use crate::upstream::Pools;

use crate::worker::{Beat, Workers, drive, pulse};

/// How often the files of certificates are looked at. They are few and small, and whoever has replaced them is waiting.
const CERTIFICATE_CHECK: Duration = Duration::from_secs(1);

/// How long tunnels may take to end, once they are told to: a little more than the two limits that each has for it.
const TUNNEL_CLOSE: Duration = Duration::from_secs(7);

/// Serves until SIGTERM or SIGINT, then lets what is under way finish. A second signal ends it at once.
///
/// # Errors
///
/// What keeps it from starting; nothing is half started.
pub fn run(args: &RunArgs) -> Result<(), Error> {
    let settings = args.settings()?;
    log::install();
    let runtime = Builder::new_current_thread().enable_all().build().map_err(Error::Worker)?;
    drive(runtime, serve_until_told(&settings))
}

async fn serve_until_told(settings: &Settings) -> Result<(), Error> {
    let mut signals = Signals::new()?;
    let limits = Limits::new(settings.limits.clone()).map_err(Error::Limits)?;
    let (readiness, notify) = (Readiness::starting(), Notify::from_env());
    // Counts from here on: what is made below looks its counts up once.
    let admin = admin::service(settings, readiness.clone());
    // What waits to be written is written once everything else has ended: a drained proxy loses no line.
    let (access_log, _flush) = AccessLog::open(&settings.access).map_err(Error::Access)?.unzip();
    let proxy = Proxy::new(&settings.proxy, &limits).map_err(Error::Proxy)?.access_log(access_log);
    let ways_in = WaysIn::open(settings).await?;
    let status = ways_in.announce(settings);

    let terms = terms(settings, limits, &proxy);
    let (stop, stopped) = watch::channel(false);
    let (mut workers, count) = (Workers::default(), settings.workers.get());
    for certificates in ways_in.certificates() {
        tokio::spawn(certificates.watch(CERTIFICATE_CHECK));
    }
    // Goes on while the traffic drains: `/readyz` is asked just then.
    tokio::spawn(serve(ways_in.admin, admin, Terms::default().uncounted(), pending()));
    let (watch, beats) = pulse(settings.workers);
    for (sockets, beat) in ways_in.shares.into_iter().zip(beats) {
        let work = work(sockets, proxy.of_worker(), terms.clone(), count, stopped.clone());
        workers.start(beating(beat, work)).map_err(Error::Worker)?;
    }
    let mut tending = Tending::default();
    tending.follow(&proxy);
    tokio::spawn(admin::tend());
    tokio::spawn(vigil(watch, readiness.clone(), notify.clone()));
    readiness.serve();
    notify.ready(&status);

    let ended = workers.ended();
    tokio::pin!(ended);
    tokio::select! {
        () = &mut ended => return Err(Error::Ended),
        () = signals.next() => {}
    }
    readiness.drain();
    notify.stopping();
    stop.send_replace(true);
    tokio::select! {
        () = ended => {}
        () = signals.next() => {}
    }
    Ok(())
}

/// What connections are served under.
pub(crate) fn terms(settings: &Settings, limits: Limits, proxy: &Proxy) -> Terms {
    let terms = Terms::new(limits, Answers::new().hop(&settings.proxy.hop));
    let terms = terms.signed_by(proxy.receives().clone()).drain_limit(settings.drain_limit);
    let has_tunnels = |route: &Route| matches!(route.tunnel.upgrades, UpgradePolicy::Allow(_));
    if settings.proxy.routes.iter().any(has_tunnels) { terms.with_tunnels() } else { terms }
}

/// The same work, of a worker that shows that it moves.
async fn beating(beat: Beat, work: impl Future<Output = ()>) {
    tokio::spawn(beat.beat());
    work.await;
}

/// The work of one worker, from its first connection to its last.
async fn work(sockets: Vec<Socket>, proxy: Proxy, terms: Terms, workers: usize, stopped: watch::Receiver<bool>) {
    let service = proxy.service(&Pools::new(workers));
    let listeners = sockets.into_iter().filter_map(|socket| {
        let opened = socket.listen();
        opened.inspect_err(|error| tracing::error!("a listener cannot be waited on: {error}")).ok()
    });
    let served = listeners.map(|listener| serve(listener, service.clone(), terms.clone(), until(stopped.clone())));
    // A tunnel has no end to wait for, and over HTTP/2 it would keep its connection, and so the drain, for the whole
    // limit.
    let closed = async {
        until(stopped.clone()).await;
        proxy.close_tunnels(TUNNEL_CLOSE).await;
    };
    join(join_all(served), closed).await;
    // What is left is dropped with the runtime.
    proxy.end();
}

async fn until(mut stopped: watch::Receiver<bool>) {
    // A sender that is gone means the same.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
