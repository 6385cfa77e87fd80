//! From a request to the head of its answer.

use http::request::Parts;
use http::{Extensions, Request, Response, StatusCode};
use tower_deadline::dialect::trail::DEADLINE_EXCEEDED;
use tower_deadline::{Journey, Stage};

use super::body::PooledBody;
use super::connect::{Failure, connect};
use super::error::{Broke, SendError};
use super::exchange::{Arrived, Broken};
use super::form::Need;
use super::lease::{Lease, Sent};
use super::pool::{Checkout, Grant, Pool};
use super::settings::Settings;
use super::silence::Allotted;
use super::state::Tried;
use super::telling::Telling;
use crate::access::Record;
use crate::look_alike;
use crate::traces::note_upstream;

/// In the extensions of a request that goes by a connection of its own, where there is room for one: what was kept has
/// just turned out to be closed, and what else was kept may be, too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anew;

/// How many connections that turn out to be closed one request goes through before it blames the endpoint.
const STALE_AT_MOST: usize = 32;

impl<B: Sent> Pool<B> {
    /// Sends a request to an endpoint, and returns its answer.
    ///
    /// `before` looks at the request at the last moment: a connection is there, and the request has the form that it
    /// needs (R2), and the fields of this upstream. It is called again for each attempt (R22), and what it refuses is
    /// not sent, which costs no connection (R16). It says how long the endpoint is given, after which silence is its
    /// failure. Waiting for a connection is stage `pool` of the [`Journey`] in the request's extensions, if there is
    /// one, and making one is stage `connect`; both, and the time until the head comes, are noted in its [`Record`]. Whoever
    /// listens to the journey is told how far each attempt has come.
    ///
    /// Another attempt follows where nothing was written: on a connection that turns out to be closed, and to an
    /// endpoint that cannot be connected to, each of which is tried once.
    ///
    /// Dropping the future cancels the request and leaves nothing: its place in the queue, a connection that is half
    /// made, and one of HTTP/1.1 on which something was sent, are gone.
    ///
    /// # Errors
    ///
    /// Why there is no answer. A failure before the request was written does not mean that it cannot be sent again.
    pub async fn send<F, E>(&self, request: Request<B>, before: F) -> Result<Response<PooledBody<B>>, SendError<E>>
    where
        F: FnMut(&mut Request<B>) -> Result<Allotted, E>,
    {
        self.send_held(&mut Some(request), before).await
    }

    /// The same, of a request that stays where it is until it was sent: a future that is handed one has room for it
    /// twice.
    pub(crate) async fn send_held<F, E>(
        &self,
        held: &mut Option<Request<B>>,
        mut before: F,
    ) -> Result<Response<PooledBody<B>>, SendError<E>>
    where
        F: FnMut(&mut Request<B>) -> Result<Allotted, E>,
    {
        let Settings { http, fields, .. } = self.cluster().settings();
        let name = self.cluster().name();
        let Some(request) = held else { return Err(SendError::NoEndpoint { upstream: self.upstream() }) };
        let (record, telling) = (Record::of(request.extensions()), Telling::of(request.extensions()));
        record.iter().for_each(|record| record.attempt(name));
        note_upstream(name);
        let mut attempts = Attempts::new(Need::of(request, *http), request.extensions().get::<Anew>().is_some());
        let mut dressed = |request: &mut Request<B>| {
            for (name, value) in fields {
                // Who reads `_` as `-` would find the client's beside ours.
                look_alike::remove(request.headers_mut(), name);
                request.headers_mut().insert(name, value.clone());
            }
            before(request)
        };
        loop {
            let mut lease = match self.checkout(attempts.need, &attempts.tried, attempts.anew) {
                Checkout::Granted(Grant::Lease(lease)) => lease,
                // Takes longer than an allocation does, and a request that finds a connection need not be as large.
                other => {
                    Box::pin(self.wait(other, held.as_ref().map(Request::extensions), &mut attempts, &telling)).await?
                }
            };
            lease.tell(&telling);
            let sent = record.as_ref().map(|record| record.enter(Stage::Upstream));
            let outcome = lease.exchange(held, &mut dressed, &telling).await;
            drop(sent);
            match outcome {
                Ok(response) => return Ok(self.answered(response, lease, telling)),
                Err(Broken::Before(error)) => return Err(SendError::Before(error)),
                Err(Broken::Unsent(why)) => {
                    if let Some((endpoint, error)) = lease.endpoint().zip(why).filter(|_| attempts.blames(&lease)) {
                        self.blame(&lease);
                        attempts.failed(Failure::closed(endpoint, error));
                    }
                }
                Err(Broken::Body(fault)) => return Err(SendError::Body(fault)),
                Err(Broken::Sent(source, kept)) => return Err(self.broken(&lease, source, kept)),
            }
        }
    }

    fn broken<E>(&self, lease: &Lease<B>, source: Broke, head: Option<Box<Parts>>) -> SendError<E> {
        let Some(endpoint) = lease.endpoint() else {
            return SendError::NoEndpoint { upstream: self.upstream() };
        };
        if !source.is_user() {
            self.blame(lease);
        }
        SendError::Exchange { endpoint: endpoint.name.clone(), is_kept: !lease.is_fresh(), head, source }
    }

    /// The connection broke off, and the endpoint is to blame, unless it does not speak what the client has chosen.
    fn blame(&self, lease: &Lease<B>) {
        if let Some((endpoint, _)) = lease.peer().filter(|(endpoint, version)| endpoint.should_speak(*version)) {
            self.cluster().failed(endpoint);
        }
    }

    fn answered(&self, response: Response<Arrived>, lease: Lease<B>, telling: Telling) -> Response<PooledBody<B>> {
        if let Some((endpoint, version)) = lease.peer() {
            if is_failure(&response) { self.cluster().failed(endpoint) } else { endpoint.answered(version) }
        }
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let mut response = response.map(|_| PooledBody::detached());
            if let Some(switched) = lease.switch() {
                response.extensions_mut().insert(switched);
            }
            return response;
        }
        response.map(|body| PooledBody::new(body, lease, telling))
    }

    fn upstream(&self) -> String {
        self.cluster().settings().name.clone()
    }

    /// What takes time: waiting for a connection, and making one.
    async fn wait<E>(
        &self,
        mut checkout: Checkout<'_, B>,
        extensions: Option<&Extensions>,
        attempts: &mut Attempts,
        telling: &Telling,
    ) -> Result<Lease<B>, SendError<E>> {
        let (journey, record) = (extensions.and_then(|found| found.get::<Journey>()), extensions.and_then(Record::of));
        let enter = |stage| {
            let noted = record.as_ref().map(|record| record.enter(stage));
            (journey.map(|journey| journey.enter(stage)), noted)
        };
        loop {
            let told = match checkout {
                Checkout::Granted(grant) => Ok(grant),
                Checkout::Wait(waiting) => {
                    let _open = enter(if waiting.is_riding { Stage::Connect } else { Stage::Pool });
                    let _counted = (!waiting.is_riding).then(|| self.cluster().pooled().wait());
                    waiting.await
                }
                Checkout::Full => return Err(SendError::Full { upstream: self.upstream() }),
                Checkout::Nowhere => {
                    if let Some(last) = attempts.last.take() {
                        return Err(last.into_error());
                    }
                    let _open = enter(Stage::Connect);
                    self.cluster().locate(telling).await?;
                    checkout = self.checkout(attempts.need, &attempts.tried, attempts.anew);
                    continue;
                }
            };
            let made = match told {
                Ok(Grant::Lease(lease)) => Ok(lease),
                Ok(Grant::Slot(slot)) => {
                    let _open = enter(Stage::Connect);
                    connect(self, slot, attempts.need, telling).await
                }
                Err(failure) => Err(failure),
            };
            match made {
                Ok(lease) => return Ok(lease),
                Err(failure) => attempts.failed(failure),
            }
            checkout = self.checkout(attempts.need, &attempts.tried, attempts.anew);
        }
    }
}

/// What one request has tried.
struct Attempts {
    need: Need,
    tried: Tried,
    /// Whether it is for a connection that nobody has used before.
    anew: bool,
    last: Option<Failure>,
    /// Connections that were kept, and closed.
    stale: usize,
}

impl Attempts {
    fn new(need: Need, anew: bool) -> Self {
        Self { need, tried: Tried::new(), anew, last: None, stale: 0 }
    }

    /// A connection that was kept may be closed at any time, and says nothing of the endpoint; very many do.
    fn blames<B>(&mut self, lease: &Lease<B>) -> bool {
        self.stale += 1;
        lease.is_fresh() || self.stale > STALE_AT_MOST
    }

    /// Each endpoint is tried once.
    fn failed(&mut self, failure: Failure) {
        self.tried.push(failure.endpoint.key.number);
        self.last = Some(failure);
    }
}

/// R23: a hop that has run out of the time which we gave it has not failed.
fn is_failure<B>(response: &Response<B>) -> bool {
    match response.status() {
        StatusCode::BAD_GATEWAY => true,
        // 503: it had no connection of its own in that time.
        StatusCode::GATEWAY_TIMEOUT | StatusCode::SERVICE_UNAVAILABLE => {
            !response.headers().contains_key(&DEADLINE_EXCEEDED)
        }
        _ => false,
    }
}
