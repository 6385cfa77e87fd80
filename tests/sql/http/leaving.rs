//! A client that leaves while its statement runs.

use std::net::SocketAddr;
use std::time::Duration;

use http::Request;
use tokio::net::TcpStream;

use super::{IDLE, Service, within};
use crate::support::{H2Client, Http1Client, SLACK, soon};

/// Longer than any test takes.
const PATH: &str = "/sleep/40";

/// How a client leaves.
#[derive(Clone, Copy, Debug)]
enum Leaving {
    /// Closes its connection: FIN.
    Closes,
    /// Resets its connection: RST.
    Resets,
    /// Closes the side that writes, and goes on reading.
    HalfCloses,
    /// Resets its stream: RST_STREAM, and the connection stays.
    ResetsStream,
}

const ALL: [Leaving; 4] = [Leaving::Closes, Leaving::Resets, Leaving::HalfCloses, Leaving::ResetsStream];

impl Leaving {
    /// A client that asks and leaves; how long its statement ran after it did.
    async fn from(self, address: SocketAddr, service: &Service) -> Duration {
        match self {
            Self::Closes | Self::Resets | Self::HalfCloses => self.by_http1(address, service).await,
            Self::ResetsStream => {
                let mut client = H2Client::connect(address).await;
                let request = Request::get(format!("http://{address}{PATH}")).header("x-request-timeout", "30s");
                let stream = client.open(request.body(()).unwrap(), true).await;
                service.until_asleep(1).await;
                drop(stream);
                service.watcher.until_idle(SLACK).await
            }
        }
    }

    async fn by_http1(self, address: SocketAddr, service: &Service) -> Duration {
        let stream = soon("a connection", TcpStream::connect(address)).await.unwrap();
        if matches!(self, Self::Resets) {
            stream.set_zero_linger().unwrap();
        }
        let mut client = Http1Client::of(stream);
        client.get(PATH, "x-request-timeout: 30s\r\n").await;
        service.until_asleep(1).await;
        if matches!(self, Self::HalfCloses) {
            client.half_close().await;
            let idle = service.watcher.until_idle(SLACK).await;
            assert_eq!(client.rest().await, "", "nothing is answered to who has left");
            return idle;
        }
        drop(client);
        service.watcher.until_idle(SLACK).await
    }
}

#[tokio::test]
async fn has_its_statement_stopped_whichever_way_it_leaves() {
    let service = Service::start().await;
    // Whoever comes while a connection is brought to rest has another, to the eighth.
    let before = service.watcher.pids().await;
    for address in service.ways().await.addresses {
        for leaving in ALL {
            let what = format!("{leaving:?} {address}");
            within(IDLE, &what, async || leaving.from(address, &service).await).await;
        }
    }
    // None was closed for it.
    let after = service.watcher.pids().await;
    assert!(after.is_superset(&before), "{before:?}, {after:?}");
}
