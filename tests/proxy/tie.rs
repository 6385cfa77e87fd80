//! Two hops that keep the same deadline answer at the same instant: there is always an answer, and always one.

use std::collections::BTreeMap;
use std::future::pending;

use axum::Router;
use axum::routing::get;
use tower_deadline::{DeadlineLayer, Policy};

use crate::support::{Http1Client, Proxy};
use crate::wire::serve;

/// As many as show the tie: undone, it cost the answer in half of the cases.
const REQUESTS: usize = 40;

/// The status and the `Deadline-Exceeded` field of each of many answers, counted. One request at a time: in a
/// crowd the hop behind is too late for a tie.
async fn answers(proxy: &Proxy) -> BTreeMap<(u16, String), usize> {
    let mut answers = BTreeMap::new();
    for _ in 0..REQUESTS {
        let mut client = Http1Client::connect(proxy.address).await;
        client.get("/never", "x-request-timeout: 20ms\r\n").await;
        let (head, body) = client.answer().await;
        assert!(body.starts_with('{') && body.ends_with('}'), "{body}");
        let field = head.headers.get("deadline-exceeded").map(|field| field.to_str().unwrap().to_owned());
        *answers.entry((head.status(), field.unwrap_or_default())).or_default() += 1;
    }
    answers
}

#[tokio::test]
async fn a_hop_behind_that_keeps_the_same_deadline_never_costs_the_answer() {
    let router = Router::new().route("/never", get(pending::<()>));
    let behind = serve(router.layer(DeadlineLayer::new(Policy::new()).hop("behind"))).await;
    let answers = answers(&Proxy::to(behind).await).await;
    assert_eq!(answers.values().sum::<usize>(), REQUESTS);
    for (status, field) in answers.keys() {
        assert_eq!(*status, 504, "{answers:?}");
        assert!(field.contains("cause=deadline"), "{answers:?}");
    }
}
