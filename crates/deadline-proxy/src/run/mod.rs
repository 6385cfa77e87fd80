//! `run`: open the listeners, say where they are, serve until a signal, and take on another configuration meanwhile.
//!
//! The main thread has a runtime of its own: it waits for signals, serves the admin listener, and tends what the
//! workers share. The traffic is the workers' alone.

mod announce;
mod changes;
mod descriptors;
mod door;
mod fleet;
mod generation;
mod hand_over;
mod life;
mod notify;
mod places;
mod self_check;
mod signals;
mod vigil;

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use self::announce::announce;
use self::changes::Changes;
use self::fleet::Fleet;
use self::generation::{Current, Generation};
use self::hand_over::Failure;
use self::life::Life;
use self::notify::Notify;
use self::self_check::Start;
use self::signals::{Signals, Told};
use self::vigil::vigil;
use crate::admin::{self, Board, Readiness, Wish, Wishes};
use crate::cli::RunArgs;
use crate::error::Error;
use crate::limits::Limits;
use crate::listen::ServerTls;
use crate::proxy::{Proxy, Tending};
use crate::serve::{Terms, serve};
use crate::settings::Settings;
use crate::shutdown::Shutdown;
use crate::traces::Traces;
use crate::upstream::Pools;
use crate::worker::{drive, give_back, pulse, tell_tasks};
use crate::{count, log};

/// How long workers may take to end once everything is stopped: a little more than the second that they have for it.
const SHUTDOWN: Duration = Duration::from_secs(3);

/// How long a collector may take for what waits to be exported, once everything has ended.
const FLUSH: Duration = Duration::from_secs(3);

/// Serves until SIGTERM or SIGINT, or until another process has taken over after SIGUSR2; then lets what is under way
/// finish. A second SIGTERM or SIGINT stops that at once.
///
/// # Errors
///
/// What keeps it from starting; nothing is half started.
pub fn run(args: &RunArgs) -> Result<(), Error> {
    let mut changes = Changes::of(args.config.clone());
    let settings = args.settings()?;
    changes.follow(files(args, &settings));
    let traces = Traces::start(settings.traces.as_ref()).map_err(Error::Worker)?;
    log::install(traces.as_ref());
    descriptors::raise(settings.limits.connections);
    let runtime = Builder::new_current_thread().enable_all().build().map_err(Error::Worker)?;
    drive(runtime, serve_until_told(args, settings, (changes, traces)))
}

async fn serve_until_told(args: &RunArgs, settings: Settings, kept: (Changes, Option<Traces>)) -> Result<(), Error> {
    let (changes, traces) = kept;
    let (mut signals, readiness, notify) = (Signals::new()?, Readiness::starting(), Notify::from_env());
    // Counts from here on: what is made below looks its counts up once.
    let (board, wishes) = Board::new(readiness.clone());
    let Start { limits, access, flush, proxy, bound, admin, inherited, herald, heir } = Start::of(&settings).await?;

    let ((watch, beats), shutdown) = (pulse(settings.workers), Shutdown::new());
    let crew: Vec<_> = beats.iter().map(|_| (shutdown.of_worker(), Pools::new(beats.len()))).collect();
    let vitals = beats.into_iter().zip(crew.iter().map(|(shutdown, _)| shutdown.clone())).collect();
    let (fleet, workers) = Fleet::start(&proxy, vitals).map_err(Error::Worker)?;
    let make = |proxy: &Proxy| {
        let services = crew.iter().map(|(shutdown, pools)| proxy.clone().stopped_by(shutdown.clone()).service(pools));
        Generation(services.collect())
    };
    let mut life = Life {
        args,
        changes,
        terms: terms(&settings, limits, &proxy, None).stopped_by(shutdown.clone()),
        settings,
        current: Current::new(make(&proxy)),
        proxy,
        make,
        doors: Vec::new(),
        fleet,
        heir,
        inherited,
        tending: Tending::default(),
        access,
        flush,
        traces,
        board,
        number: 1,
    };
    life.begin(bound, herald.is_some()).await?;

    announce(&life.places(), &admin, &life.settings);
    let asked = attend(admin, &life.board);
    tokio::spawn(vigil(watch, readiness.clone(), notify.clone()));
    let mut ended = pin!(workers.ended());
    let lives = async {
        if herald.is_none() {
            let Some(()) = or_stop(&mut signals, life.tend()).await else { return Left::Stopped };
        }
        take_requests(&mut life, herald, (&readiness, &notify));
        live(&mut life, &mut signals, wishes, &notify).await
    };
    tokio::select! {
        () = &mut ended => return Err(Error::Ended),
        left = lives => match left {
            Left::Stopped => (notify.stopping(), readiness.drain()),
            Left::HandedOver => (asked.cancel(), readiness.hand_over()),
        },
    };
    let (limit, traces) = (life.settings.drain_limit, life.traces.take());
    let _flush = life.close();
    drain(ended, &mut signals, &shutdown, limit).await;
    hand_on(traces).await;
    Ok(())
}

/// Tells everybody that requests are taken from here on.
fn take_requests<S, M>(
    life: &mut Life<'_, S, M>,
    herald: Option<UnixDatagram>,
    (readiness, notify): (&Readiness, &Notify),
) where
    S: Clone + Send + Sync + 'static,
    M: Fn(&Proxy) -> Generation<S>,
{
    readiness.serve();
    life.take_over();
    hand_over::tell(herald);
    notify.ready(&life.status());
}

/// Hands the spans that wait to their collector, where there is one.
async fn hand_on(traces: Option<Traces>) {
    if let Some(traces) = traces {
        traces.flush(FLUSH).await;
    }
}

/// Answers whoever asks how we are, until what it returns is cancelled. Goes on while the traffic drains: `/readyz` is asked
/// just then. Where another process serves, that one is asked.
fn attend(admin: TcpListener, board: &Board) -> CancellationToken {
    let asked = CancellationToken::new();
    let no_more = asked.clone().cancelled_owned();
    let is_local = admin.local_addr().is_ok_and(|address| address.ip().is_loopback());
    tokio::spawn(serve(admin, admin::service(board, is_local), Terms::default().uncounted(), no_more));
    tokio::spawn(admin::tend());
    tokio::spawn(tell_tasks("main".to_owned()));
    tokio::spawn(give_back());
    asked
}

/// Lets what is under way end by itself; what has not by this limit, or when it is told to stop once more, is stopped.
async fn drain(ended: impl Future<Output = ()>, signals: &mut Signals, shutdown: &Shutdown, limit: Duration) {
    let mut ended = pin!(ended);
    tokio::select! {
        () = &mut ended => return,
        // WARN: requests under way are broken off.
        () = signals.stop() => tracing::warn!("told to stop at once: what is under way is stopped"),
        // WARN: requests under way are broken off.
        () = sleep(limit) => tracing::warn!("the drain limit of {limit:?} has passed: what is under way is stopped"),
    }
    shutdown.begin();
    tokio::select! {
        () = ended => {}
        () = signals.stop() => {}
        // A worker that does not move is not waited for.
        () = sleep(SHUTDOWN) => {}
    }
}

/// Why it serves no longer.
enum Left {
    /// It was told to stop.
    Stopped,
    /// Another process serves in its place.
    HandedOver,
}

/// Lets the next process take over; `None` where it does not, and this one goes on.
async fn hand_over<S, M>(life: &Life<'_, S, M>, signals: &mut Signals, notify: &Notify) -> Option<Left>
where
    S: Clone + Send + Sync + 'static,
    M: Fn(&Proxy) -> Generation<S>,
{
    let outcome = tokio::select! {
        outcome = life.hand_over() => outcome,
        () = signals.stop() => return Some(Left::Stopped),
    };
    count::handed_over(outcome.as_ref().map_or_else(Failure::as_str, |_| "done"));
    match outcome {
        Ok(process) => {
            // INFO: what was asked for is done.
            tracing::info!(process, "another process serves from here on");
            notify.handed_over(process);
            life.leave();
            Some(Left::HandedOver)
        }
        Err(failure) => {
            // ERROR: what was asked for is not done, and nobody tries again.
            tracing::error!("this process goes on: {failure}");
            None
        }
    }
}

/// Serves, and takes on another configuration when it is told to, until it is told to stop.
async fn live<S, M>(life: &mut Life<'_, S, M>, signals: &mut Signals, mut wishes: Wishes, notify: &Notify) -> Left
where
    S: Clone + Send + Sync + 'static,
    M: Fn(&Proxy) -> Generation<S>,
{
    loop {
        let wish = tokio::select! {
            told = signals.next() => match told {
                Told::Stop => return Left::Stopped,
                Told::Reload => Wish::silent("SIGHUP"),
                Told::HandOver => match hand_over(life, signals, notify).await {
                    Some(left) => return left,
                    None => continue,
                },
            },
            () = life.changes.next() => Wish::silent("a file has changed"),
            wish = wishes.next() => wish,
        };
        notify.reloading();
        // Names may be waited for, and a worker that does not move.
        let Some(outcome) = or_stop(signals, life.reload()).await else { return Left::Stopped };
        tell(wish.reason(), &outcome);
        // `systemctl reload` sees that it is ready again, and only here by which configuration.
        let by = if outcome.is_ok() { "" } else { ", by the old configuration: the new one is refused" };
        notify.ready(&(life.status() + by));
        wish.come_true(outcome);
    }
}

/// What it comes to; `None` where it is told to stop before.
async fn or_stop<T>(signals: &mut Signals, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = signals.stop() => None,
        done = work => Some(done),
    }
}

/// The files that all of this is read from, but for certificates of listeners, which are looked at by themselves.
fn files(args: &RunArgs, settings: &Settings) -> Vec<PathBuf> {
    let upstreams = settings.proxy.upstreams.iter();
    args.config.iter().cloned().chain(upstreams.flat_map(|upstream| upstream.tls.files())).collect()
}

/// The files of the listeners' certificates.
fn certificates(settings: &Settings) -> impl Iterator<Item = PathBuf> {
    let files = |tls: &ServerTls| {
        [Some(&tls.certificate), Some(&tls.key), tls.client_ca.as_ref()].map(Option::<&PathBuf>::cloned)
    };
    settings.listeners.iter().filter_map(|listener| listener.tls.as_ref()).flat_map(files).flatten()
}

/// Says what came of a reload.
fn tell(reason: &str, outcome: &admin::Reloaded) {
    count::config_reloaded(outcome.as_ref().ok().copied());
    match outcome {
        // INFO: what was asked for is done.
        Ok(number) => tracing::info!(number, reason, "another configuration is in use"),
        Err(complaints) => {
            // ERROR: what was asked for is not done, and nobody tries again.
            tracing::error!(reason, "the configuration cannot be used, and the old one stays in use");
            // ERROR: one for each thing to mend.
            complaints.iter().for_each(|complaint| tracing::error!("{complaint}"));
        }
    }
}

/// What connections are served under, in the place of what they were served under before.
pub(crate) fn terms(settings: &Settings, limits: Limits, proxy: &Proxy, before: Option<&Terms>) -> Terms {
    let answers = settings.proxy.answers();
    let terms = match before {
        Some(before) => before.succeeded_by(limits, answers),
        None => Terms::new(limits, answers),
    };
    let terms = terms.signed_by(proxy.receives().clone()).drain_limit(settings.drain_limit);
    if settings.proxy.has_tunnels() { terms.with_tunnels() } else { terms }
}
