//! A client of tonic, whose channel is wrapped in a `PropagateLayer`.

use std::future::pending;
use std::io;

use deadline_testkit::{ScriptedBody, Step};
use http::{Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::Code;
use tower::service_fn;
use tower_deadline::{Dialect, scope};

use super::*;
use crate::support::{MS, Server, Stopwatch, eventually, soon};

/// What a field says.
pub(super) fn read(dialect: Dialect, field: &str) -> Duration {
    dialect.decode(field.as_bytes(), std::time::UNIX_EPOCH).unwrap().unwrap()
}

/// A channel that is never connected.
fn unconnected(endpoint: &Endpoint) -> Channel {
    endpoint.connect_with_connector_lazy(service_fn(|_: Uri| pending::<io::Result<TokioIo<TcpStream>>>()))
}

fn nowhere() -> Endpoint {
    Endpoint::from_static("http://127.0.0.1:9")
}

/// The status that a call ends with, which it does at its deadline.
async fn status_at<T>(budget: Duration, call: impl Future<Output = Result<T, Status>>) -> Status {
    let clock = Stopwatch::start();
    let status = soon("the end of a call", call).await.err().unwrap();
    clock.assert_due(budget);
    status
}

// R21
#[tokio::test]
async fn what_is_left_of_an_ambient_and_of_an_explicit_deadline_is_written_for_grpc() {
    let mut client = propagating(endpoint(plain(Shop::default()).await).connect_lazy());
    let ambient = scope(after(5_000 * MS), client.buy("fields".to_owned())).await.unwrap();
    let explicit = client.buy(within(5_000 * MS, "fields")).await;
    for answer in [ambient, explicit] {
        let fields = answer.unwrap().into_inner();
        let (grpc, http) = fields.split_once(' ').unwrap();
        for left in [read(Dialect::GrpcTimeout, grpc), read(Dialect::XRequestTimeout, http)] {
            assert!((1_000 * MS..5_000 * MS).contains(&left), "{fields}");
        }
    }
}

#[tokio::test]
async fn a_timeout_that_the_caller_set_by_tonics_own_means_is_kept() {
    let mut client = propagating(endpoint(plain(Shop::default()).await).connect_lazy());
    let set = |timeout: Duration, message: &str| {
        let mut request = Request::new(message.to_owned());
        request.set_timeout(timeout);
        request
    };
    let alone = client.buy(set(1_000 * MS, "fields")).await.unwrap();
    let sooner = scope(after(60_000 * MS), client.buy(set(1_000 * MS, "fields"))).await.unwrap().unwrap();
    for answer in [alone, sooner] {
        let fields = answer.into_inner();
        let left = read(Dialect::GrpcTimeout, fields.split_once(' ').unwrap().0);
        assert!((1 * MS..=1_000 * MS).contains(&left), "{fields}");
    }
    let status = status_at(300 * MS, client.buy(set(300 * MS, "never"))).await;
    assert_eq!(status.code(), Code::DeadlineExceeded);
}

/// tonic's own timeout does not see the wait for a connection; ours does.
#[tokio::test]
async fn waiting_for_a_connector_that_never_connects_ends_at_the_deadline() {
    let status = status_at(300 * MS, propagating(unconnected(&nowhere())).buy(within(300 * MS, "never"))).await;
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(status.metadata().get("deadline-exceeded").unwrap(), "origin=code, stage=upstream, cause=deadline");

    let mut theirs = OrdersClient::new(unconnected(&nowhere().timeout(50 * MS)));
    assert!(timeout(600 * MS, theirs.buy("never".to_owned())).await.is_err(), "waits for ever");
}

/// Before there is a call there is only the task's own deadline.
#[tokio::test]
async fn waiting_for_room_in_the_buffer_of_a_channel_ends_with_the_scope_around() {
    let channel = unconnected(&nowhere().buffer_size(1));
    let full: Vec<_> = (0..3)
        .map(|_| {
            let mut client = OrdersClient::new(channel.clone());
            tokio::spawn(async move { client.buy("never".to_owned()).await })
        })
        .collect();
    tokio::task::yield_now().await;
    let mut client = propagating(channel);
    let clock = Stopwatch::start();
    let outcome = soon("the end of a call", scope(after(300 * MS), client.buy("never".to_owned()))).await;
    clock.assert_due(300 * MS);
    assert!(outcome.is_err_and(|exceeded| exceeded.budget() == 300 * MS), "before it was a call");
    full.into_iter().for_each(|waiting| waiting.abort());
}

/// tonic's own timeout leaves a stream open that has begun; ours ends it with a status.
#[tokio::test]
async fn a_stalled_stream_ends_with_a_status_at_the_deadline() {
    let address = plain(Shop::default()).await;
    let mut client = propagating(endpoint(address).connect_lazy());
    let clock = Stopwatch::start();
    let mut stream = client.track(within(300 * MS, "")).await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap().as_deref(), Some("packed"));
    let status = soon("the end of the stream", stream.message()).await.unwrap_err();
    clock.assert_due(300 * MS);
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(stream.message().await.unwrap(), None, "and that is its end");

    let mut theirs = OrdersClient::new(endpoint(address).timeout(50 * MS).connect_lazy());
    let mut stream = theirs.track("".to_owned()).await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap().as_deref(), Some("packed"));
    assert!(timeout(600 * MS, stream.message()).await.is_err(), "stays open");
}

#[tokio::test]
async fn a_stream_that_stops_inside_a_message_ends_with_a_status() {
    let half = service_fn(|_| async {
        let body = ScriptedBody::new([Step::Data("\0\0\0\0\x08\x0a\x06pac"), Step::Stall]);
        let head = Response::builder().header("content-type", "application/grpc");
        Ok::<_, std::convert::Infallible>(head.body(body).unwrap())
    });
    let server = Server::serving(half).await;
    let mut client = propagating(endpoint(server.address).connect_lazy());
    let clock = Stopwatch::start();
    let mut stream = client.track(within(300 * MS, "")).await.unwrap().into_inner();
    let status = soon("the end of the stream", stream.message()).await.unwrap_err();
    clock.assert_due(300 * MS);
    assert_eq!(status.code(), Code::DeadlineExceeded);
}

/// R24. tonic's channel and tonic's server both keep `grpc-timeout`, and both say CANCELLED.
#[tokio::test]
async fn cancelled_by_a_timer_of_tonic_is_told_as_the_deadline_that_it_is() {
    let shop = Shop::default();
    let channel = endpoint(plain(shop.clone()).await).connect_lazy();
    for budget in (0..20).map(|more| Duration::from_micros(100_000 + 137 * more)) {
        let status = soon("an answer", propagating(channel.clone()).buy(within(budget, "never"))).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    }
    let mut request = Request::new("never".to_owned());
    request.set_timeout(100 * MS);
    let theirs = OrdersClient::new(channel).buy(request).await.unwrap_err();
    assert_eq!(theirs.code(), Code::Cancelled, "tonic alone: {theirs:?}");
    eventually("every call is cancelled at the server", || shop.never.in_flight() == 0).await;
}

// R16
#[tokio::test]
async fn with_nothing_left_a_call_is_not_sent() {
    let shop = Shop::default();
    let mut client = propagating(endpoint(plain(shop.clone()).await).connect_lazy());
    let status = client.buy(within(Duration::ZERO, "never")).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(status.metadata().get("deadline-exceeded").unwrap(), "origin=code, stage=unsent, cause=deadline");
    assert_eq!(shop.never.called(), 0);
}

/// What is not the deadline's fault is told as tonic tells it.
#[tokio::test]
async fn a_refused_connection_stays_unavailable() {
    let (address, listener) = listen().await;
    drop(listener);
    let mut client = propagating(endpoint(address).connect_lazy());
    let status = client.buy(within(5_000 * MS, "never")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
}
