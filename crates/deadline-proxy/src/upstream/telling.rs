//! How far an attempt has come, for whoever listens.
//!
//! Covers who is told: those who listen to the journey of the request. Does not ask the time, but where somebody wants to
//! know how long a connection was idle: without a listener, an attempt looks once whether there is one.

use std::error::Error;
use std::future::Future;
use std::io;
use std::time::Duration;

use http::Extensions;
use tower_deadline::{CallEvent, Journey};

use super::endpoint::Address;

/// Who is told how far an attempt has come, if anybody. A clone tells the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Telling(Option<Journey>);

impl Telling {
    /// Those who listen to the request with these extensions.
    #[inline]
    pub(super) fn of(extensions: &Extensions) -> Self {
        Self(extensions.get::<Journey>().filter(|journey| journey.is_listened_to()).cloned())
    }

    #[inline]
    pub(super) fn is_heard(&self) -> bool {
        self.0.is_some()
    }

    #[inline]
    pub(super) fn tell(&self, event: &CallEvent<'_>) {
        if let Some(journey) = &self.0 {
            journey.tell(event);
        }
    }

    /// Asks for a name.
    pub(super) async fn resolving<T, E>(&self, name: &str, asking: impl Future<Output = Result<T, E>>) -> Result<T, E>
    where
        E: AsRef<io::Error>,
    {
        self.tell(&CallEvent::ResolveStart { name });
        let found = asking.await;
        self.tell(&CallEvent::ResolveEnd { error: found.as_ref().err().map(|error| error.as_ref() as &Why) });
        found
    }
}

type Why = dyn Error + 'static;

/// The steps of making one connection. What is begun is told to have ended also where its time is up; whoever leaves is
/// told nothing more.
#[derive(Debug)]
pub(super) struct Steps<'a> {
    telling: &'a Telling,
    open: Option<Step>,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Connect,
    Tls,
}

impl<'a> Steps<'a> {
    pub(super) fn of(telling: &'a Telling) -> Self {
        Self { telling, open: None }
    }

    /// Connects to this address.
    pub(super) async fn connecting<T>(
        &mut self,
        address: &Address,
        connecting: impl Future<Output = io::Result<T>>,
    ) -> io::Result<T> {
        self.telling.tell(&CallEvent::ConnectStart { address: format_args!("{address}") });
        self.step(Step::Connect, connecting).await
    }

    /// Agrees on TLS.
    pub(super) async fn securing<T>(&mut self, securing: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        self.telling.tell(&CallEvent::TlsStart);
        self.step(Step::Tls, securing).await
    }

    async fn step<T>(&mut self, step: Step, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        self.open = Some(step);
        let done = work.await;
        self.end(done.as_ref().err());
        done
    }

    /// The time for all of them is up.
    pub(super) fn late(&mut self, limit: Duration) {
        if self.telling.is_heard() {
            self.end(Some(&io::Error::new(io::ErrorKind::TimedOut, format!("not within {limit:?}"))));
        }
    }

    fn end(&mut self, error: Option<&io::Error>) {
        let error = error.map(|error| error as &Why);
        match self.open.take() {
            Some(Step::Connect) => self.telling.tell(&CallEvent::ConnectEnd { error }),
            Some(Step::Tls) => self.telling.tell(&CallEvent::TlsEnd { error }),
            None => {}
        }
    }
}
