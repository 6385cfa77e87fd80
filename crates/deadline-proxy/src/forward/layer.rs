//! The layer that writes a request for the next hop.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use tower::{Layer, Service};
use tower_deadline::dialect::Call;
use tower_deadline::{AnswerBody, Answers};

use super::fields::{Arrival, Ports};
use super::receive::Received;
use super::stamp::Wanted;
use super::via::{NoToken, Via};
use super::{Fields, Settings, hops, request_id};
use crate::count::{self, Refusal};
use crate::limits::Answered;

/// Applies [`Forward`]; see the [module](super).
#[derive(Clone, Debug)]
pub struct ForwardLayer(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    fields: Fields,
    has_stamps: bool,
    via: Via,
    ports: Ports,
    answers: Answers,
}

impl ForwardLayer {
    /// Says what the settings want, in the name of this hop where they have no other, and answers in this way.
    ///
    /// # Errors
    ///
    /// [`NoToken`] where the name cannot stand in `Via`.
    pub fn new(settings: &Settings, hop: &str, answers: Answers) -> Result<Self, NoToken> {
        let via = Via::new(settings.via.as_deref().unwrap_or(hop))?;
        Ok(Self(Arc::new(Shared {
            fields: settings.fields,
            has_stamps: settings.request_start,
            via,
            ports: Ports::default(),
            answers,
        })))
    }
}

/// So many fields are written at most, for which a map makes room once.
const FIELDS: usize = 8;

impl ForwardLayer {
    /// The same, with values of its own: who takes one counts it, and workers should not wait for each other.
    #[must_use]
    pub(crate) fn of_worker(&self) -> Self {
        let Shared { fields, has_stamps, via, answers, .. } = &*self.0;
        let (via, ports) = (via.anew(), Ports::default());
        let shared = Shared { fields: *fields, has_stamps: *has_stamps, via, ports, answers: answers.clone() };
        Self(Arc::new(shared))
    }

    /// Writes what the next hop is told, for whoever has no use for a service around a service. Or returns the answer to
    /// a request that goes no further.
    pub(crate) fn write<B>(&self, request: &mut Request<B>) -> Result<(), Box<Response<Bytes>>> {
        self.0.write(request)
    }
}

impl Shared {
    /// Writes the fields of a request, as was decided when it came; or answers one that has come to its end.
    fn write<B>(&self, request: &mut Request<B>) -> Result<(), Box<Response<Bytes>>> {
        if let Some(answer) = hops::last(request, &self.answers) {
            return Err(Box::new(answer));
        }
        let Received { believed, version, id } = Received::take(request);
        request.headers_mut().reserve(FIELDS);
        let arrival = Arrival::of(request, believed);
        arrival.tell(request.headers_mut(), self.fields, &self.ports);
        self.via.enter(request.headers_mut(), version).map_err(|_| Box::new(self.refusal(request)))?;
        hops::count(request);
        if self.has_stamps {
            let wanted = Wanted::of(request, believed);
            request.extensions_mut().insert(wanted);
        }
        if let Some(id) = id {
            request_id::write(request.headers_mut(), id);
        }
        Ok(())
    }

    /// The answer to a request that runs in a circle.
    fn refusal<B>(&self, request: &Request<B>) -> Response<Bytes> {
        count::refused(Refusal::Loop);
        let detail = "via: the request comes by this proxy again and again";
        self.answers.failure(StatusCode::LOOP_DETECTED, detail, Call::of(request.headers()))
    }
}

impl<S> Layer<S> for ForwardLayer {
    type Service = Forward<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Forward { inner, shared: Arc::clone(&self.0) }
    }
}

/// Writes the forwarding fields of requests; see the [module](super).
#[derive(Clone, Debug)]
pub struct Forward<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S, RB, B> Service<Request<RB>> for Forward<S>
where
    S: Service<Request<RB>, Response = Response<B>>,
{
    type Response = Response<AnswerBody<B>>;
    type Error = S::Error;
    type Future = Answered<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<RB>) -> Self::Future {
        match self.shared.write(&mut request) {
            Ok(()) => Answered::Inner(self.inner.call(request)),
            Err(answer) => Answered::with(*answer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forward::tests::{STRANGER, TRUSTED, lines, request, settings};
    use crate::forward::{ReceiveLayer, stamp};
    use http::{HeaderMap, Version};
    use http_body_util::Empty;
    use std::convert::Infallible;
    use tower::{ServiceExt, service_fn};

    /// What the upstream sees, if it sees anything, and what the client gets.
    async fn exchange(settings: &Settings, request: Request<()>) -> (Option<HeaderMap>, StatusCode) {
        let (tell, mut seen) = tokio::sync::mpsc::unbounded_channel();
        let forward = ForwardLayer::new(settings, "edge", Answers::new().hop("edge")).unwrap();
        let service = forward.layer(service_fn(async |mut request: Request<()>| {
            stamp(&mut request);
            tell.send(request.headers().clone()).unwrap();
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }));
        let receive = ReceiveLayer::new(settings, "edge").unwrap();
        let response = receive.layer(service).oneshot(request).await.unwrap();
        (seen.try_recv().ok(), response.status())
    }

    #[tokio::test]
    async fn a_request_tells_by_which_hop_it_came() {
        let (seen, _) = exchange(&settings(), request(STRANGER, &[("via", "1.1 a")])).await;
        assert_eq!(lines(&seen.unwrap(), "via"), ["1.1 a", "2 edge"]);
        let named = Settings { via: Some("front".to_owned()), ..settings() };
        assert_eq!(lines(&exchange(&named, request(STRANGER, &[])).await.0.unwrap(), "via"), ["2 front"]);
    }

    #[tokio::test]
    async fn a_loop_is_answered_and_not_passed_on() {
        let circle = |count: usize| vec!["2 edge"; count].join(", ");
        let (seen, _) = exchange(&settings(), request(TRUSTED, &[("via", &circle(10))])).await;
        assert!(seen.is_some());
        let (seen, status) = exchange(&settings(), request(TRUSTED, &[("via", &circle(11))])).await;
        assert!(seen.is_none());
        assert_eq!(status, StatusCode::LOOP_DETECTED);
    }

    #[tokio::test]
    async fn the_id_that_was_decided_on_is_written() {
        for (peer, is_kept) in [(TRUSTED, true), (STRANGER, false)] {
            let (seen, _) = exchange(&settings(), request(peer, &[("x-request-id", "a")])).await;
            let id = lines(&seen.unwrap(), "x-request-id");
            assert_eq!((id.len(), id == ["a"]), (1, is_kept), "{peer}: {id:?}");
        }
        let off = Settings { request_id: false, ..settings() };
        let (seen, _) = exchange(&off, request(STRANGER, &[("x-request-id", "a")])).await;
        assert_eq!(lines(&seen.unwrap(), "x-request-id"), ["a"]);
    }

    #[tokio::test]
    async fn who_asked_is_told_by_trust() {
        let said = [("x-forwarded-for", "203.0.113.9"), ("x-request-start", "t=1700000000")];
        for (peer, asked, is_kept) in [(TRUSTED, "203.0.113.9, 10.0.0.1", true), (STRANGER, "192.0.2.1", false)] {
            let seen = exchange(&settings(), request(peer, &said)).await.0.unwrap();
            assert_eq!(lines(&seen, "x-forwarded-for"), [asked]);
            assert_eq!(lines(&seen, "x-forwarded-proto"), ["https"]);
            assert_eq!(lines(&seen, "x-request-start") == ["t=1700000000"], is_kept, "{peer}");
        }
        let quiet = Settings { fields: Fields::Off, request_start: false, ..settings() };
        let seen = exchange(&quiet, request(STRANGER, &said[..1])).await.0.unwrap();
        assert!(lines(&seen, "x-forwarded-for").is_empty() && lines(&seen, "x-request-start").is_empty());
    }

    #[tokio::test]
    async fn where_nothing_was_decided_nobody_is_believed() {
        let mut request = request(TRUSTED, &[("x-forwarded-for", "203.0.113.9"), ("x-request-id", "a")]);
        ForwardLayer::new(&settings(), "edge", Answers::new()).unwrap().write(&mut request).unwrap();
        assert_eq!(lines(request.headers(), "x-forwarded-for"), ["10.0.0.1"]);
        assert_eq!(lines(request.headers(), "x-request-id"), ["a"]);
        assert_eq!(lines(request.headers(), "via"), ["2 edge"]);
        assert_eq!(request.version(), Version::HTTP_2);
    }
}
