//! The layer and its service.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use pin_project::pin_project;
use tower::{Layer, Service};
use tower_deadline::dialect::Call;
use tower_deadline::{AnswerBody, Answers};

use super::fields::Arrival;
use super::stamp::Wanted;
use super::trust::believes;
use super::via::{NoToken, Via};
use super::{Settings, request_id};
use crate::count::{self, Refusal};

/// Applies [`Forward`]; see the [module](super).
#[derive(Clone, Debug)]
pub struct ForwardLayer(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: Settings,
    via: Via,
    answers: Answers,
}

impl ForwardLayer {
    /// Says what the settings want, in the name of this hop where they have no other, and answers in this way.
    ///
    /// # Errors
    ///
    /// [`NoToken`] where the name cannot stand in `Via`.
    pub fn new(settings: Settings, hop: &str, answers: Answers) -> Result<Self, NoToken> {
        let via = Via::new(settings.via.as_deref().unwrap_or(hop))?;
        Ok(Self(Arc::new(Shared { settings, via, answers })))
    }
}

impl Shared {
    /// Writes the fields of a request, and returns its id.
    fn write<B>(&self, request: &mut Request<B>) -> Option<HeaderValue> {
        let settings = &self.settings;
        let believed = believes(&settings.trust, request.extensions().get());
        let arrival = Arrival::of(request, believed);
        arrival.tell(request.headers_mut(), settings.fields);
        let version = request.version();
        self.via.append(request.headers_mut(), version);
        if settings.request_start {
            let wanted = Wanted::of(request, believed);
            request.extensions_mut().insert(wanted);
        }
        settings.request_id.then(|| request_id::identify(request.headers_mut(), believed))
    }

    /// The answer to a request that runs in a circle.
    fn refusal<B>(&self, request: &Request<B>) -> Option<Response<Bytes>> {
        self.via.is_loop(request.headers()).then(|| {
            count::refused(Refusal::Loop);
            let detail = "via: the request comes by this proxy again and again";
            self.answers.failure(StatusCode::LOOP_DETECTED, detail, Call::of(request.headers()))
        })
    }
}

impl<S> Layer<S> for ForwardLayer {
    type Service = Forward<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Forward { inner, shared: Arc::clone(&self.0) }
    }
}

/// Writes the forwarding fields of requests and responses; see the [module](super).
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
    type Future = ForwardFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<RB>) -> Self::Future {
        let shared = Arc::clone(&self.shared);
        let refusal = shared.refusal(&request);
        let id = shared.write(&mut request);
        let state = match refusal {
            Some(answer) => State::Refused(Some(answer)),
            None => State::Sent(self.inner.call(request)),
        };
        ForwardFuture { state, id, shared }
    }
}

/// The response of [`Forward`]. Dropping it cancels the inner service's.
#[pin_project]
#[derive(Debug)]
pub struct ForwardFuture<F> {
    #[pin]
    state: State<F>,
    id: Option<HeaderValue>,
    shared: Arc<Shared>,
}

#[pin_project(project = StateProjection)]
#[derive(Debug)]
enum State<F> {
    Sent(#[pin] F),
    /// `None` once it was told.
    Refused(Option<Response<Bytes>>),
}

impl<F, B, E> Future for ForwardFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<AnswerBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = match this.state.project() {
            StateProjection::Sent(inner) => {
                let mut response = ready!(inner.poll(cx))?.map(AnswerBody::Inner);
                let version = response.version();
                this.shared.via.append(response.headers_mut(), version);
                response
            }
            StateProjection::Refused(answer) => match answer.take() {
                Some(answer) => answer.map(AnswerBody::from),
                None => return Poll::Pending,
            },
        };
        if let Some(id) = this.id.take() {
            request_id::write(response.headers_mut(), id);
        }
        Poll::Ready(Ok(response))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Client;
    use crate::forward::{Fields, StampLayer, stamp};
    use http::header::VIA;
    use http::{HeaderMap, Version};
    use http_body_util::Empty;
    use std::convert::Infallible;
    use tower::{ServiceBuilder, ServiceExt, service_fn};
    use tower_deadline::{HopByHopLayer, PropagateLayer};

    const TRUSTED: &str = "10.0.0.1:4711";
    const STRANGER: &str = "192.0.2.1:4711";

    fn settings() -> Settings {
        Settings { trust: "10.0.0.0/8".parse().unwrap(), request_start: true, ..Settings::default() }
    }

    fn request(peer: &str, fields: &[(&str, &str)]) -> Request<()> {
        let request = Request::get("/").version(Version::HTTP_2).header("host", "shop.example");
        let request = fields.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let mut request = request.body(()).unwrap();
        let peer = peer.parse().ok();
        request.extensions_mut().insert(Client { peer, address: peer, tls: true, ..Client::default() });
        request
    }

    /// What the upstream sees, if it sees anything, and what the client gets.
    async fn exchange(settings: Settings, request: Request<()>) -> (Option<HeaderMap>, Response<()>) {
        let (tell, mut seen) = tokio::sync::mpsc::unbounded_channel();
        let layer = ForwardLayer::new(settings, "edge", Answers::new().hop("edge")).unwrap();
        let service = layer.layer(service_fn(async |mut request: Request<()>| {
            stamp(&mut request);
            tell.send(request.headers().clone()).unwrap();
            let response = Response::builder().header("x-request-id", "theirs").header(VIA, "1.0 fred");
            Ok::<_, Infallible>(response.body(Empty::<Bytes>::new()).unwrap())
        }));
        let response = service.oneshot(request).await.unwrap().map(drop);
        (seen.try_recv().ok(), response)
    }

    fn lines(headers: &HeaderMap, name: &str) -> Vec<String> {
        headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[tokio::test]
    async fn both_directions_tell_by_which_hop_they_came() {
        let (seen, response) = exchange(settings(), request(STRANGER, &[("via", "1.1 a")])).await;
        assert_eq!(lines(&seen.unwrap(), "via"), ["1.1 a", "2 edge"]);
        assert_eq!(lines(response.headers(), "via"), ["1.0 fred", "1.1 edge"]);
        let named = Settings { via: Some("front".to_owned()), ..settings() };
        assert_eq!(lines(&exchange(named, request(STRANGER, &[])).await.0.unwrap(), "via"), ["2 front"]);
    }

    #[tokio::test]
    async fn a_loop_is_answered_and_not_passed_on() {
        let circle = |count: usize| vec!["2 edge"; count].join(", ");
        let (seen, _) = exchange(settings(), request(TRUSTED, &[("via", &circle(10))])).await;
        assert!(seen.is_some());
        let (seen, response) =
            exchange(settings(), request(TRUSTED, &[("via", &circle(11)), ("x-request-id", "a")])).await;
        assert!(seen.is_none());
        assert_eq!(response.status(), StatusCode::LOOP_DETECTED);
        assert_eq!(lines(response.headers(), "x-request-id"), ["a"]);
    }

    #[tokio::test]
    async fn request_and_response_have_the_same_id() {
        for (peer, is_kept) in [(TRUSTED, true), (STRANGER, false)] {
            let (seen, response) = exchange(settings(), request(peer, &[("x-request-id", "a")])).await;
            let id = lines(&seen.unwrap(), "x-request-id");
            assert_eq!(lines(response.headers(), "x-request-id"), id);
            assert_eq!(id == ["a"], is_kept, "{peer}: {id:?}");
        }
        let off = Settings { request_id: false, ..settings() };
        let (seen, response) = exchange(off, request(STRANGER, &[("x-request-id", "a")])).await;
        assert_eq!(lines(&seen.unwrap(), "x-request-id"), ["a"]);
        assert_eq!(lines(response.headers(), "x-request-id"), ["theirs"]);
    }

    #[tokio::test]
    async fn who_asked_is_told_by_trust() {
        let said = [("x-forwarded-for", "203.0.113.9"), ("x-request-start", "t=1700000000")];
        for (peer, asked, is_kept) in [(TRUSTED, "203.0.113.9, 10.0.0.1", true), (STRANGER, "192.0.2.1", false)] {
            let seen = exchange(settings(), request(peer, &said)).await.0.unwrap();
            assert_eq!(lines(&seen, "x-forwarded-for"), [asked]);
            assert_eq!(lines(&seen, "x-forwarded-proto"), ["https"]);
            assert_eq!(lines(&seen, "x-request-start") == ["t=1700000000"], is_kept, "{peer}");
        }
        let quiet = Settings { fields: Fields::Off, request_start: false, ..settings() };
        let seen = exchange(quiet, request(STRANGER, &said[..1])).await.0.unwrap();
        assert!(lines(&seen, "x-forwarded-for").is_empty() && lines(&seen, "x-request-start").is_empty());
    }

    /// R9: deadline fields are written fresh, and the stamp after them; no `Connection` removes what is written here.
    #[tokio::test(start_paused = true)]
    async fn in_their_places_the_layers_leave_what_they_wrote() {
        let forward = ForwardLayer::new(settings(), "edge", Answers::new()).unwrap();
        let service = ServiceBuilder::new()
            .layer(HopByHopLayer::default())
            .layer(forward)
            .layer(PropagateLayer::new())
            .layer(StampLayer)
            .service_fn(async |request: Request<Empty<Bytes>>| {
                let names = ["via", "x-forwarded-for", "x-request-id", "x-request-start"];
                assert_eq!(names.map(|name| lines(request.headers(), name).len()), [1; 4]);
                Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
            });
        let nominated = [("connection", "via, x-request-id, x-request-start"), ("x-request-start", "t=1700000000")];
        let request = request(TRUSTED, &nominated).map(|()| Empty::new());
        assert!(service.oneshot(request).await.unwrap().status().is_success());
    }

    #[test]
    fn a_hop_without_a_name_for_via_needs_another() {
        let error =
            |settings, hop| ForwardLayer::new(settings, hop, Answers::new()).err().map(|error| error.to_string());
        assert!(error(settings(), "my edge").is_some_and(|error| error.starts_with("via: \"my edge\": a token")));
        assert_eq!(error(Settings { via: Some("edge".to_owned()), ..settings() }, "my edge"), None);
    }
}
