//! The same as a middleware: a retry outside of it is told less each time.

use async_trait::async_trait;
use http::{Extensions, StatusCode};
use reqwest::{Client, Request, Response};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Error, Middleware, Next};
use tokio::time::sleep;
use tower_deadline::reqwest::{Followed, Limit, LimitReached, ReqwestBuilder};
use tower_deadline::{Deadline, Exceeded, Journey, OnMissing, Policy, PropagateLayer, Stage, now, scope};

use super::reqwest::alone;
use super::reqwest_connect::Full;
use crate::support::{Exchange, MS, Stopwatch, Upstream, soon};

/// Tries again 50 ms after each 503, so many times.
struct Retry(usize);

#[async_trait]
impl Middleware for Retry {
    async fn handle(&self, request: Request, found: &mut Extensions, next: Next<'_>) -> Result<Response, Error> {
        for _ in 0..self.0 {
            let again = request.try_clone().unwrap();
            let response = next.clone().run(again, found).await?;
            if response.status() != StatusCode::SERVICE_UNAVAILABLE {
                return Ok(response);
            }
            sleep(50 * MS).await;
        }
        next.run(request, found).await
    }
}

fn client(builder: ReqwestBuilder, retries: usize) -> ClientWithMiddleware {
    let (client, propagate) = builder.build_middleware(alone()).unwrap();
    ClientBuilder::new(client).with(Retry(retries)).with(propagate).build()
}

fn deadline(budget: u32) -> Deadline {
    Deadline::after(now(), budget * MS)
}

const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";

// R22
#[tokio::test]
async fn a_retry_outside_is_told_less_each_time_and_ends_at_the_deadline() {
    let mut upstream = Upstream::answering(BUSY).await;
    let client = client(PropagateLayer::new().reqwest(), usize::MAX);
    let clock = Stopwatch::start();
    let call = client.get(format!("http://{}/", upstream.address)).with_extension(deadline(1_000));
    let error = soon("the end of a call", call.send()).await.unwrap_err();
    clock.assert_due(1_000 * MS);
    let exceeded = Exceeded::find(&error).expect("the deadline");
    // Its back-off passes the deadline as a rule, and an attempt does rarely.
    assert!(matches!(exceeded.stage(), Stage::Unsent | Stage::Upstream), "{exceeded}");
    let mut told = Vec::new();
    for _ in 0..3 {
        told.push(upstream.request().await.timeout());
    }
    assert!(told[0] <= 1_000 * MS && told.is_sorted_by(|a, b| *a >= *b + 50 * MS), "{told:?}");
}

#[tokio::test]
async fn the_limit_of_the_layer_is_whole_for_each_attempt_of_a_retry_outside() {
    let mut upstream = Upstream::answering(BUSY).await;
    let client = client(PropagateLayer::new().timeout(9_000 * MS).reqwest(), 2);
    let call = client.get(format!("http://{}/", upstream.address)).timeout(8_000 * MS);
    assert_eq!(soon("an answer", call.send()).await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    for _ in 0..3 {
        let told = upstream.request().await.timeout();
        assert!(told > 7_950 * MS && told <= 8_000 * MS, "{told:?}");
    }
}

#[tokio::test]
async fn the_deadline_is_that_of_the_extensions_or_of_the_task_whichever_is_sooner() {
    let mut upstream = Upstream::start().await;
    let client = client(PropagateLayer::new().reqwest(), 0);
    let get = || client.get(format!("http://{}/", upstream.address));
    let policy = Policy::new().reserve(1_000 * MS);
    let journey = Journey::new(policy.into(), true);
    soon("an answer", get().with_extension(deadline(5_000)).with_extension(journey).send())
        .await
        .unwrap();
    soon("an answer", scope(deadline(3_000), get().send())).await.unwrap().unwrap();
    let both = get().with_extension(deadline(9_000));
    soon("an answer", scope(deadline(2_000), both.send())).await.unwrap().unwrap();
    for most in [4_000, 3_000, 2_000] {
        let told = upstream.request().await.timeout();
        assert!((most * MS - 900 * MS..=most * MS).contains(&told), "{most}: {told:?}");
    }
}

#[tokio::test]
async fn each_place_that_can_wait_ends_in_time() {
    let mut upstream = Upstream::start().await;
    let client = client(PropagateLayer::new().reqwest().read_timeout(300 * MS), 0);
    let get = |path: &str| client.get(format!("http://{}{path}", upstream.address));
    for (budget, limit) in [(300, Limit::Total), (9_000, Limit::Read)] {
        let clock = Stopwatch::start();
        let error = soon("the end", get("/never").with_extension(deadline(budget)).send()).await.unwrap_err();
        clock.assert_due(300 * MS);
        assert!(LimitReached::find(&error).is_some_and(|reached| reached.limit() == limit), "{error:?}");
        let clock = Stopwatch::start();
        let response = soon("a head", get("/stops").with_extension(deadline(budget)).send()).await.unwrap();
        let error = soon("the end", response.bytes()).await.unwrap_err();
        clock.assert_due(300 * MS);
        assert!(LimitReached::find(&error).is_some_and(|reached| reached.limit() == limit), "{error:?}");
    }
    for _ in 0..4 {
        assert_eq!(upstream.exchange().await, Exchange::Cancelled);
    }
}

// R19
#[tokio::test]
async fn a_connection_that_takes_too_long_stays_an_error_of_reqwest() {
    let full = Full::start().await;
    let client = client(PropagateLayer::new().reqwest().connect_timeout(300 * MS), 0);
    let clock = Stopwatch::start();
    let call = client.get(format!("http://{}/", full.address)).with_extension(deadline(9_000));
    let error = soon("the end of a call", call.send()).await.unwrap_err();
    clock.assert_due(300 * MS);
    assert!(matches!(&error, Error::Reqwest(error) if error.is_connect()), "{error:?}");
    let reached = LimitReached::find(&error).expect("a limit");
    assert_eq!((reached.limit(), reached.length()), (Limit::Connect, 300 * MS));
}

#[tokio::test]
async fn without_a_deadline_nothing_is_sent_where_one_is_wanted() {
    let mut upstream = Upstream::start().await;
    let client = client(PropagateLayer::new().on_missing(OnMissing::Reject).reqwest(), 0);
    let call = client.get(format!("http://{}/", upstream.address)).send();
    assert!(soon("a refusal", call).await.unwrap_err().is_middleware());
    upstream.assert_untouched();
}

#[tokio::test]
async fn a_client_that_redirects_by_itself_is_told_on() {
    let other = Upstream::start().await;
    let to = format!("http://{}/", other.address);
    let moved = format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
    let first = Upstream::answering(moved).await;
    let (ours, propagate) = PropagateLayer::new().reqwest().build_middleware(alone()).unwrap();
    let theirs: Client = alone().build().unwrap();
    for (client, followed) in [(ours, false), (theirs, true)] {
        let client = ClientBuilder::new(client).with(propagate.clone()).build();
        let asked = format!("http://{}/", first.address);
        let response = soon("an answer", client.get(&asked).with_extension(deadline(9_000)).send()).await.unwrap();
        assert_eq!((response.status(), response.url().as_str()), (StatusCode::OK, to.as_str()));
        let found = response.extensions().get::<Followed>().map(|followed| followed.asked().as_str());
        assert_eq!(found, Some(asked.as_str()).filter(|_| followed));
        assert_eq!(soon("a body", response.text()).await.unwrap(), "ok\n");
    }
}
