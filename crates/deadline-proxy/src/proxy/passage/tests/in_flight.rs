//! Requests that are under way at a time, to the end of their bodies.

use super::*;
use futures_util::FutureExt;
use std::future::pending;
use tower::{ServiceExt, service_fn};

/// What is answered by a route that lets in so many, and as its path says.
async fn sent(layer: &PassageLayer, path: &'static str) -> Result<Response<PassageBody<Scripted>>, PropagateError> {
    let service = layer.layer(service_fn(|request: Request<_>| async move {
        match request.uri().path() {
            "/silent" => pending().await,
            "/missing" => Err(PropagateError::Missing { site: std::panic::Location::caller() }),
            _ => Ok(Response::new(body([Step::Data("a"), Step::Data("b")]).0)),
        }
    }));
    let request = Request::get(format!("http://shop.example{path}")).body(Empty::<Bytes>::new());
    service.oneshot(request.unwrap()).await
}

async fn status(layer: &PassageLayer) -> u16 {
    sent(layer, "/").await.unwrap().status().as_u16()
}

fn layer(limit: usize) -> PassageLayer {
    let in_flight = InFlight::new(Some(limit), Answers::new().hop("edge"));
    PassageLayer::new(Steps { in_flight, ..steps(&Shutdown::new()) })
}

#[tokio::test]
async fn room_is_held_until_the_body_ends_or_is_dropped() {
    let layer = layer(2);
    let mut first = sent(&layer, "/").await.unwrap().into_body();
    let second = sent(&layer, "/").await.unwrap();
    assert_eq!(status(&layer).await, 503);
    first.frame().await.unwrap().unwrap();
    assert_eq!(status(&layer).await, 503, "a part is not the end");
    first.frame().await.unwrap().unwrap();
    assert!(first.frame().await.is_none());
    assert_eq!(status(&layer).await, 200);
    drop((first, second));
    let both = (sent(&layer, "/").await.unwrap(), sent(&layer, "/").await.unwrap());
    assert_eq!((both.0.status().as_u16(), both.1.status().as_u16()), (200, 200));
    assert_eq!(status(&layer).await, 503);
}

#[tokio::test]
async fn a_request_that_is_dropped_or_fails_makes_room() {
    let layer = layer(1);
    assert!(sent(&layer, "/silent").now_or_never().is_none());
    assert_eq!(sent(&layer, "/missing").await.unwrap().status(), 400);
    assert_eq!(status(&layer).await, 200);
}
