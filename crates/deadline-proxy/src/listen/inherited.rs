//! Sockets that whoever started the process has opened for it.
//!
//! Covers systemd's socket activation: `LISTEN_FDS`, `LISTEN_PID` and `LISTEN_FDNAMES`. They are taken once, and each
//! goes to one listener. What is passed is used as it is: its backlog and its options are those of its opener. What a
//! process before this one has handed on comes in the same way, by the names of [`share`](super::share).

use std::env;
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;

use listenfd::ListenFd;

use super::bound::Opened;
use super::share::{name, named};
use super::unix::SocketFile;
use super::{Address, Error};

/// The sockets that were inherited, and have no listener yet.
#[derive(Debug, Default)]
pub struct Inherited(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    name: Option<String>,
    state: State,
}

#[derive(Debug)]
enum State {
    Free(Opened),
    /// A listener at this address has a copy.
    Lent(Opened, Address),
    Claimed,
    /// By which whoever has started us wants to hear that we are ready.
    Herald(UnixDatagram),
    Unusable(io::Error),
}

impl Inherited {
    /// Takes what the environment speaks of. To be called once, before there are threads: what was taken is gone, and
    /// a second call finds nothing.
    #[must_use]
    pub fn take() -> Self {
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut sockets = ListenFd::from_env();
        let count = sockets.len();
        let mut names = names.split(':').map(|name| Some(name.to_owned()).filter(|name| !name.is_empty()));
        let entry = |index| Entry { name: names.next().flatten(), state: state(&mut sockets, index) };
        Self((0..count).map(entry).collect())
    }

    /// Those that no listener has taken: their names, a `-` for one without.
    #[must_use]
    pub fn unclaimed(&self) -> Vec<String> {
        self.0
            .iter()
            .filter(|entry| !matches!(entry.state, State::Claimed | State::Lent(..)))
            .map(Entry::label)
            .collect()
    }

    /// What was opened for this by the process before.
    pub(super) fn handed_on(&mut self, what: &str) -> Vec<Opened> {
        let handed_on = self.0.iter_mut().filter(|entry| entry.handed_on().as_deref() == Some(what));
        handed_on.filter_map(Entry::take).collect()
    }

    /// A port that was opened for this by the process before.
    pub(crate) fn port(&mut self, what: &str) -> Option<TcpListener> {
        self.handed_on(what).into_iter().find_map(|opened| match opened {
            Opened::Tcp(listener) => Some(listener),
            Opened::Unix(_) => None,
        })
    }

    /// Closes what the process before has opened, and is nobody's: whoever connects there would wait for ever. What a
    /// service manager has opened stays, because it goes on listening whatever we do.
    pub(crate) fn close_handed_on(&mut self) {
        for entry in &mut self.0 {
            let Some(Ok(address)) = entry.handed_on().map(|what| what.parse::<Address>()) else { continue };
            match (&address, &entry.state) {
                (Address::Tcp(_), State::Free(_)) => drop(entry.take()),
                (Address::Unix(path), State::Free(_)) => {
                    drop(entry.take());
                    drop(SocketFile::of(path));
                }
                _ => {}
            }
        }
    }

    /// Copies of what a service manager has opened, and no listener has taken, by the names under which one of the next
    /// process finds them.
    ///
    /// # Errors
    ///
    /// The process has no more descriptors.
    pub(crate) fn copies(&self) -> io::Result<Vec<(String, OwnedFd)>> {
        let copy = |(index, entry): (usize, &Entry)| match &entry.state {
            State::Free(opened) => Some(opened.descriptor().map(|copy| (name(&entry.what(index)), copy))),
            _ => None,
        };
        self.0.iter().enumerate().filter_map(copy).collect()
    }

    /// By which the process before wants to hear that this one is ready, under this name.
    pub(crate) fn herald(&mut self, what: &str) -> Option<UnixDatagram> {
        let is_herald =
            |entry: &&mut Entry| matches!(entry.state, State::Herald(_)) && entry.handed_on().as_deref() == Some(what);
        let entry = self.0.iter_mut().find(is_herald)?;
        match std::mem::replace(&mut entry.state, State::Claimed) {
            State::Herald(socket) => Some(socket),
            _ => None,
        }
    }

    pub(super) fn claim(&mut self, address: &Address) -> Result<Opened, Error> {
        let there = self.0.iter().map(Entry::label).collect();
        let missing = || Error::NotInherited { address: address.clone(), there };
        let entry = self.find(address).ok_or_else(missing)?;
        let unusable = |source| Error::Unusable { address: address.clone(), source };
        match std::mem::replace(&mut entry.state, State::Claimed) {
            State::Free(opened) => {
                let copy = opened.duplicate().map_err(unusable)?;
                entry.state = State::Lent(opened, address.clone());
                Ok(copy)
            }
            State::Unusable(source) => Err(unusable(source)),
            state => {
                entry.state = state;
                Err(Error::Claimed { address: address.clone() })
            }
        }
    }

    /// What was lent to a listener that is none of these is there for another.
    pub(crate) fn take_back<'a>(&mut self, listeners: impl Iterator<Item = &'a Address> + Clone) {
        for entry in &mut self.0 {
            let state = std::mem::replace(&mut entry.state, State::Claimed);
            entry.state = match state {
                State::Lent(opened, address) if !listeners.clone().any(|used| *used == address) => State::Free(opened),
                state => state,
            };
        }
    }

    /// Of several with one name the first that is free: a unit of systemd has one name for all of its sockets.
    fn find(&mut self, address: &Address) -> Option<&mut Entry> {
        let index = match address {
            Address::Indexed(index) => *index,
            Address::Named(name) => {
                let named = |entry: &&Entry| entry.name.as_ref() == Some(name);
                let is_claimed = |entry: &Entry| matches!(entry.state, State::Claimed | State::Lent(..));
                let places = self.0.iter().enumerate().filter(|(_, entry)| named(entry));
                places.min_by_key(|(_, entry)| is_claimed(entry))?.0
            }
            Address::Tcp(_) | Address::Unix(_) => return None,
        };
        self.0.get_mut(index)
    }
}

impl Entry {
    fn label(&self) -> String {
        self.handed_on().or_else(|| self.name.clone()).unwrap_or_else(|| "-".to_owned())
    }

    /// What it was opened for, where a process before this one has.
    fn handed_on(&self) -> Option<String> {
        self.name.as_deref().and_then(named)
    }

    /// The listener that it is for.
    fn what(&self, index: usize) -> String {
        let own = || self.name.as_ref().map_or_else(|| format!("fd:{index}"), |name| format!("fd:{name}"));
        self.handed_on().unwrap_or_else(own)
    }

    fn take(&mut self) -> Option<Opened> {
        match std::mem::replace(&mut self.state, State::Claimed) {
            State::Free(opened) => Some(opened),
            _ => None,
        }
    }
}

fn state(sockets: &mut ListenFd, index: usize) -> State {
    let opened = match sockets.take_tcp_listener(index) {
        Ok(Some(listener)) => Opened::Tcp(listener),
        _ => match sockets.take_unix_listener(index) {
            Ok(Some(listener)) => Opened::Unix(listener),
            Ok(None) => return State::Claimed,
            Err(error) => return herald(sockets, index).unwrap_or(State::Unusable(error)),
        },
    };
    usable(opened)
}

fn herald(sockets: &mut ListenFd, index: usize) -> Option<State> {
    sockets.take_unix_datagram(index).ok().flatten().map(State::Herald)
}

fn usable(opened: Opened) -> State {
    if opened.listens() {
        State::Free(opened)
    } else {
        // One connection and not a listener: `Accept=yes` of systemd.
        State::Unusable(io::Error::new(io::ErrorKind::InvalidInput, "the socket does not listen"))
    }
}

#[cfg(test)]
impl Inherited {
    /// These, by their names.
    pub(super) fn of(sockets: Vec<(String, OwnedFd)>) -> Self {
        let opened = |socket: OwnedFd| match socket2::SockRef::from(&socket).local_addr().unwrap() {
            address if address.is_unix() => Opened::Unix(socket.into()),
            _ => Opened::Tcp(socket.into()),
        };
        let entry = |(name, socket): (String, _)| Entry {
            name: Some(name).filter(|name| !name.is_empty()),
            state: usable(opened(socket)),
        };
        Self(sockets.into_iter().map(entry).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::{Domain, Type};

    fn free(name: Option<&str>) -> Entry {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Entry { name: name.map(str::to_owned), state: State::Free(Opened::Tcp(listener)) }
    }

    fn claim(inherited: &mut Inherited, address: &str) -> Result<(), String> {
        inherited.claim(&address.parse().unwrap()).map(drop).map_err(|error| error.to_string())
    }

    #[test]
    fn each_is_given_to_one_listener_by_name_or_by_index() {
        let mut inherited = Inherited(vec![free(Some("web")), free(None), free(Some("web"))]);
        assert_eq!(inherited.unclaimed(), ["web", "-", "web"]);
        for address in ["fd:1", "fd:web", "fd:web"] {
            assert_eq!(claim(&mut inherited, address), Ok(()), "{address}");
        }
        assert!(inherited.unclaimed().is_empty());
        for address in ["fd:0", "fd:1", "fd:2", "fd:web"] {
            let told = format!("{address}: another listener has taken this socket already");
            assert_eq!(claim(&mut inherited, address), Err(told));
        }
    }

    #[test]
    fn what_no_listener_has_any_more_is_there_for_another() {
        let mut inherited = Inherited(vec![free(Some("web")), free(Some("tls"))]);
        let (web, tls): (Address, Address) = ("fd:web".parse().unwrap(), "fd:tls".parse().unwrap());
        for address in ["fd:web", "fd:tls"] {
            claim(&mut inherited, address).unwrap();
        }
        inherited.take_back([&web, &tls].into_iter());
        assert!(claim(&mut inherited, "fd:web").is_err());
        inherited.take_back([&web].into_iter());
        assert_eq!(inherited.unclaimed(), ["tls"]);
        assert_eq!(claim(&mut inherited, "fd:tls"), Ok(()));
        assert!(claim(&mut inherited, "fd:tls").is_err() && claim(&mut inherited, "fd:web").is_err());
    }

    #[test]
    fn what_was_not_inherited_is_told_with_what_was() {
        let mut inherited = Inherited(vec![free(Some("web")), free(None)]);
        for address in ["fd:2", "fd:admin"] {
            let told = format!("{address}: no such socket was inherited; there are, from 0: web, -");
            assert_eq!(claim(&mut inherited, address), Err(told));
        }
        let told = "fd:0: no socket was inherited; LISTEN_FDS and LISTEN_PID are expected to name some";
        assert_eq!(claim(&mut Inherited::default(), "fd:0"), Err(told.to_owned()));
    }

    #[test]
    fn what_cannot_be_listened_on_is_told() {
        let broken = io::Error::new(io::ErrorKind::InvalidInput, "fd 3 is not a socket");
        let mut inherited = Inherited(vec![Entry { name: None, state: State::Unusable(broken) }]);
        let told = "fd:0: fd 3 is not a socket; a TCP or Unix stream socket that listens is expected";
        assert_eq!(claim(&mut inherited, "fd:0"), Err(told.to_owned()));

        let silent = socket2::Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let mut inherited = Inherited(vec![Entry { name: None, state: usable(Opened::Tcp(silent.into())) }]);
        let told = "fd:0: the socket does not listen; a TCP or Unix stream socket that listens is expected";
        assert_eq!(claim(&mut inherited, "fd:0"), Err(told.to_owned()));
    }
}
