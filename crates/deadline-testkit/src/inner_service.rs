//! The service behind whatever is under test.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use http::Response;
use tower_service::Service;

use crate::{BodyProbe, Gate, Probe, Probed, ScriptedBody, ScriptedError, Step};

type Outcome = Result<Response<ScriptedBody>, ScriptedError>;
type Answer = Pin<Box<dyn Future<Output = Outcome> + Send>>;
type Handler = dyn Fn() -> Answer + Send + Sync;

/// An HTTP service that takes a request of any type, and that is as strict as a service may be.
///
/// Each call needs a readiness of its own, a clone has none, and the instance that was polled ready is the one
/// that has to be called. Whatever is against that is kept by its [`Record`], where
/// [`ScriptedService`](crate::ScriptedService) panics: so a test sees all of it, also what happens in another
/// task. It drops its request when it is called.
///
/// ```
/// use deadline_testkit::{InnerService, Step};
/// use std::task::{Context, Waker};
/// use tower_service::Service;
///
/// let mut service = InnerService::answering([Step::Data("in time")]);
/// let record = service.record();
/// let mut cx = Context::from_waker(Waker::noop());
/// assert!(Service::<&str>::poll_ready(&mut service, &mut cx).is_ready());
/// let _ = service.clone().call("by a clone");
/// let _ = service.call("by the one that is ready");
/// let _ = service.call("once more");
/// assert_eq!(record.calls().called(), 3);
/// assert_eq!(record.breaches(), ["called without being ready", "called twice for one readiness"]);
/// ```
pub struct InnerService {
    gate: Gate,
    record: Record,
    handler: Arc<Handler>,
    ready: Readied,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Readied {
    #[default]
    Never,
    Yes,
    UsedUp,
}

/// What was done to an [`InnerService`] and all of its clones. A clone is the same record.
#[derive(Clone, Debug, Default)]
pub struct Record {
    calls: Probe,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    instances: AtomicUsize,
    breaches: Mutex<Vec<&'static str>>,
    body: Mutex<Option<BodyProbe>>,
}

impl Record {
    /// Its calls.
    #[must_use]
    pub fn calls(&self) -> &Probe {
        &self.calls
    }

    /// What was against the contract of `Service`, in the order of events.
    #[must_use]
    pub fn breaches(&self) -> Vec<&'static str> {
        lock(&self.shared.breaches).clone()
    }

    /// How many instances there are, clones included.
    #[must_use]
    pub fn instances(&self) -> usize {
        self.shared.instances.load(Ordering::Relaxed)
    }

    /// The body that was answered with last.
    #[must_use]
    pub fn body(&self) -> Option<BodyProbe> {
        lock(&self.shared.body).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl InnerService {
    /// Answers by this handler, called once a request.
    pub fn new<F>(handler: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let handler = Arc::new(move || Box::pin(handler()) as Answer);
        Self::instance(Gate::default(), Record::default(), handler)
    }

    /// Answers at once with a body that plays these steps.
    pub fn answering(steps: impl IntoIterator<Item = Step>) -> Self {
        let steps: Vec<Step> = steps.into_iter().collect();
        Self::new(move || std::future::ready(Ok(Response::new(ScriptedBody::new(steps.clone())))))
    }

    /// Never answers.
    #[must_use]
    pub fn silent() -> Self {
        Self::new(std::future::pending)
    }

    /// Fails at once.
    #[must_use]
    pub fn failing() -> Self {
        Self::new(|| std::future::ready(Err(ScriptedError)))
    }

    /// Ready when this gate is open.
    #[must_use]
    pub fn behind(mut self, gate: &Gate) -> Self {
        self.gate = gate.clone();
        self
    }

    /// What will be done to it.
    #[must_use]
    pub fn record(&self) -> Record {
        self.record.clone()
    }

    fn instance(gate: Gate, record: Record, handler: Arc<Handler>) -> Self {
        record.shared.instances.fetch_add(1, Ordering::Relaxed);
        Self { gate, record, handler, ready: Readied::Never }
    }
}

impl Clone for InnerService {
    /// Not ready, whatever the original is.
    fn clone(&self) -> Self {
        Self::instance(self.gate.clone(), self.record.clone(), Arc::clone(&self.handler))
    }
}

impl Drop for InnerService {
    fn drop(&mut self) {
        self.record.shared.instances.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for InnerService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { record, ready, .. } = self;
        f.debug_struct("InnerService").field("record", record).field("ready", ready).finish_non_exhaustive()
    }
}

impl<R> Service<R> for InnerService {
    type Response = Response<ScriptedBody>;
    type Error = ScriptedError;
    type Future = Probed<Answer>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if self.ready != Readied::Yes {
            ready!(self.gate.poll(cx))?;
            self.ready = Readied::Yes;
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: R) -> Self::Future {
        let breach = match std::mem::replace(&mut self.ready, Readied::UsedUp) {
            Readied::Never => Some("called without being ready"),
            Readied::UsedUp => Some("called twice for one readiness"),
            Readied::Yes => None,
        };
        lock(&self.record.shared.breaches).extend(breach);
        let (answer, shared) = ((self.handler)(), Arc::clone(&self.record.shared));
        self.record.calls.watch(Box::pin(async move {
            let response = answer.await?;
            *lock(&shared.body) = Some(response.body().probe());
            Ok(response)
        }))
    }
}
