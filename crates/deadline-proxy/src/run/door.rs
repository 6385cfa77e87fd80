//! One listener of the process, as it changes while it runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::fleet::Opening;
use super::generation::{Current, Desk, Hold};
use crate::listen::{Address, Bound, Certificates, Entrance, Share};
use crate::serve::{Era, Eras, Terms};

/// How often the files of certificates are looked at. They are few and small, and whoever has replaced them is waiting.
const CERTIFICATE_CHECK: Duration = Duration::from_secs(1);

/// One listener of the process: a socket for each worker.
#[derive(Debug)]
pub(super) struct Door<S> {
    entrance: Arc<Entrance>,
    /// By socket, and so by worker, as often as there are more.
    eras: Vec<Eras<Desk<S>, Entrance>>,
    hold: Hold<S>,
    stop: watch::Sender<Option<Duration>>,
    /// With the port that the system has chosen.
    bound: String,
    /// The same, as a URL.
    place: String,
    share: Arc<Share>,
    _watched: Option<AbortOnDropHandle<()>>,
}

impl<S: Clone + Send + Sync + 'static> Door<S> {
    /// What stands there, and what the workers are to be handed. To be called within a runtime.
    pub(super) fn new(bound: Bound, terms: &Terms, current: &Current<S>) -> (Self, Vec<Opening<S>>) {
        let (entrance, hold, (stop, stopped)) = (Arc::clone(bound.entrance()), Hold::default(), watch::channel(None));
        let (watched, address) = (watch(&entrance), bound.address());
        let (place, share, workers) = (place(&entrance, &address), bound.share(), current.workers());
        let opening = |(place, socket)| {
            // There are more sockets than workers where a process before us had more of these.
            let worker = place % workers;
            let eras = Eras::new(era(terms, &entrance, Desk { current: current.clone(), hold: hold.clone(), worker }));
            Opening { worker, socket, eras, stop: stopped.clone() }
        };
        let openings: Vec<_> = bound.sockets().into_iter().enumerate().map(opening).collect();
        let eras = openings.iter().map(|opening| opening.eras.clone()).collect();
        (Self { entrance, eras, hold, stop, bound: address, place, share, _watched: watched }, openings)
    }

    /// Where it was told to stand.
    pub(super) fn address(&self) -> &Address {
        &self.entrance.settings().address
    }

    /// What whoever comes in meets.
    pub(super) fn entrance(&self) -> &Arc<Entrance> {
        &self.entrance
    }

    /// Where it stands, as a URL.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// Who is in stays with what serves now. To be called before another generation begins, where this door
    /// [changes](Self::change) or [closes](Self::close) with it.
    pub(super) fn hold_back(&self, current: &Current<S>) {
        self.hold.back(current);
    }

    /// Whoever comes from here on meets this; who is in is let go, gently.
    pub(super) fn change(&mut self, entrance: Arc<Entrance>, terms: &Terms, current: &Current<S>) {
        if !Arc::ptr_eq(&self.entrance, &entrance) {
            self._watched = watch(&entrance);
            self.place = place(&entrance, &self.bound);
        }
        (self.entrance, self.hold) = (entrance, Hold::default());
        for (place, eras) in self.eras.iter().enumerate() {
            let worker = place % current.workers();
            let desk = Desk { current: current.clone(), hold: self.hold.clone(), worker };
            eras.begin(era(terms, &self.entrance, desk));
        }
    }

    /// What another process needs of it.
    pub(super) fn share(&self) -> &Share {
        &self.share
    }

    /// Lets nobody else in; who is in may take so long.
    pub(super) fn close(&self, limit: Duration) {
        self.stop.send_replace(Some(limit));
    }
}

fn era<S>(terms: &Terms, entrance: &Arc<Entrance>, desk: Desk<S>) -> Era<Desk<S>, Entrance> {
    Era::new(terms.clone(), desk, Arc::clone(entrance))
}

fn place(entrance: &Entrance, address: &str) -> String {
    let scheme = if entrance.settings().tls.is_some() { "https" } else { "http" };
    format!("{scheme}://{address}")
}

/// Reads the certificates again, as long as there is a door with them.
fn watch(entrance: &Entrance) -> Option<AbortOnDropHandle<()>> {
    let watch = |certificates: Arc<Certificates>| tokio::spawn(certificates.watch(CERTIFICATE_CHECK));
    entrance.certificates().cloned().map(watch).map(AbortOnDropHandle::new)
}
