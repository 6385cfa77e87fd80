//! What the requests of a connection tell its stream, and whoever serves it.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use futures_util::task::AtomicWaker;
use http::{Extensions, HeaderValue};
use tokio::time::Instant;

use crate::client::Client;
use crate::noted::Noted;

/// Requests of one connection, and what they have brought about. All that a connection shares with them.
#[derive(Debug)]
pub(super) struct Activity {
    opened: Instant,
    /// Ever.
    called: AtomicUsize,
    /// Now.
    under_way: AtomicUsize,
    /// Whether bytes have come since, of what is to be the next one.
    is_hearing: AtomicBool,
    /// Whether the head of the answer is out. Over HTTP/1.1, which has one answer at a time.
    is_answering: AtomicBool,
    /// When the last one ended, in milliseconds from the beginning.
    rested: AtomicU64,
    /// How many writes the client has taken.
    taken: AtomicUsize,
    /// Whether a write waits for the client to take it.
    is_blocked: AtomicBool,
    is_tunnel: AtomicBool,
    is_hung_up: AtomicBool,
    /// Who is at the other end, where that is known.
    client: OnceLock<Client>,
    /// How it is written in a field.
    written: OnceLock<HeaderValue>,
    /// Whether somebody wants to be woken at every change.
    is_followed: AtomicBool,
    /// Who waits for any of these.
    server: AtomicWaker,
}

/// What a connection of HTTP/1.1 does: one thing at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Nothing, since then.
    Nothing(Instant),
    /// A head has begun to come.
    Hearing,
    /// A request is there, and no head of its answer is out.
    Asked,
    /// The head of an answer is out, and its body has not ended.
    Answering,
}

impl Default for Activity {
    fn default() -> Self {
        Self {
            opened: Instant::now(),
            called: AtomicUsize::default(),
            under_way: AtomicUsize::default(),
            is_hearing: AtomicBool::default(),
            is_answering: AtomicBool::default(),
            rested: AtomicU64::default(),
            taken: AtomicUsize::default(),
            is_blocked: AtomicBool::default(),
            is_tunnel: AtomicBool::default(),
            is_hung_up: AtomicBool::default(),
            client: OnceLock::new(),
            written: OnceLock::new(),
            is_followed: AtomicBool::default(),
            server: AtomicWaker::new(),
        }
    }
}

impl Activity {
    pub(super) fn called(&self) -> usize {
        self.called.load(Ordering::Acquire)
    }

    pub(super) fn is_busy(&self) -> bool {
        self.under_way.load(Ordering::Acquire) > 0
    }

    /// The client has taken a write, or does not yet.
    pub(super) fn writes(&self, is_taken: bool) {
        self.is_blocked.store(!is_taken, Ordering::Release);
        if is_taken {
            self.taken.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Whether what was to be written may be half written.
    pub(super) fn is_blocked(&self) -> bool {
        self.is_blocked.load(Ordering::Acquire)
    }

    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }

    /// This is at the other end. What counts is who was first.
    pub(super) fn meets(&self, client: Client) {
        let _ = self.client.set(client);
    }

    pub(super) fn opened(&self) -> Instant {
        self.opened
    }

    pub(super) async fn hung_up(&self) {
        self.until(|activity| activity.is_hung_up.load(Ordering::Acquire)).await;
    }

    pub(super) fn is_tunnel(&self) -> bool {
        self.is_tunnel.load(Ordering::Acquire)
    }

    /// Waits, on behalf of the one task that serves the connection.
    pub(super) async fn until(&self, is_so: impl Fn(&Self) -> bool) {
        poll_fn(|cx| {
            // Registered first, so that nothing is missed between the two.
            self.server.register(cx.waker());
            if is_so(self) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    pub(super) fn doing(&self) -> Doing {
        if self.is_busy() {
            let is_answering = self.is_answering.load(Ordering::Acquire);
            return if is_answering { Doing::Answering } else { Doing::Asked };
        }
        if self.is_hearing.load(Ordering::Acquire) {
            return Doing::Hearing;
        }
        Doing::Nothing(self.rested())
    }

    /// When the last request ended, or else the connection began.
    pub(super) fn rested(&self) -> Instant {
        self.opened + Duration::from_millis(self.rested.load(Ordering::Acquire))
    }

    /// From here on each change wakes who waits.
    pub(super) fn follow(&self) {
        self.is_followed.store(true, Ordering::Release);
    }

    fn changed(&self) {
        if self.is_followed.load(Ordering::Acquire) {
            self.server.wake();
        }
    }

    /// Bytes have come between two requests.
    pub(super) fn hear(&self) {
        if !self.is_hearing.load(Ordering::Acquire) && !self.is_hearing.swap(true, Ordering::AcqRel) {
            self.changed();
        }
    }

    pub(super) fn enter(self: &Arc<Self>) -> Under {
        self.is_hearing.store(false, Ordering::Release);
        self.is_answering.store(false, Ordering::Release);
        self.under_way.fetch_add(1, Ordering::AcqRel);
        if self.called.fetch_add(1, Ordering::AcqRel) == 0 {
            self.server.wake();
        }
        self.changed();
        Under(Arc::clone(self))
    }
}

/// A request is under way for as long as this is held.
#[derive(Debug)]
pub struct Under(Arc<Activity>);

impl Under {
    /// The head of the answer is out.
    pub(super) fn answers(&self) {
        self.0.is_answering.store(true, Ordering::Release);
        self.0.changed();
    }

    /// What follows on the connection is no HTTP/1.1, and for ever (R17).
    pub(super) fn becomes_tunnel(&self) {
        self.0.is_tunnel.store(true, Ordering::Release);
    }
}

impl Drop for Under {
    fn drop(&mut self) {
        let rested = u64::try_from(self.0.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.rested.store(rested, Ordering::Release);
        self.0.under_way.fetch_sub(1, Ordering::AcqRel);
        self.0.changed();
    }
}

/// That of each request: closes its connection, and knows who is at the other end. A clone closes the same.
#[derive(Clone, Debug, Default)]
pub struct Hangup(pub(super) Arc<Activity>);

impl Hangup {
    /// That of the request with these extensions, where it came by a connection of ours.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Option<&Self> {
        Noted::of(extensions)?.hangup.as_ref()
    }

    /// From here on the connection is closed.
    pub fn now(&self) {
        self.0.is_hung_up.store(true, Ordering::Release);
        self.0.server.wake();
    }

    /// Who is at the other end of it, where that is known.
    pub(crate) fn client(&self) -> Option<&Client> {
        self.0.client.get()
    }

    /// Who is at the other end, and how that is written in a field: by the first request that asks, for all of them.
    pub(crate) fn written(&self, write: impl FnOnce(&Client) -> HeaderValue) -> Option<(Client, HeaderValue)> {
        let client = self.client()?;
        Some((*client, self.0.written.get_or_init(|| write(client)).clone()))
    }

    /// Waits until somebody wants that. For one task, which may wait for the first request too. Cancel-safe.
    pub async fn requested(&self) {
        self.0.hung_up().await;
    }
}
