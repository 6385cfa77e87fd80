//! What the tests of the layers share, and all of them in their places.

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, Version};
use http_body_util::Empty;
use std::convert::Infallible;
use tower::{ServiceBuilder, ServiceExt};
use tower_deadline::{Answers, HopByHopLayer, PropagateLayer};

use super::{ForwardLayer, ReceiveLayer, Settings, StampLayer};
use crate::client::Client;

pub(super) const TRUSTED: &str = "10.0.0.1:4711";
pub(super) const STRANGER: &str = "192.0.2.1:4711";

pub(super) fn settings() -> Settings {
    Settings { trust: "10.0.0.0/8".parse().unwrap(), request_start: true, ..Settings::default() }
}

pub(super) fn request(peer: &str, fields: &[(&str, &str)]) -> Request<()> {
    let request = Request::get("/").version(Version::HTTP_2).header("host", "shop.example");
    let request = fields.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let mut request = request.body(()).unwrap();
    let peer = peer.parse().ok();
    request.extensions_mut().insert(Client { peer, address: peer, tls: true, ..Client::default() });
    request
}

pub(super) fn lines(headers: &HeaderMap, name: &str) -> Vec<String> {
    headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
}

/// What the upstream saw, and what the client got.
type Exchange = (Option<HeaderMap>, Response<()>);

async fn exchange(request: Request<()>) -> Exchange {
    let (tell, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let service = ServiceBuilder::new()
        .layer(ReceiveLayer::new(&settings(), "edge").unwrap())
        .layer(HopByHopLayer::default())
        .layer(ForwardLayer::new(&settings(), "edge", Answers::new()).unwrap())
        .layer(PropagateLayer::new())
        .layer(StampLayer)
        .service_fn(async |request: Request<Empty<Bytes>>| {
            tell.send(request.headers().clone()).unwrap();
            Ok::<_, Infallible>(
                Response::builder().header("connection", "via, x-request-id").body(Empty::<Bytes>::new()).unwrap(),
            )
        });
    let response = service.oneshot(request.map(|()| Empty::<Bytes>::new())).await.unwrap().map(drop);
    (seen.try_recv().ok(), response)
}

/// R9: deadline fields are written fresh, and the stamp after them; no `Connection` removes what is written here.
#[tokio::test(start_paused = true)]
async fn in_their_places_the_layers_leave_what_they_wrote() {
    let nominated = [
        ("connection", "via, x-request-id, x-request-start"),
        ("x-request-start", "t=1700000000"),
        ("x-request-id", "a"),
    ];
    let (seen, response) = exchange(request(TRUSTED, &nominated)).await;
    let seen = seen.unwrap();
    let names = ["via", "x-forwarded-for", "x-request-id", "x-request-start"];
    assert_eq!(names.map(|name| lines(&seen, name).len()), [1; 4]);
    // The id that a trusted peer gave is what it looks for, and `Connection` does not change that.
    assert_eq!(lines(&seen, "x-request-id"), ["a"]);
    assert_eq!(lines(response.headers(), "x-request-id"), ["a"]);
    assert_eq!(lines(response.headers(), "via"), ["1.1 edge"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_on_the_way_has_its_id_too() {
    let circle = ["2 edge"; 11].join(", ");
    for (field, status) in
        [(("connection", "host"), StatusCode::BAD_REQUEST), (("via", &circle), StatusCode::LOOP_DETECTED)]
    {
        let (seen, response) = exchange(request(TRUSTED, &[field, ("x-request-id", "a")])).await;
        assert!(seen.is_none());
        assert_eq!(response.status(), status);
        assert_eq!(lines(response.headers(), "x-request-id"), ["a"]);
        assert_eq!(lines(response.headers(), "via"), ["1.1 edge"]);
    }
}
