//! The file of a Unix socket.
//!
//! Covers opening one where a dead server has left its file, and removing it at the end. Who may connect is said by
//! the process's umask and by the folder. Two servers that start at one path at the same instant are not told apart.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use socket2::{Domain, SockAddr, Socket, Type};

use super::bound::BACKLOG;
use super::{Address, Error};

/// Removes the file at the latest when it is dropped, if it is still the one that we made.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    mark: Mark,
    /// Whether somebody else goes on with it.
    is_left: AtomicBool,
}

/// Tells a file from a later one at its path. The number alone does not: a file system gives it out again.
#[derive(Debug, PartialEq, Eq)]
struct Mark {
    device: u64,
    inode: u64,
    made: (i64, i64),
}

impl From<&Metadata> for Mark {
    fn from(file: &Metadata) -> Self {
        // Nothing writes to the file of a socket; its other times change with its rights.
        Self { device: file.dev(), inode: file.ino(), made: (file.mtime(), file.mtime_nsec()) }
    }
}

impl SocketFile {
    /// The one that is there now.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let mark = Mark::from(&fs::symlink_metadata(path)?);
        Ok(Self { path: path.to_owned(), mark, is_left: AtomicBool::default() })
    }

    /// Whether somebody else goes on with it, and removes it.
    pub(super) fn set_left(&self, is_left: bool) {
        self.is_left.store(is_left, Ordering::Relaxed);
    }

    /// Whether it is still the one that we made.
    pub(super) fn is_there(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|file| Mark::from(&file) == self.mark)
    }

    /// From here on nobody finds the socket; who has connected stays so.
    pub(super) fn remove(&self) {
        if !self.is_left.load(Ordering::Relaxed) && self.is_there() {
            // Whoever starts next replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Opens a socket at this path, in place of the file of a server that is dead.
///
/// # Errors
///
/// Where somebody listens there, where something else is there, and those of the system.
pub(super) fn open(path: &Path) -> Result<(UnixListener, SocketFile), Error> {
    let failed = |source| Error::Listen { address: Address::Unix(path.to_owned()), source };
    let listener = match bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            clear(path)?;
            bind(path).map_err(failed)?
        }
        bound => bound.map_err(failed)?,
    };
    let file = SocketFile::of(path).map_err(failed)?;
    listener.listen(BACKLOG).map_err(failed)?;
    Ok((listener.into(), file))
}

fn bind(path: &Path) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    Ok(socket)
}

/// Removes the file of a socket on which nobody listens.
fn clear(path: &Path) -> Result<(), Error> {
    let failed = |source| Error::Listen { address: Address::Unix(path.to_owned()), source };
    match fs::symlink_metadata(path) {
        Ok(file) if !file.file_type().is_socket() => return Err(Error::NotASocket { path: path.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(failed)?,
    };
    match probe(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(failed),
        // Whatever else is said (its queue is full, it is not ours to ask), somebody is there.
        _ => Err(failed(io::ErrorKind::AddrInUse.into())),
    }
}

/// Connects without waiting: the queue of a server that is busy may be full.
fn probe(path: &Path) -> io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)
}
