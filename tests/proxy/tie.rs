//! Two hops that keep the same deadline answer at the same instant: there is always an answer, and always one.

use std::collections::BTreeMap;
use std::future::pending;

use axum::Router;
use axum::routing::get;
use tokio::task::JoinSet;
use tower_deadline::{DeadlineLayer, Policy};

use crate::support::{Http1Client, Proxy};
use crate::wire::serve;

/// The status and the `Deadline-Exceeded` field of each of many answers, counted.
async fn answers(proxy: &Proxy) -> BTreeMap<(u16, String), usize> {
    let mut asking = JoinSet::new();
    for wait in 40..100 {
        let address = proxy.address;
        asking.spawn(async move {
            let mut client = Http1Client::connect(address).await;
            client.get("/never", &format!("x-request-timeout: {wait}ms\r\n")).await;
            let (head, body) = client.answer().await;
            assert!(body.starts_with('{') && body.ends_with('}'), "{body}");
            let field = head.headers.get("deadline-exceeded").map(|field| field.to_str().unwrap().to_owned());
            (head.status(), field.unwrap_or_default())
        });
    }
    let mut answers = BTreeMap::new();
    for answer in asking.join_all().await {
        *answers.entry(answer).or_default() += 1;
    }
    answers
}

#[tokio::test]
async fn a_hop_behind_that_keeps_the_same_deadline_never_costs_the_answer() {
    let router = Router::new().route("/never", get(pending::<()>));
    let behind = serve(router.layer(DeadlineLayer::new(Policy::new()).hop("behind"))).await;
    let answers = answers(&Proxy::to(behind).await).await;
    assert_eq!(answers.values().sum::<usize>(), 60);
    for (status, field) in answers.keys() {
        assert_eq!(*status, 504, "{answers:?}");
        assert!(field.contains("cause=deadline"), "{answers:?}");
    }
}
