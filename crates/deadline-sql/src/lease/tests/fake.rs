//! A database without a server: what it is told, and what it does, on tokio's paused clock.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time;

use crate::adapter::{AcquireError, Adapter, Delivery, Drained, Open, Ticket};
use crate::timer::now;
use crate::{DriverError, Verdict};

/// What happened, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Cancelled,
    /// What was left to read was read before a cancel, which is told where the database is [`talkative`](Manners).
    Read,
    RolledBack(Open),
    Released,
    Discarded,
}

/// How the database behaves.
#[derive(Debug, Default)]
pub(super) struct Manners {
    /// So many cancels get lost on the way.
    pub(super) lost: usize,
    /// What becomes of a cancel; `None`: nobody ever hears.
    pub(super) delivery: Option<Delivery>,
    /// It cannot be told to stop.
    pub(super) deaf: bool,
    /// It does not stop by itself.
    pub(super) untimed: bool,
    /// It has much left to say.
    pub(super) talkative: bool,
    /// It never ends a transaction.
    pub(super) stuck: bool,
}

#[derive(Debug, Default)]
struct State {
    manners: Manners,
    events: Vec<(Duration, Event)>,
    /// The statement that runs would take until then.
    busy: Option<Instant>,
}

/// The database, and its pool of connections.
#[derive(Clone, Debug)]
pub(super) struct Fake {
    state: Arc<Mutex<State>>,
    stopped: Arc<Notify>,
    places: Arc<Semaphore>,
    begun: Instant,
}

/// A connection with its place in the pool.
#[derive(Debug)]
pub(super) struct Connection(Fake, #[expect(dead_code, reason = "it is held")] OwnedSemaphorePermit);

/// An error with its meaning.
#[derive(Debug, PartialEq)]
pub(super) struct Failed(pub(super) Verdict);

impl Fake {
    pub(super) fn new(places: usize, manners: Manners) -> Self {
        let state = State { manners, ..State::default() };
        Self {
            state: Arc::new(Mutex::new(state)),
            stopped: Arc::default(),
            places: Arc::new(Semaphore::new(places)),
            begun: now(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn happened(&self, event: Event) {
        let after = now() - self.begun;
        self.state().events.push((after, event));
    }

    /// What happened, and how many milliseconds after the start.
    pub(super) fn events(&self) -> Vec<(u128, Event)> {
        self.state().events.iter().map(|(after, event)| (after.as_millis(), event.clone())).collect()
    }

    /// Runs a statement that takes so long, or until it is cancelled.
    pub(super) async fn run(&self, takes: Duration) -> Result<(), Failed> {
        self.state().busy = Some(now() + takes);
        self.at_rest().await;
        Ok(())
    }

    async fn at_rest(&self) {
        loop {
            let stopped = self.stopped.notified();
            let Some(busy) = self.state().busy else { return };
            tokio::select! {
                () = time::sleep_until(busy.into()) => self.state().busy = None,
                () = stopped => {}
            }
        }
    }
}

impl Ticket for Fake {
    async fn cancel(&self) -> Delivery {
        self.happened(Event::Cancelled);
        let delivery = self.state().manners.delivery;
        let Some(delivery) = delivery else { return std::future::pending().await };
        let mut state = self.state();
        match state.manners.lost.checked_sub(1) {
            Some(lost) => state.manners.lost = lost,
            None if delivery == Delivery::Acted => {
                state.busy = None;
                self.stopped.notify_waiters();
            }
            None => {}
        }
        delivery
    }
}

impl Adapter for Fake {
    type Connection = Connection;
    type Error = Failed;
    type Ticket = Self;

    async fn acquire(&self) -> Result<Connection, AcquireError<Failed>> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        place.map(|place| Connection(self.clone(), place)).map_err(|_| AcquireError::Closed)
    }

    fn ticket(&self, _: &Connection) -> Option<Self> {
        (!self.state().manners.deaf).then(|| self.clone())
    }

    fn backend(&self, _: &Connection) -> Option<u32> {
        Some(4711)
    }

    fn waits_for_server(&self) -> bool {
        !self.state().manners.untimed
    }

    async fn drain(&self, connection: &mut Connection) -> Drained {
        let cancelled = self.events().iter().any(|(_, event)| *event == Event::Cancelled);
        let talkative = self.state().manners.talkative;
        if talkative && !cancelled {
            self.happened(Event::Read);
        }
        connection.0.at_rest().await;
        Drained::Clean
    }

    async fn roll_back(&self, _: &mut Connection, open: &Open) -> Drained {
        if self.state().manners.stuck {
            return std::future::pending().await;
        }
        self.happened(Event::RolledBack(open.clone()));
        Drained::Clean
    }

    fn release(&self, connection: Connection) {
        self.happened(Event::Released);
        drop(connection);
    }

    fn discard(&self, connection: Connection) {
        self.happened(Event::Discarded);
        drop(connection);
    }
}

impl DriverError for Failed {
    fn verdict(&self) -> Verdict {
        self.0
    }

    fn sqlstate(&self) -> Option<&str> {
        None
    }

    fn is_from_server(&self) -> bool {
        self.0 != Verdict::Other
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("failed")
    }
}

impl std::error::Error for Failed {}
