//! Who is told of one call, and how far it has come.
//!
//! Covers what a call that is polled makes known to whatever runs within it: connectors know no request. Does not wrap
//! anything.

use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
#[cfg(feature = "reqwest")]
use std::sync::{Mutex, PoisonError};
use std::task::Poll;

use http_deadline::{CallEvent, Deadline, Journey};

use super::CallTrace;
use crate::now;

std::thread_local! {
    /// The call whose poll runs.
    static CALL: RefCell<Option<Calling>> = const { RefCell::new(None) };
}

/// A call, as whatever runs within its poll sees it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calling {
    /// Has the stages of the call. It is not the ambient journey, which is the request's: what is spawned within a call
    /// ends with the request, and a call has no end that tells.
    #[cfg(feature = "reqwest")]
    pub(crate) journey: Option<Journey>,
    pub(crate) telling: Option<Telling>,
}

impl Calling {
    pub(crate) fn of(telling: &Telling) -> Self {
        Self {
            telling: Some(telling.clone()),
            #[cfg(feature = "reqwest")]
            journey: None,
        }
    }
}

/// Runs `poll` for this call.
pub(crate) fn within<R>(call: Calling, poll: impl FnOnce() -> R) -> R {
    struct Restore(Option<Calling>);

    impl Drop for Restore {
        fn drop(&mut self) {
            CALL.replace(self.0.take());
        }
    }

    let _outer = Restore(CALL.replace(Some(call)));
    poll()
}

/// Looks at the call whose poll runs.
pub(crate) fn calling<R>(look: impl FnOnce(Option<&Calling>) -> R) -> R {
    CALL.with_borrow(|call| look(call.as_ref()))
}

/// What a layer tells of its calls, and to whom.
#[derive(Clone, Default)]
pub(crate) struct Traced {
    pub(crate) trace: Option<Arc<dyn CallTrace>>,
    /// Whoever calls further in tells the journey.
    pub(crate) is_told_within: bool,
    /// Whether a connector tells of its connections. The first call of a client makes one.
    connects: Arc<AtomicBool>,
}

impl Traced {
    /// Whether there can be somebody who is told of a call.
    #[inline]
    pub(crate) fn tells(&self) -> bool {
        self.trace.is_some() || !self.is_told_within
    }

    /// Who is told of a call of this journey; nobody, as a rule.
    #[inline]
    pub(crate) fn begin(&self, journey: Option<&Journey>, deadline: Option<Deadline>) -> Option<Telling> {
        let journey = journey.filter(|journey| !self.is_told_within && journey.is_listened_to());
        if self.trace.is_none() && journey.is_none() {
            return None;
        }
        let trace = self.trace.as_ref().map(|trace| trace.begins().unwrap_or_else(|| Arc::clone(trace)));
        let connects = Arc::clone(&self.connects);
        Some(Telling(Arc::new(Call {
            trace,
            journey: journey.cloned(),
            deadline,
            connects,
            marks: AtomicU8::new(0),
            #[cfg(feature = "reqwest")]
            asked: Mutex::default(),
        })))
    }
}

// A trace that has panicked is told no less of the next call, and nothing of ours is left half changed by it.
impl UnwindSafe for Traced {}
impl RefUnwindSafe for Traced {}

impl fmt::Debug for Traced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traced").field("is_traced", &self.trace.is_some()).finish_non_exhaustive()
    }
}

/// One call, of which somebody is told. A clone is the same.
#[derive(Clone)]
pub(crate) struct Telling(Arc<Call>);

struct Call {
    trace: Option<Arc<dyn CallTrace>>,
    journey: Option<Journey>,
    deadline: Option<Deadline>,
    connects: Arc<AtomicBool>,
    /// How far its attempt has come.
    marks: AtomicU8,
    /// Where the attempt goes to, for a connector that is not told.
    #[cfg(feature = "reqwest")]
    asked: Mutex<String>,
}

/// A connection was begun for this attempt.
const BEGUN: u8 = 1;
/// A name is being asked for.
const RESOLVING: u8 = 1 << 1;
/// It has no address.
const NAMELESS: u8 = 1 << 6;
/// A connection is there, maybe without TLS.
const MADE: u8 = 1 << 2;
/// TLS is not agreed on yet.
const SECURING: u8 = 1 << 3;
/// It was told that there is a connection.
const CONNECTED: u8 = 1 << 4;
/// The answer is whole.
const WHOLE: u8 = 1 << 7;
/// The request was written.
const WRITTEN: u8 = 1 << 5;

impl Telling {
    /// Tells that the call has come this far.
    pub(crate) fn tell(&self, event: &CallEvent<'_>) {
        let Self(call) = self;
        if let Some(journey) = &call.journey {
            journey.tell(event);
        }
        if let Some(trace) = &call.trace {
            trace.event(event, call.deadline.map(|deadline| deadline.remaining(now())));
        }
    }

    fn has(&self, mark: u8) -> bool {
        self.0.marks.load(Ordering::Relaxed) & mark != 0
    }

    /// Returns whether it was not so before.
    fn set(&self, mark: u8) -> bool {
        self.0.marks.fetch_or(mark, Ordering::Relaxed) & mark == 0
    }

    fn unset(&self, mark: u8) {
        self.0.marks.fetch_and(!mark, Ordering::Relaxed);
    }

    /// Polls the attempt, and tells of its connection, and of its head.
    pub(crate) fn poll<T, E>(&self, poll: impl FnOnce() -> Poll<Result<T, E>>) -> Poll<Result<T, E>> {
        let polled = within(Calling::of(self), poll);
        self.polled(&polled);
        polled
    }

    /// The attempt was polled, and this came of it.
    pub(crate) fn polled<T, E>(&self, polled: &Poll<Result<T, E>>) {
        match polled {
            Poll::Pending => self.tell_connected(false),
            Poll::Ready(Ok(_)) => {
                self.tell_connected(true);
                self.tell(&CallEvent::FirstByte);
            }
            Poll::Ready(Err(_)) => {}
        }
    }

    fn tell_connected(&self, is_answered: bool) {
        let is_made = self.has(MADE) && !self.has(SECURING);
        // Where one was begun for the call and is not there, the answer came by another.
        let is_reused = !is_made && (is_answered || !self.has(BEGUN));
        let is_known = self.0.connects.load(Ordering::Relaxed);
        if is_known && (is_made || is_reused) && self.set(CONNECTED) {
            self.tell(&CallEvent::Connected { reused: is_reused, idle: None });
        }
    }

    /// Another attempt begins, for this address.
    #[cfg(feature = "reqwest")]
    pub(crate) fn again(&self, asked: &reqwest::Url) {
        self.0.marks.store(0, Ordering::Relaxed);
        *self.0.asked.lock().unwrap_or_else(PoisonError::into_inner) = asked.authority().to_owned();
    }

    /// A connection is begun for it, by who does not know where to.
    #[cfg(feature = "reqwest")]
    pub(crate) fn connect(&self) {
        self.begin_connection();
        let asked = self.0.asked.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let host = asked.rsplit_once('@').map_or(&*asked, |(_, host)| host);
        self.tell(&CallEvent::ConnectStart { address: format_args!("{host}") });
    }

    /// A connection is begun for this attempt.
    pub(crate) fn begin_connection(&self) {
        self.0.connects.store(true, Ordering::Relaxed);
        self.set(BEGUN);
    }

    /// A name is asked for.
    pub(super) fn resolve(&self, name: &str) {
        self.set(RESOLVING);
        self.tell(&CallEvent::ResolveStart { name });
    }

    /// Its addresses are there, or there are none.
    pub(super) fn resolved(&self, error: Option<&(dyn Error + 'static)>) {
        self.unset(RESOLVING);
        if error.is_some() {
            self.set(NAMELESS);
        }
        self.tell(&CallEvent::ResolveEnd { error });
    }

    /// Whether nobody can connect yet, or at all, for want of an address.
    pub(super) fn lacks_address(&self) -> bool {
        self.has(RESOLVING | NAMELESS)
    }

    /// The connection is made, or it is not.
    pub(crate) fn made(&self, error: Option<&(dyn Error + 'static)>) {
        if error.is_none() {
            self.set(MADE);
        }
        self.tell(&CallEvent::ConnectEnd { error });
    }

    pub(super) fn is_made(&self) -> bool {
        self.has(MADE)
    }

    /// TLS begins on it.
    pub(super) fn secure(&self) {
        self.set(SECURING);
        self.tell(&CallEvent::TlsStart);
    }

    /// TLS is agreed on, or it is not: then there is no connection.
    pub(super) fn secured(&self, error: Option<&(dyn Error + 'static)>) {
        self.unset(if error.is_some() { SECURING | MADE } else { SECURING });
        self.tell(&CallEvent::TlsEnd { error });
    }

    /// The answer is whole.
    pub(crate) fn whole(&self) {
        if self.set(WHOLE) {
            self.tell(&CallEvent::LastByte);
        }
    }

    /// All of the request was handed over, for the first time.
    pub(super) fn written(&self) {
        if self.set(WRITTEN) {
            self.tell(&CallEvent::RequestWritten);
        }
    }
}

impl fmt::Debug for Telling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telling").finish_non_exhaustive()
    }
}
