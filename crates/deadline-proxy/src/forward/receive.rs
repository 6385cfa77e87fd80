//! What is decided of a request when it comes, and what every answer carries.

use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Version};
use tower_deadline::dialect::trail::DEADLINE_EXCEEDED;
use tracing::field::display;

use super::fields::{clear, is_forwarding};
use super::stamp::X_REQUEST_START;
use super::trust::believes;
use super::via::{NoToken, Via};
use super::{Settings, edge, request_id, told};
use crate::client::{Client, Side};
use crate::noted::Noted;
use crate::peers::Peers;

/// What was decided of a request when it came. Stands in its extensions, where no field of it can change that.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// Whether what it says of those before it is believed.
    pub(super) believed: bool,
    /// In which it came, whatever becomes of it within.
    pub(super) version: Version,
    /// `None` where ids are left alone.
    pub(super) id: Option<HeaderValue>,
}

impl Received {
    /// Takes it out of a request. Where there was no [`ReceiveLayer`], nobody is believed, and ids are left alone.
    pub(super) fn take<B>(request: &mut Request<B>) -> Self {
        let version = request.version();
        let received = request.extensions_mut().get_mut().and_then(|noted: &mut Noted| noted.received.take());
        received.unwrap_or_else(|| {
            clear(request.headers_mut());
            Self { believed: false, version, id: None }
        })
    }
}

/// Decides who is believed and what a request is called, and signs every answer; see the [module](super). A part of the
/// [front](crate::front).
#[derive(Clone, Debug)]
pub struct ReceiveLayer(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    trust: Peers,
    via: Via,
    has_ids: bool,
}

impl ReceiveLayer {
    /// Believes whom the settings name, and signs answers in the name of this hop where they have no other.
    ///
    /// # Errors
    ///
    /// [`NoToken`] where the name cannot stand in `Via`.
    pub fn new(settings: &Settings, hop: &str) -> Result<Self, NoToken> {
        let via = Via::new(settings.via.as_deref().unwrap_or(hop))?;
        Ok(Self(Arc::new(Shared { trust: settings.trust.clone(), via, has_ids: settings.request_id })))
    }

    /// Decides of a request, which is told that for whoever stands inside; returns what it is called.
    pub(crate) fn receive<B>(&self, request: &mut Request<B>) -> Option<HeaderValue> {
        let received = self.decide(request);
        let (id, noted) = (received.id.clone(), Noted::within(request.extensions_mut()));
        if let (Some(record), Some(id)) = (&noted.record, &id) {
            record.id(id);
        }
        noted.received = Some(received);
        id
    }

    /// Decides, and takes from a stranger what would count as queue time (R8), and what says who asked: by neither may
    /// it choose its route.
    fn decide<B>(&self, request: &mut Request<B>) -> Received {
        let client = Client::of(request.extensions());
        let (believed, side) = (believes(&self.0.trust, client), client.map_or(Side::Internal, |client| client.side));
        let version = request.version();
        remove_unbelieved(request.headers_mut(), believed);
        // RFC 9110 §9.3.6: it has no content. Refused as a call of gRPC it would get a 200, which says that there is a
        // tunnel.
        if *request.method() == Method::CONNECT {
            request.headers_mut().remove(CONTENT_TYPE);
        }
        let id = self.0.has_ids.then(|| request_id::of(request.headers(), believed));
        if tracing::enabled!(target: "explain", tracing::Level::DEBUG) {
            explain(Client::of(request.extensions()), believed, id.as_ref());
        }
        edge::receive(request, side, believed);
        Received { believed, version, id }
    }

    /// Says by which hop an answer leaves, and which request it is for.
    pub(crate) fn sign<B>(&self, response: &mut Response<B>, id: Option<HeaderValue>) {
        let version = response.version();
        let headers: &mut HeaderMap = response.headers_mut();
        self.0.via.append(headers, version);
        if let Some(id) = id {
            request_id::write(headers, id);
        }
        // RFC 9110 §6.2: the version is the sender's own, and chunks are what tells a whole body from half of one.
        if version < Version::HTTP_11 {
            *response.version_mut() = Version::HTTP_11;
        }
    }

    /// Signs the answer to a request that goes no further than this.
    pub(crate) fn answer<RB, B>(&self, mut request: Request<RB>, mut answer: Response<B>) -> Response<B> {
        let received = self.decide(&mut request);
        self.sign(&mut answer, received.id);
        answer
    }
}

/// Removes what nobody believes, and of a stranger what it says of others. In one pass: hardly ever is there any.
fn remove_unbelieved(headers: &mut HeaderMap, believed: bool) {
    let is_to_go = |name: &HeaderName| {
        // Who asks has nothing to say of where it was stopped.
        *name == DEADLINE_EXCEEDED || !believed && (is_forwarding(name.as_str()) || *name == X_REQUEST_START)
    };
    if !headers.keys().any(is_to_go) {
        return;
    }
    let to_go: Vec<HeaderName> = headers.keys().filter(|name| is_to_go(name)).cloned().collect();
    for name in to_go {
        headers.remove(name);
    }
}

/// Tells who asks; from here on whatever is told of the request has its id.
fn explain(client: Option<&Client>, believed: bool, id: Option<&HeaderValue>) {
    if let Some(id) = id.and_then(|id| id.to_str().ok()) {
        tracing::Span::current().record("id", display(id));
    }
    let client = client.copied().unwrap_or_default();
    tracing::debug!(target: "explain", "client: {}", told::words(&client, believed));
}

/// A service with this layer alone.
#[cfg(test)]
impl<S> tower::Layer<S> for ReceiveLayer {
    type Service = tests::Alone<S>;

    fn layer(&self, inner: S) -> Self::Service {
        tests::Alone { inner, layer: self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forward::tests::{STRANGER, TRUSTED, lines, request, settings};
    use futures_util::TryFutureExt;
    use futures_util::future::MapOk;
    use http::header::VIA;
    use std::convert::Infallible;
    use std::task::{Context, Poll};
    use tower::{Layer, Service, ServiceExt, service_fn};

    /// Stands where the front does.
    pub struct Alone<S> {
        pub(super) inner: S,
        pub(super) layer: ReceiveLayer,
    }

    impl<S, RB, B> Service<Request<RB>> for Alone<S>
    where
        S: Service<Request<RB>, Response = Response<B>>,
    {
        type Response = S::Response;
        type Error = S::Error;
        type Future = MapOk<S::Future, Box<dyn FnOnce(Response<B>) -> Response<B>>>;

        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            self.inner.poll_ready(cx)
        }

        fn call(&mut self, mut request: Request<RB>) -> Self::Future {
            let (layer, id) = (self.layer.clone(), self.layer.receive(&mut request));
            let sign = move |mut response: Response<B>| {
                layer.sign(&mut response, id);
                response
            };
            self.inner.call(request).map_ok(Box::new(sign))
        }
    }

    /// What stands inside sees of a request, and what leaves of an answer that nobody inside has signed.
    async fn exchange(settings: &Settings, request: Request<()>, version: Version) -> (Request<()>, Response<()>) {
        let (tell, mut seen) = tokio::sync::mpsc::unbounded_channel();
        let service = ReceiveLayer::new(settings, "edge").unwrap().layer(service_fn(async |request: Request<()>| {
            tell.send(request).unwrap();
            let answer = Response::builder().version(version).header("x-request-id", "theirs");
            Ok::<_, Infallible>(answer.header(VIA, "1.0 fred").body(()).unwrap())
        }));
        let response = service.oneshot(request).await.unwrap();
        (seen.recv().await.unwrap(), response)
    }

    #[tokio::test]
    async fn every_answer_tells_its_request_and_its_hop() {
        for (peer, is_kept) in [(TRUSTED, true), (STRANGER, false)] {
            let asked = request(peer, &[("x-request-id", "a")]);
            let (mut seen, response) = exchange(&settings(), asked, Version::HTTP_11).await;
            let received = Received::take(&mut seen);
            assert_eq!((received.believed, received.version), (is_kept, Version::HTTP_2));
            let id = lines(response.headers(), "x-request-id");
            assert_eq!(id, [received.id.unwrap().to_str().unwrap()]);
            assert_eq!(id == ["a"], is_kept, "{peer}: {id:?}");
            assert_eq!(lines(response.headers(), "via"), ["1.0 fred", "1.1 edge"]);
        }
    }

    #[tokio::test]
    async fn ids_are_left_alone_where_that_is_wanted() {
        let off = Settings { request_id: false, via: Some("front".to_owned()), ..settings() };
        let (mut seen, response) = exchange(&off, request(STRANGER, &[("x-request-id", "a")]), Version::HTTP_11).await;
        assert_eq!(lines(seen.headers(), "x-request-id"), ["a"]);
        assert!(Received::take(&mut seen).id.is_none());
        assert_eq!(lines(response.headers(), "x-request-id"), ["theirs"]);
        assert_eq!(lines(response.headers(), "via"), ["1.0 fred", "1.1 front"]);
    }

    #[tokio::test]
    async fn via_tells_the_version_that_was_received_and_the_answer_has_our_own() {
        for (received, told, own) in [
            (Version::HTTP_10, "1.0 edge", Version::HTTP_11),
            (Version::HTTP_11, "1.1 edge", Version::HTTP_11),
            (Version::HTTP_2, "2 edge", Version::HTTP_2),
        ] {
            let (_, response) = exchange(&settings(), request(STRANGER, &[]), received).await;
            assert_eq!(lines(response.headers(), "via"), ["1.0 fred", told]);
            assert_eq!(response.version(), own);
        }
    }

    // R8
    #[tokio::test]
    async fn a_strangers_stamp_is_no_queue_time() {
        for (peer, kept) in [(TRUSTED, true), (STRANGER, false)] {
            let asked = request(peer, &[("x-request-start", "t=1700000000")]);
            let (seen, _) = exchange(&settings(), asked, Version::HTTP_11).await;
            assert_eq!(seen.headers().contains_key(&X_REQUEST_START), kept, "{peer}");
        }
    }

    #[tokio::test]
    async fn nobody_who_asks_says_where_the_request_was_stopped() {
        for peer in [TRUSTED, STRANGER] {
            let asked = request(peer, &[(DEADLINE_EXCEEDED.as_str(), "origin=header, stage=pool, cause=deadline")]);
            let (seen, _) = exchange(&settings(), asked, Version::HTTP_11).await;
            assert!(!seen.headers().contains_key(&DEADLINE_EXCEEDED), "{peer}");
        }
    }

    #[tokio::test]
    async fn a_strangers_forwarding_fields_decide_nothing_within() {
        let said = [("x-real-ip", "10.0.0.1"), ("x_forwarded_for", "10.0.0.1"), ("forwarded", "for=10.0.0.1")];
        for (peer, is_kept) in [(TRUSTED, true), (STRANGER, false)] {
            let (seen, _) = exchange(&settings(), request(peer, &said), Version::HTTP_11).await;
            for (name, _) in said {
                assert_eq!(seen.headers().contains_key(name), is_kept, "{peer}: {name}");
            }
        }
    }

    #[test]
    fn an_answer_that_is_made_here_is_signed() {
        let layer = ReceiveLayer::new(&settings(), "edge").unwrap();
        let answer = layer.answer(request(TRUSTED, &[("x-request-id", "a")]), Response::new(()));
        assert_eq!(lines(answer.headers(), "x-request-id"), ["a"]);
        assert_eq!(lines(answer.headers(), "via"), ["1.1 edge"]);
    }

    #[test]
    fn a_hop_without_a_name_for_via_needs_another() {
        let error = |settings, hop| ReceiveLayer::new(&settings, hop).err().map(|error| error.to_string());
        assert!(error(settings(), "my edge").is_some_and(|error| error.starts_with("via: \"my edge\": a token")));
        assert_eq!(error(Settings { via: Some("edge".to_owned()), ..settings() }, "my edge"), None);
    }
}
