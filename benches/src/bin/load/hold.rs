//! Calls of gRPC that nobody answers: a deadline each, which lives for as long as this does.

use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{self, ResponseFuture, SendRequest};
use http::{HeaderValue, Method, Request};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::task::{LocalSet, spawn_blocking, spawn_local};
use tokio::time::sleep;

use crate::{Outcome, step};

/// How many share a connection, as the proxy is told to allow.
const EACH: usize = 1000;

/// What is under way is with the upstream so long after the last one was sent, on a machine that has nothing else to do.
const SETTLE: Duration = Duration::from_secs(2);

/// Longer than anybody looks.
const DEADLINE: HeaderValue = HeaderValue::from_static("2H");

/// One step: all are held.
pub(crate) fn run(address: SocketAddr, calls: usize) -> Outcome {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut held = Vec::with_capacity(calls);
        while held.len() < calls {
            let wanted = EACH.min(calls - held.len());
            let (sender, connection) = client::handshake(TcpStream::connect(address).await?).await?;
            spawn_local(connection);
            some(sender, wanted, &mut held, address).await?;
        }
        sleep(SETTLE).await;
        let ended = held.iter_mut().filter_map(|call| has_ended(call).then_some(())).count();
        if ended > 0 {
            return Err(format!("{ended} of {calls} calls were answered").into());
        }
        // Connections are driven meanwhile.
        spawn_blocking(|| step("held")).await??;
        Ok(())
    })
}

fn has_ended(call: &mut ResponseFuture) -> bool {
    Pin::new(call).poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

/// So many calls on one connection.
async fn some(
    sender: SendRequest<Bytes>,
    count: usize,
    held: &mut Vec<ResponseFuture>,
    address: SocketAddr,
) -> Outcome {
    let mut sender = sender;
    for _ in 0..count {
        let request = Request::builder().method(Method::POST).uri(format!("http://{address}/a.B/hold"));
        let request = request.header("content-type", "application/grpc").header("te", "trailers");
        sender = sender.ready().await?;
        held.push(sender.send_request(request.header("grpc-timeout", DEADLINE).body(())?, true)?.0);
    }
    Ok(())
}
