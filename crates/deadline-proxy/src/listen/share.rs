//! The sockets of a listener, for the process that takes its place.
//!
//! Covers copies that can be handed on, the names by which the next process finds what each of them is, and whose a
//! listener is: what another process goes on with is not shut, and the file of a Unix socket stays. Starts no process.

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

    /// A copy of each, and its name. None of a Unix socket whose file is gone: the next process opens another.
    ///
    /// # Errors
    ///
    /// The process has no more descriptors.
    pub(crate) fn copies(&self) -> io::Result<Vec<(String, OwnedFd)>> {
        let found = self.sockets.iter().filter(|_| self.origin.is_found());
        found.map(|socket| Ok((self.name.clone(), socket.try_clone()?))).collect()
    }

    /// From here on it is another process's: it is not shut at the end.
    pub(crate) fn leave(&self) {
        self.origin.leave();
    }

    /// From here on it is ours. One that was handed on to us is the other process's until then.
    pub(crate) fn take(&self) {
        self.origin.take();
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
        next.share().take();
        bound.share().leave();
        let before = listeners(bound);
        before.iter().for_each(|listener| assert_eq!(listener.shut(), Duration::ZERO));
        drop(before);
        assert!(path.exists());
        drop(next);
        assert!(!path.exists());
    }

    #[test]
    fn the_file_of_a_socket_stays_where_the_next_process_fails_before_it_is_its_own() {
        let folder = Scratch::new();
        let path = folder.path("in.sock");
        let address = format!("unix:{}", path.display());
        let bound = Bound::bind(&settings(&address), 1, &mut Inherited::default()).unwrap();
        drop(handed_on(&bound, 1, &address));
        assert!(path.exists());
        drop(bound);
        assert!(!path.exists());
    }

    #[test]
    fn a_socket_whose_file_is_gone_or_is_anothers_is_not_handed_on() {
        let folder = Scratch::new();
        let path = folder.path("in.sock");
        let bound = Bound::bind(&settings(&format!("unix:{}", path.display())), 1, &mut Inherited::default()).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(bound.share().copies().unwrap().is_empty());
        let _another = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(bound.share().copies().unwrap().is_empty());
    }

    #[test]
    fn what_nobody_takes_is_closed_and_its_file_is_removed() {
        let folder = Scratch::new();
        let (path, listening) = (folder.path("in.sock"), |address| std::net::TcpStream::connect(address).is_ok());
        let unix = format!("unix:{}", path.display());
        let bound = ["127.0.0.1:0", &unix].map(|address| Bound::bind(&settings(address), 1, &mut Inherited::default()));
        let [port, file] = bound.map(Result::unwrap);
        let address = port.address();
        let copies = [&port, &file].into_iter().flat_map(|bound| bound.share().copies().unwrap());
        let mut inherited = Inherited::of(copies.collect());
        [port, file].iter().for_each(|bound| bound.share().leave());
        assert_eq!(inherited.unclaimed(), ["127.0.0.1:0", &unix]);
        assert!(listening(&address) && path.exists());
        inherited.close_handed_on();
        assert!(inherited.unclaimed().is_empty() && !listening(&address) && !path.exists());
    }

    /// A listener on it may come with a reload, in the next process as in this one.
    #[test]
    fn what_a_service_manager_has_opened_is_handed_on_though_nobody_listens_on_it() {
        let socket = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().into();
        let first = Inherited::of(vec![("https".to_owned(), socket()), (String::new(), socket())]);
        let mut inherited = Inherited::of(first.copies().unwrap());
        inherited.close_handed_on();
        let mut inherited = Inherited::of(inherited.copies().unwrap());
        assert_eq!(inherited.unclaimed(), ["fd:https", "fd:1"]);
        for address in ["fd:https", "fd:1"] {
            assert!(Bound::bind(&settings(address), 2, &mut inherited).is_ok(), "{address}");
        }
        assert!(inherited.unclaimed().is_empty() && inherited.copies().unwrap().is_empty());
    }
}
