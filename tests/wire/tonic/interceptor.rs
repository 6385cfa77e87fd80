//! For people who cannot change the stack: an interceptor that writes what is left.

use std::mem;

use tonic::Code;
use tonic::metadata::MetadataMap;
use tonic::service::interceptor::InterceptedService;
use tower_deadline::{Dialect, PropagateError, scope};

use super::channel::read;
use super::*;
use crate::support::{MS, Stopwatch, soon};

fn deadline(mut request: Request<()>) -> Result<Request<()>, Status> {
    let mut fields = mem::take(request.metadata_mut()).into_headers();
    PropagateLayer::new().write(&mut fields, request.extensions()).map_err(|error| match error {
        PropagateError::Exceeded(exceeded) => Status::deadline_exceeded(exceeded.to_string()),
        other => Status::internal(other.to_string()),
    })?;
    *request.metadata_mut() = MetadataMap::from_headers(fields);
    Ok(request)
}

#[tokio::test]
async fn an_interceptor_writes_what_is_left_and_sends_nothing_without() {
    let shop = Shop::default();
    let channel = endpoint(plain(shop.clone()).await).connect_lazy();
    let mut client = OrdersClient::new(InterceptedService::new(channel, deadline));
    let fields = scope(after(5_000 * MS), client.buy("fields".to_owned())).await.unwrap().unwrap().into_inner();
    let (grpc, http) = fields.split_once(' ').unwrap();
    for left in [read(Dialect::GrpcTimeout, grpc), read(Dialect::XRequestTimeout, http)] {
        assert!((1_000 * MS..5_000 * MS).contains(&left), "{fields}");
    }

    let unsent = client.buy(within(Duration::ZERO, "never")).await.unwrap_err();
    assert_eq!(unsent.code(), Code::DeadlineExceeded);
    assert_eq!(shop.never.called(), 0);
    let free = client.buy("fields".to_owned()).await.unwrap().into_inner();
    assert_eq!(free, "none none", "without a deadline none is written");
}

/// The channel's own timer says CANCELLED, a little before; the scope sees also what that does not.
#[tokio::test]
async fn a_scope_around_an_intercepted_call_ends_a_stream_that_stalls() {
    let channel = endpoint(plain(Shop::default()).await).connect_lazy();
    let mut client = OrdersClient::new(InterceptedService::new(channel, deadline));
    let clock = Stopwatch::start();
    let outcome = soon(
        "the end of the scope",
        scope(after(300 * MS), async {
            let mut stream = client.track(String::new()).await?.into_inner();
            while stream.message().await?.is_some() {}
            Ok::<_, Status>(())
        }),
    );
    assert!(outcome.await.is_err_and(|exceeded| exceeded.budget() == 300 * MS));
    clock.assert_due(300 * MS);
}
