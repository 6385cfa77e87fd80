//! Sockets to an endpoint, and what the system is to do for them.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, UnixStream};

use super::endpoint::Address;
use super::io::Io;

/// When the system asks for a sign of life on a connection that is quiet, and how often it then asks again.
const ALIVE_AFTER: Duration = Duration::from_secs(30);
const ALIVE_EVERY: Duration = Duration::from_secs(10);

/// How long a peer may acknowledge nothing, or take nothing, as nginx has it. Without it, what is sent to a machine
/// that is gone is sent again for a quarter of an hour.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: Duration = Duration::from_secs(60);

pub(super) async fn dial_tcp(address: &SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // A socket that refuses one of these works all the same.
    let _: io::Result<()> = tune(&stream);
    Ok(stream)
}

/// Small messages do not wait for one another, and a peer whose machine is gone is found out: a request without a
/// deadline would wait for it for ever.
fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(ALIVE_AFTER).with_interval(ALIVE_EVERY))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
    Ok(())
}

pub(super) async fn dial(address: &Address) -> io::Result<Io> {
    Ok(match address {
        Address::Tcp(address) => Io::Tcp(dial_tcp(address).await?),
        Address::Unix(path) => Io::Unix(UnixStream::connect(path).await?),
        Address::StandIn(_, stand_in) => Io::Memory(stand_in.dial()?),
        #[cfg(test)]
        Address::Scripted(peer) => Io::Memory(peer.dial().await?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn the_system_looks_after_a_peer_that_is_gone() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = dial_tcp(&listener.local_addr().unwrap()).await.unwrap();
        let socket = SockRef::from(&stream);
        assert!(stream.nodelay().unwrap() && socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), ALIVE_AFTER);
        #[cfg(target_os = "linux")]
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(UNACKNOWLEDGED));
    }
}
