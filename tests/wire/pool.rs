//! What becomes of a pooled connection (R16).

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tower::{Service, ServiceBuilder};
use tower_deadline::{Deadline, OnMissing, PropagateError, PropagateLayer, Stage, now};

use crate::support::{MS, Upstream, soon};

#[tokio::test]
async fn an_unsent_call_leaves_the_connection_in_the_pool() {
    let mut upstream = Upstream::start().await;
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let mut client = ServiceBuilder::new().layer(PropagateLayer::new()).service(client);
    let mut call = |budget| {
        let request = Request::get(format!("http://{}/", upstream.address)).extension(Deadline::after(now(), budget));
        client.call(request.body(Empty::new()).unwrap())
    };
    for _ in 0..3 {
        let response = soon("an answer", call(9_000 * MS)).await.unwrap();
        assert_eq!(soon("a body", response.into_body().collect()).await.unwrap().to_bytes(), "ok\n");
        let unsent = soon("a refusal", call(Duration::ZERO)).await;
        let Err(PropagateError::Exceeded(exceeded)) = unsent else { panic!("{unsent:?}") };
        assert_eq!(exceeded.stage(), Stage::Unsent);
    }
    assert_eq!(upstream.accepted(), 1);
    for _ in 0..3 {
        upstream.request().await;
    }
    upstream.assert_no_more();
}

#[tokio::test]
async fn a_call_without_a_deadline_is_not_sent_where_one_is_wanted() {
    let mut upstream = Upstream::start().await;
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let strict = PropagateLayer::new().on_missing(OnMissing::Reject);
    let mut client = ServiceBuilder::new().layer(strict).service(client);
    // A field alone is no deadline: somebody else wrote it.
    let request = Request::get(format!("http://{}/", upstream.address)).header("x-request-timeout", "9s");
    let outcome = soon("a refusal", client.call(request.body(Empty::new()).unwrap())).await;
    assert!(matches!(outcome, Err(PropagateError::Missing { .. })), "{outcome:?}");
    upstream.assert_untouched();
}
