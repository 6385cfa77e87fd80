//! A listener that was opened, before a worker listens on it.
//!
//! Covers one socket for each worker: TCP with `SO_REUSEPORT`, so that the system shares connections out and no worker
//! waits for another; Unix and inherited sockets duplicated. Accepts nothing.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use socket2::{Domain, Protocol, SockAddr, SockRef, Type};

use super::unix::{self, SocketFile};
use super::{Address, Certificates, Entrance, Error, Inherited, Listener, Settings, Share};

/// How many connections wait to be accepted. The system cuts it to its own bound, `net.core.somaxconn`.
pub(super) const BACKLOG: i32 = 1024;

/// A socket that listens.
#[derive(Debug)]
pub(super) enum Opened {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Opened {
    pub(super) fn duplicate(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(listener) => listener.try_clone().map(Self::Tcp),
            Self::Unix(listener) => listener.try_clone().map(Self::Unix),
        }
    }

    /// A copy of its descriptor.
    pub(super) fn descriptor(&self) -> io::Result<OwnedFd> {
        Ok(match self.duplicate()? {
            Self::Tcp(listener) => listener.into(),
            Self::Unix(listener) => listener.into(),
        })
    }

    fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => listener.set_nonblocking(true),
            Self::Unix(listener) => listener.set_nonblocking(true),
        }
    }

    /// Where it is, in the words of [`Address`].
    fn address(&self) -> io::Result<String> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(|address| address.to_string()),
            Self::Unix(listener) => listener.local_addr().map(|address| match address.as_pathname() {
                Some(path) => Address::Unix(path.into()).to_string(),
                None => format!("{address:?}"),
            }),
        }
    }

    /// Whether it can accept; where the system does not tell, it is believed to.
    pub(super) fn listens(&self) -> bool {
        let socket = match self {
            Self::Tcp(listener) => SockRef::from(listener),
            Self::Unix(listener) => SockRef::from(listener),
        };
        listens(&socket)
    }
}

#[cfg(target_os = "linux")]
fn listens(socket: &SockRef<'_>) -> bool {
    socket.is_listener().unwrap_or(true)
}

#[cfg(not(target_os = "linux"))]
fn listens(_: &SockRef<'_>) -> bool {
    true
}

/// Who has opened a listener, and can shut it.
#[derive(Debug)]
pub(super) enum Origin {
    /// One of us has: a port; whether it is another process's now.
    Port(AtomicBool),
    /// One of us has: a Unix socket. Its file goes with the last copy of whose it is.
    File(SocketFile),
    /// Somebody else has, and somebody else may go on with it.
    Inherited,
}

impl Origin {
    /// Another process goes on with it.
    pub(super) fn leave(&self) {
        self.set_left(true);
    }

    /// From here on it is ours.
    pub(super) fn take(&self) {
        self.set_left(false);
    }

    /// Whether whoever looks for it finds it: the file of a socket may be gone, or another's.
    pub(super) fn is_found(&self) -> bool {
        if let Self::File(file) = self { file.is_there() } else { true }
    }

    fn set_left(&self, is_left: bool) {
        match self {
            Self::Port(left) => left.store(is_left, Ordering::Relaxed),
            Self::File(file) => file.set_left(is_left),
            Self::Inherited => {}
        }
    }

    /// Of a socket that a process before this one has opened, and whose it is until we [take](Self::take) it: if we fail
    /// before that, it goes on.
    fn of_handed_on(address: &Address) -> io::Result<Self> {
        let origin = match address {
            Address::Tcp(_) => Self::Port(AtomicBool::default()),
            Address::Unix(path) => Self::File(SocketFile::of(path)?),
            Address::Named(_) | Address::Indexed(_) => Self::Inherited,
        };
        origin.leave();
        Ok(origin)
    }
}

/// A listener that was opened: from here on connections wait for it.
#[derive(Debug)]
pub struct Bound {
    sockets: Vec<Opened>,
    address: String,
    origin: Arc<Origin>,
    entrance: Arc<Entrance>,
    share: Arc<Share>,
}

impl Bound {
    /// Opens a listener `copies` times, at least once. Needs no runtime.
    ///
    /// # Errors
    ///
    /// What keeps it from being opened, or its certificates from being used; nothing stays open then.
    pub fn bind(settings: &Settings, copies: usize, inherited: &mut Inherited) -> Result<Self, Error> {
        let entrance = Arc::new(Entrance::open(settings)?);
        let failed = |source| Error::Listen { address: settings.address.clone(), source };
        let handed_on = inherited.handed_on(&settings.address.to_string());
        if !handed_on.is_empty() {
            let origin = Origin::of_handed_on(&settings.address).map_err(failed)?;
            return Self::of(handed_on, origin, settings, (copies, entrance)).map_err(failed);
        }
        let (first, origin) = match &settings.address {
            Address::Tcp(address) => {
                (open_first(*address, copies).map_err(failed)?, Origin::Port(AtomicBool::default()))
            }
            Address::Unix(path) => {
                let (listener, file) = unix::open(path)?;
                (Opened::Unix(listener), Origin::File(file))
            }
            named @ (Address::Named(_) | Address::Indexed(_)) => (inherited.claim(named)?, Origin::Inherited),
        };
        let sockets = multiply(first, &settings.address, copies).map_err(failed)?;
        Self::of(sockets, origin, settings, (copies, entrance)).map_err(failed)
    }

    /// Of sockets that are open, of which there are at least so many copies then.
    fn of(
        mut sockets: Vec<Opened>,
        origin: Origin,
        settings: &Settings,
        (copies, entrance): (usize, Arc<Entrance>),
    ) -> io::Result<Self> {
        let (there, origin) = (sockets.len(), Arc::new(origin));
        for place in there..copies {
            sockets.push(sockets[place % there].duplicate()?);
        }
        sockets.iter().try_for_each(Opened::set_nonblocking)?;
        let share = Arc::new(Share::of(&settings.address, &sockets[..there], &origin)?);
        Ok(Self { address: sockets[0].address()?, sockets, origin, entrance, share })
    }

    /// What can be handed to another process.
    #[must_use]
    pub fn share(&self) -> Arc<Share> {
        Arc::clone(&self.share)
    }

    /// One socket for each copy, or more where more were handed on, to be handed to the workers.
    #[must_use]
    pub fn sockets(self) -> Vec<Socket> {
        let (origin, entrance) = (&self.origin, &self.entrance);
        let socket = |opened| Socket { opened, origin: Arc::clone(origin), entrance: Arc::clone(entrance) };
        self.sockets.into_iter().map(socket).collect()
    }

    /// Where it is, with the port that the system has chosen: `127.0.0.1:41234` or `unix:/path`.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.clone()
    }

    /// What it shows its clients, where it speaks TLS.
    #[must_use]
    pub fn tls(&self) -> Option<Arc<Certificates>> {
        self.entrance.certificates().cloned()
    }

    /// What whoever comes in meets, until somebody says otherwise.
    #[must_use]
    pub fn entrance(&self) -> &Arc<Entrance> {
        &self.entrance
    }
}

/// The listening socket of one worker.
#[derive(Debug)]
pub struct Socket {
    opened: Opened,
    origin: Arc<Origin>,
    entrance: Arc<Entrance>,
}

impl Socket {
    /// Hands it to the runtime of this thread; panics without one, as tokio's sockets do.
    ///
    /// # Errors
    ///
    /// Where the runtime cannot watch it.
    pub fn listen(self) -> io::Result<Listener> {
        Listener::new(self.opened, self.origin, self.entrance)
    }
}

fn multiply(first: Opened, address: &Address, copies: usize) -> io::Result<Vec<Opened>> {
    let mut sockets = vec![first];
    for _ in 1..copies {
        let copy = match (&sockets[0], address) {
            // An inherited one is duplicated: whether it may be opened again is for its opener to say.
            (Opened::Tcp(first), Address::Tcp(_)) => open_next(first.local_addr()?)?,
            (first, _) => first.duplicate()?,
        };
        sockets.push(copy);
    }
    Ok(sockets)
}

/// The first takes the port without sharing it, so that somebody else's is "in use", and shares it from then on.
fn open_first(address: SocketAddr, copies: usize) -> io::Result<Opened> {
    let socket = tcp(address)?;
    socket.bind(&SockAddr::from(address))?;
    if copies > 1 {
        socket.set_reuse_port(true)?;
    }
    socket.listen(BACKLOG)?;
    Ok(Opened::Tcp(socket.into()))
}

fn open_next(address: SocketAddr) -> io::Result<Opened> {
    let socket = tcp(address)?;
    socket.set_reuse_port(true)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    Ok(Opened::Tcp(socket.into()))
}

/// Of connections that ended just now nobody has to wait for the system to forget them: `SO_REUSEADDR`.
fn tcp(address: SocketAddr) -> io::Result<socket2::Socket> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    Ok(socket)
}
