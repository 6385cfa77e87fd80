//! The library on real sockets, without the proxy.

use std::net::SocketAddr;

use axum::Router;
use tokio::net::TcpListener;

mod chain;
mod client;
mod extract;
mod leftovers;
mod policies;
mod pool;
mod queue;
mod reqwest;
mod reqwest_connect;
mod reqwest_http2;
mod reqwest_middleware;
mod reset;
mod stacked;
mod tonic;

pub(crate) use self::reqwest_connect::Full;

/// Serves with axum.
pub(crate) async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("a listener has an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}
