//! For people who cannot change the stack: an interceptor that writes what is left.

use std::mem;

use tonic::Code;
use tonic::metadata::MetadataMap;
use tonic::service::interceptor::InterceptedService;
use tower_deadline::scope;

use super::*;
use crate::support::MS;

fn deadline(mut request: Request<()>) -> Result<Request<()>, Status> {
    let mut fields = mem::take(request.metadata_mut()).into_headers();
    let written = PropagateLayer::new().write(&mut fields, request.extensions());
    written.map_err(|error| Status::deadline_exceeded(error.to_string()))?;
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
    assert!(grpc.ends_with('u') && grpc < "5000000u", "{grpc}");
    assert!(http.ends_with("ms"), "{http}");

    let unsent = client.buy(within(Duration::ZERO, "never")).await.unwrap_err();
    assert_eq!(unsent.code(), Code::DeadlineExceeded);
    assert_eq!(shop.never.called(), 0);
    let free = client.buy("fields".to_owned()).await.unwrap().into_inner();
    assert_eq!(free, "none none", "without a deadline none is written");
}
