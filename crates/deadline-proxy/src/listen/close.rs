//! The end of a listener.
//!
//! Covers shutting it to whoever comes next, and taking out who has connected and waits: a socket that is closed
//! resets them, although they were told that they are connected. What was inherited is not shut, because somebody else
//! may go on with it. Where the system is no Linux, a port is not shut either, and who connects between the last look
//! and the close is reset.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::bound::Origin;
use super::entrance::Entrance;
use super::listener::{Accepting, Raw};

/// No more than this have connected and were not accepted, unless they go on coming.
const AT_MOST: usize = 4_096;

/// How long somebody may be half in: a round trip, round the world. The system has told them that they are connected,
/// and has yet to hear that they have heard it.
const HALF_IN: Duration = Duration::from_millis(250);

/// Shuts a listener of our own; how long somebody may be half in.
pub(super) fn shut(accepting: &Accepting, origin: &Origin) -> Duration {
    match (accepting, origin) {
        (Accepting::Tcp(listener), Origin::Port(is_left))
            if !is_left.load(Ordering::Relaxed) && turn_away(listener) =>
        {
            return HALF_IN;
        }
        (_, Origin::File(file)) => file.remove(),
        _ => {}
    }
    Duration::ZERO
}

/// Closes a listener, and returns who waits.
pub(super) fn close(accepting: Accepting, entrance: &Arc<Entrance>) -> Vec<Raw> {
    match accepting {
        Accepting::Tcp(listener) => {
            waiting(listener).into_iter().map(|(stream, peer)| Raw::tcp(stream, peer, entrance)).collect()
        }
        Accepting::Unix(listener) => {
            waiting_unix(listener).into_iter().map(|stream| Raw::unix(stream, entrance)).collect()
        }
    }
}

/// Closes a listener, and returns who waits.
pub(crate) fn waiting(listener: TcpListener) -> Vec<(TcpStream, SocketAddr)> {
    let Ok(listener) = listener.into_std() else { return Vec::new() };
    all(|| {
        let (stream, peer) = listener.accept()?;
        stream.set_nonblocking(true)?;
        Ok((TcpStream::from_std(stream)?, peer))
    })
}

fn waiting_unix(listener: UnixListener) -> Vec<UnixStream> {
    let Ok(listener) = listener.into_std() else { return Vec::new() };
    all(|| {
        let (stream, _) = listener.accept()?;
        stream.set_nonblocking(true)?;
        UnixStream::from_std(stream)
    })
}

/// Asks the system, and not the runtime, which has not looked since it was last idle.
fn all<T>(accept: impl FnMut() -> io::Result<T>) -> Vec<T> {
    let goes_on = |error: &io::Error| matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted);
    let accepted = std::iter::repeat_with(accept).take(AT_MOST);
    accepted.take_while(|accepted| accepted.as_ref().map_or_else(goes_on, |_| true)).flatten().collect()
}

/// From here on the system drops every packet that begins a connection. Who tries to connect tries again in a second,
/// and meets the next process, or nobody. Whether that could be arranged.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn turn_away(listener: &TcpListener) -> bool {
    use socket2::{SockFilter, SockRef};
    const LOAD_BYTE: u16 = 0x30;
    const JUMP_IF_SET: u16 = 0x45;
    const RETURN: u16 = 0x06;
    /// Where the flags stand in a TCP header.
    const FLAGS: u32 = 13;
    const SYN: u32 = 0x02;
    let drop_syn = [
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS),
        SockFilter::new(JUMP_IF_SET, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ];
    SockRef::from(listener).attach_filter(&drop_syn).is_ok()
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn turn_away(_: &TcpListener) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listen::tests::scratch::Scratch;
    use crate::listen::{Bound, Inherited, Listener, Settings};
    use socket2::{Domain, Socket, Type};
    use tokio::io::AsyncReadExt;

    fn open(address: &str) -> (String, Listener) {
        let bound = Bound::bind(&Settings::new(address.parse().unwrap()), 1, &mut Inherited::default()).unwrap();
        let address = bound.address();
        (address, bound.sockets().remove(0).listen().unwrap())
    }

    #[tokio::test]
    async fn who_waits_is_returned_and_the_port_is_free() {
        let (address, listener) = open("127.0.0.1:0");
        let clients: Vec<_> = (0..3).map(|_| std::net::TcpStream::connect(&address).unwrap()).collect();
        let _ = listener.shut();
        let waiting = listener.close();
        let peers: Vec<_> = waiting.iter().filter_map(Raw::peer).collect();
        let expected: Vec<_> = clients.iter().map(|client| client.local_addr().unwrap()).collect();
        assert_eq!(peers, expected);
        assert_eq!(std::net::TcpStream::connect(&address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        open(&address);
    }

    #[tokio::test]
    async fn who_waits_at_a_unix_socket_is_returned_and_its_file_is_gone() {
        let folder = Scratch::new();
        let path = folder.path("in.sock");
        let (_, listener) = open(&format!("unix:{}", path.display()));
        let _client = std::os::unix::net::UnixStream::connect(&path).unwrap();
        assert_eq!(listener.shut(), Duration::ZERO);
        assert!(!path.exists());
        assert_eq!(listener.close().len(), 1);
    }

    /// The two ends of loopback meet within the call that connects: who does not wait then was not let in.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn who_connects_once_it_is_shut_is_not_let_in_and_who_was_let_in_can_speak() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let (address, listener) = open(address);
            let address: SocketAddr = address.parse().unwrap();
            let begin = || {
                let client = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
                client.set_nonblocking(true).unwrap();
                // It is on its way.
                let _ = client.connect(&address.into());
                client
            };
            let early = begin();
            assert_eq!(listener.shut(), HALF_IN);
            let _late = begin();
            assert_eq!(early.send(b"a").unwrap(), 1);
            let mut waiting = listener.close();
            assert_eq!(waiting.len(), 1);
            let (mut stream, client, _) = waiting.remove(0).establish().await.unwrap();
            assert_eq!(client.peer, early.local_addr().unwrap().as_socket());
            assert_eq!(stream.read_u8().await.unwrap(), b'a');
        }
    }
}
