//! The sockets of a listener, for the process that takes its place.
//!
//! Covers copies that can be handed on, the names by which the next process finds what each of them is, and leaving a
//! listener to it: what somebody else goes on with is not shut, and the file of a Unix socket stays. Starts no process.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::Address;
use super::bound::{Opened, Origin};

/// A listener, as far as it can be handed on. It listens for as long as there is one: who waits in its queue is lost with
/// the last.
#[derive(Debug)]
pub struct Share {
    name: String,
    sockets: Vec<OwnedFd>,
    origin: Arc<Origin>,
}

impl Share {
    /// Of what was opened for this address.
    pub(super) fn of(address: &Address, sockets: &[Opened], origin: &Arc<Origin>) -> io::Result<Self> {
        // What is no port is one socket, however many copies there are.
        let distinct = if matches!(**origin, Origin::Port(_)) { sockets.len() } else { 1 };
        let sockets = sockets.iter().take(distinct).map(Opened::descriptor).collect::<Result<_, _>>()?;
        Ok(Self { name: name(&address.to_string()), sockets, origin: Arc::clone(origin) })
    }

    /// A copy of each, and its name.
    ///
    /// # Errors
    ///
    /// The process has no more descriptors.
    pub(crate) fn copies(&self) -> io::Result<Vec<(String, OwnedFd)>> {
        self.sockets.iter().map(|socket| Ok((self.name.clone(), socket.try_clone()?))).collect()
    }

    /// From here on it is somebody else's: it is not shut at the end.
    pub(crate) fn leave(&self) {
        self.origin.leave();
    }
}

/// The name of what was handed on, which has no `:` in it, as other names have not.
pub(crate) fn name(what: &str) -> String {
    utf8_percent_encode(what, NON_ALPHANUMERIC).to_string()
}

/// What has this name, if it was handed on: no name that a service manager gives is written so.
pub(super) fn named(name: &str) -> Option<String> {
    let what = percent_decode_str(name).decode_utf8().ok()?.into_owned();
    (what.contains(':') && self::name(&what) == name).then_some(what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listen::tests::scratch::Scratch;
    use crate::listen::{Bound, Inherited, Listener, Settings};
    use std::time::Duration;

    fn settings(address: &str) -> Settings {
        Settings::new(address.parse().unwrap())
    }

    #[test]
    fn a_name_is_read_as_it_was_written_and_no_other_is() {
        for address in ["127.0.0.1:8080", "[::]:80", "unix:/run/a b.sock", "fd:http", "fd:0", "admin:127.0.0.1:1"] {
            let name = name(address);
            assert!(!name.contains(':'), "{name}");
            assert_eq!(named(&name).as_deref(), Some(address));
        }
        for other in ["http", "deadline-proxy.socket", "a%20b", "unix:/a", ""] {
            assert_eq!(named(other), None, "{other}");
        }
    }

    /// What the next process makes of a listener of this one.
    fn handed_on(bound: &Bound, copies: usize, address: &str) -> Bound {
        let mut inherited = Inherited::of(bound.share().copies().unwrap());
        let next = Bound::bind(&settings(address), copies, &mut inherited).unwrap();
        assert!(inherited.unclaimed().is_empty());
        next
    }

    fn listeners(bound: Bound) -> Vec<Listener> {
        bound.sockets().into_iter().map(|socket| socket.listen().unwrap()).collect()
    }

    #[tokio::test]
    async fn the_next_process_has_the_sockets_of_a_port_and_whoever_waits_there() {
        for (before, after, sockets) in [(1, 1, 1), (3, 3, 3), (2, 4, 4), (4, 2, 4)] {
            let bound = Bound::bind(&settings("127.0.0.1:0"), before, &mut Inherited::default()).unwrap();
            let address = bound.address();
            let next = handed_on(&bound, after, "127.0.0.1:0");
            assert_eq!(next.address(), address);
            bound.share().leave();
            let clients: Vec<_> = (0..20).map(|_| std::net::TcpStream::connect(&address).unwrap()).collect();
            for listener in listeners(bound) {
                assert_eq!(listener.shut(), Duration::ZERO);
            }
            let next = listeners(next);
            assert_eq!(next.len(), sockets, "{before} {after}");
            let waiting: usize = next.into_iter().map(|listener| listener.close().len()).sum();
            assert_eq!(waiting, clients.len(), "{before} {after}");
        }
    }

    #[tokio::test]
    async fn the_file_of_a_socket_that_was_left_goes_with_the_next_process() {
        let folder = Scratch::new();
        let path = folder.path("in.sock");
        let address = format!("unix:{}", path.display());
        let bound = Bound::bind(&settings(&address), 2, &mut Inherited::default()).unwrap();
        assert_eq!(bound.share().copies().unwrap().len(), 1);
        let next = handed_on(&bound, 2, &address);
        bound.share().leave();
        let before = listeners(bound);
        before.iter().for_each(|listener| assert_eq!(listener.shut(), Duration::ZERO));
        drop(before);
        assert!(path.exists());
        drop(next);
        assert!(!path.exists());
    }

    #[test]
    fn what_nobody_takes_is_closed() {
        let bound = Bound::bind(&settings("127.0.0.1:0"), 1, &mut Inherited::default()).unwrap();
        let (address, mut inherited) = (bound.address(), Inherited::of(bound.share().copies().unwrap()));
        drop(bound);
        assert_eq!(inherited.unclaimed(), ["127.0.0.1:0"]);
        assert!(std::net::TcpStream::connect(&address).is_ok());
        inherited.close_handed_on();
        assert!(inherited.unclaimed().is_empty() && std::net::TcpStream::connect(&address).is_err());
    }
}
