//! The end of a listener.
//!
//! Covers shutting it to whoever comes next, and taking out who has connected and waits: a socket that is closed
//! resets them, although they were told that they are connected. What was inherited is not shut, because somebody else
//! may go on with it. Where the system is no Linux, who connects between the last look and the close is reset.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::bound::{Origin, Shared};
use super::listener::{Accepting, Raw};

/// No more than this have connected and were not accepted, unless they go on coming.
const AT_MOST: usize = 4_096;

/// Shuts a listener, and returns who waits.
pub(super) fn close(accepting: Accepting, shared: &Arc<Shared>) -> Vec<Raw> {
    match accepting {
        Accepting::Tcp(listener) => {
            if let Origin::Port = shared.origin {
                shut(&listener);
            }
            waiting(listener).into_iter().map(|(stream, peer)| Raw::tcp(stream, peer, shared)).collect()
        }
        Accepting::Unix(listener) => {
            if let Origin::File(file) = &shared.origin {
                file.remove();
            }
            waiting_unix(listener).into_iter().map(|stream| Raw::unix(stream, shared)).collect()
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

/// From here on the system drops every packet for this port that belongs to no connection. Who tries to connect tries
/// again in a second, and meets the next process, or nobody.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn shut(listener: &TcpListener) {
    /// `BPF_RET | BPF_K`.
    const RETURN: u16 = 0x06;
    let nothing = [socket2::SockFilter::new(RETURN, 0, 0, 0)];
    // Where there are no filters, it is as on other systems.
    let _ = socket2::SockRef::from(listener).attach_filter(&nothing);
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn shut(_: &TcpListener) {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listen::tests::scratch::Scratch;
    use crate::listen::{Bound, Inherited, Listener, Settings};
    use socket2::{Domain, Socket, Type};

    fn open(address: &str) -> (String, Listener) {
        let bound = Bound::bind(&Settings::new(address.parse().unwrap()), 1, &mut Inherited::default()).unwrap();
        let address = bound.address();
        (address, bound.sockets().remove(0).listen().unwrap())
    }

    #[tokio::test]
    async fn who_waits_is_returned_and_the_port_is_free() {
        let (address, listener) = open("127.0.0.1:0");
        let clients: Vec<_> = (0..3).map(|_| std::net::TcpStream::connect(&address).unwrap()).collect();
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
        assert_eq!(listener.close().len(), 1);
        assert!(!path.exists());
    }

    /// The two ends of loopback meet within the call that connects: who does not wait then was not let in.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn who_connects_between_the_shutting_and_the_close_is_not_let_in() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let begin = || {
            let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            client.set_nonblocking(true).unwrap();
            // It is on its way.
            let _ = client.connect(&address.into());
            client
        };
        let early = begin();
        shut(&listener);
        let _late = begin();
        let waiting = waiting(listener);
        let peers: Vec<_> = waiting.iter().map(|(_, peer)| Some(*peer)).collect();
        assert_eq!(peers, [early.local_addr().unwrap().as_socket()]);
    }
}
