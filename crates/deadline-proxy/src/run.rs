//! `run`: open the listeners, say where they are, serve until a signal.

use std::future::pending;
use std::io::Write;
use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::admin::{self, Readiness};
use crate::cli::RunArgs;
use crate::error::Error;
use crate::proxy::{self, Settings};
use crate::serve::serve;

/// Serves until SIGTERM or SIGINT, then lets what is under way finish. A second signal ends it at once.
///
/// # Errors
///
/// What keeps it from starting; nothing is half started.
pub async fn run(args: &RunArgs) -> Result<(), Error> {
    let settings = args.settings()?;
    let mut signals = Signals::new()?;
    let traffic = bind(args.listen, "--listen").await?;
    let admin = bind(args.admin, "--admin").await?;
    announce(&settings, &traffic, &admin);

    let readiness = Readiness::default();
    let (stop, stopped) = watch::channel(false);
    let traffic = serve(traffic, proxy::service(&settings), until(stopped));
    // Goes on while the traffic drains: `/readyz` is asked just then.
    let admin = tokio::spawn(serve(admin, admin::service(&settings, readiness.clone()), pending()));
    tokio::pin!(traffic);
    tokio::select! {
        () = &mut traffic => {}
        () = signals.next() => {
            readiness.drain();
            stop.send_replace(true);
            tokio::select! {
                () = &mut traffic => {}
                () = signals.next() => {}
            }
        }
    }
    admin.abort();
    Ok(())
}

fn announce(settings: &Settings, traffic: &TcpListener, admin: &TcpListener) {
    let address = |listener: &TcpListener| listener.local_addr().map(|address| address.to_string());
    let (traffic, admin) = (address(traffic).unwrap_or_default(), address(admin).unwrap_or_default());
    let (upstream, mut out) = (&settings.upstream, anstream::stdout());
    // Serving does not depend on somebody reading this.
    let _ = writeln!(out, "deadline-proxy: http://{traffic} -> {upstream}");
    let _ = writeln!(out, "deadline-proxy: admin on http://{admin} (/healthz /readyz /config)");
}

async fn bind(address: SocketAddr, argument: &'static str) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|source| Error::Bind { address, argument, source })
}

async fn until(mut stopped: watch::Receiver<bool>) {
    // A sender that is gone means the same.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self, Error> {
        let open = |kind| signal(kind).map_err(Error::Signals);
        Ok(Self { terminate: open(SignalKind::terminate())?, interrupt: open(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
