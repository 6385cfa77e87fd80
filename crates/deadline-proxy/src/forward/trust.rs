//! Who is believed, and the layer that takes from strangers what would count before anything else is looked at.

use std::task::{Context, Poll};

use http::{HeaderName, Request};
use tower::{Layer, Service};
use tower_deadline::dialect::request_start;

use crate::client::Client;
use crate::peers::Peers;

/// The name of the stamp of a front.
pub(super) static X_REQUEST_START: HeaderName = HeaderName::from_static(request_start::NAME);

/// Whether the one who made the request is believed. Where it is not known who that is, it is not.
pub(super) fn believes(trust: &Peers, client: Option<&Client>) -> bool {
    client.is_some_and(|client| match client.address {
        // Behind the PROXY protocol, this is whom the peer speaks for: the peer has written none of the fields.
        Some(_) => trust.contain(client.address),
        None => client.peer.is_none() && trust.contain(None),
    })
}

/// Applies [`Untrusted`]; see the [module](super).
#[derive(Clone, Debug)]
pub struct UntrustedLayer {
    trust: Peers,
}

impl UntrustedLayer {
    /// Believes these.
    #[must_use]
    pub fn new(trust: Peers) -> Self {
        Self { trust }
    }
}

impl<S> Layer<S> for UntrustedLayer {
    type Service = Untrusted<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Untrusted { inner, layer: self.clone() }
    }
}

/// Removes `X-Request-Start` from whoever is not believed (R8); see the [module](super).
#[derive(Clone, Debug)]
pub struct Untrusted<S> {
    inner: S,
    layer: UntrustedLayer,
}

impl<S, RB> Service<Request<RB>> for Untrusted<S>
where
    S: Service<Request<RB>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<RB>) -> Self::Future {
        // R8
        if !believes(&self.layer.trust, request.extensions().get()) {
            request.headers_mut().remove(&X_REQUEST_START);
        }
        self.inner.call(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use tower::{ServiceExt, service_fn};

    fn client(peer: Option<&str>, address: Option<&str>) -> Client {
        let parse = |address: &str| address.parse().unwrap();
        Client { peer: peer.map(parse), address: address.map(parse), ..Client::default() }
    }

    #[test]
    fn whoever_made_the_request_is_believed_and_not_whoever_carried_it() {
        let trust: Peers = "10.0.0.0/8,unix".parse().unwrap();
        let (inside, outside) = (Some("10.0.0.1:9"), Some("192.0.2.1:9"));
        for (peer, address, believed) in [
            (inside, inside, true),
            (outside, outside, false),
            // A PROXY header: the balancer is one of ours, the client is not, and the other way round.
            (inside, outside, false),
            (None, outside, false),
            (outside, inside, true),
            (None, None, true),
            // A peer that does not say for whom it speaks is no Unix socket.
            (inside, None, false),
        ] {
            let client = client(peer, address);
            assert_eq!(believes(&trust, Some(&client)), believed, "{client:?}");
        }
        assert!(!believes(&trust, None));
        assert!(!believes(&Peers::default(), Some(&client(None, None))));
    }

    // R8
    #[tokio::test]
    async fn a_strangers_stamp_is_no_queue_time() {
        for (address, kept) in [("10.0.0.1:9", true), ("192.0.2.1:9", false)] {
            let layer = UntrustedLayer::new("10.0.0.0/8".parse().unwrap());
            let service = layer.layer(service_fn(async |request: Request<()>| {
                Ok::<_, Infallible>(request.headers().contains_key(&X_REQUEST_START))
            }));
            let mut request = Request::get("/").header(&X_REQUEST_START, "t=1700000000").body(()).unwrap();
            request.extensions_mut().insert(client(Some(address), Some(address)));
            assert_eq!(service.oneshot(request).await, Ok(kept), "{address}");
        }
    }
}
