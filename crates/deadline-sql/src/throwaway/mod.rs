//! A PostgreSQL of one's own, for tests, demonstrations and examples.
//!
//! Covers a server from nothing: a cluster in a temporary folder, made by `initdb`, served on a free port of loopback and
//! on a Unix socket, with no password. It is as fast as one that keeps nothing can be, and leaves nothing behind: however
//! its owner ends, by a panic or by SIGKILL too, a shell that waits for that stops the server and removes its folder.
//! Does not cover installing PostgreSQL ([`Missing`] says what does), a server for production, or systems that are not
//! Unix.
//!
//! ```
//! use deadline_sql::throwaway::{Error, Server};
//!
//! match Server::start() {
//!     Ok(server) => println!("psql {}", server.url()),
//!     Err(Error::Missing(missing)) => println!("skipped: {missing}"),
//!     Err(error) => return Err(error),
//! }
//! # Ok::<(), Error>(())
//! ```
//!
//! PostgreSQL refuses to run as root. Where the caller is root, as in most containers, the server runs as `postgres`, or
//! as `nobody` where there is no such account. Where `TMPDIR` is too deep for a socket, or closed to that account, the
//! folder is in `/tmp`.
//!
//! What is here blocks, for a second or two: asynchronous code asks `spawn_blocking` to do it.

use std::path::Path;

mod account;
mod builder;
mod cluster;
mod error;
mod guardian;
mod postmaster;
mod programs;
#[cfg(test)]
mod tests;

pub use self::builder::Builder;
use self::cluster::Cluster;
pub use self::error::Error;
use self::guardian::Guardian;
use self::postmaster::{Postmaster, free_port, is_taken};
pub use self::programs::{Missing, Programs};

/// How many ports are tried where others take the free ones first.
const PORTS: usize = 5;

/// A server. Stopped, and its folder removed, when it is dropped.
#[derive(Debug)]
pub struct Server {
    port: u16,
    // In the order in which they end: the guardian stops what runs.
    _guardian: Guardian,
    postmaster: Option<Postmaster>,
    cluster: Cluster,
}

impl Server {
    /// One with the usual settings; see [`Builder::start`].
    ///
    /// # Errors
    ///
    /// As [`Builder::start`].
    pub fn start() -> Result<Self, Error> {
        Self::builder().start()
    }

    /// One with settings of its own.
    ///
    /// ```no_run
    /// use deadline_sql::throwaway::Server;
    ///
    /// let server = Server::builder().setting("max_connections", "12").start()?;
    /// # Ok::<(), deadline_sql::throwaway::Error>(())
    /// ```
    pub fn builder() -> Builder {
        Builder::new()
    }

    fn make(builder: &Builder) -> Result<Self, Error> {
        let cluster = Cluster::make(builder.variables())?;
        let guardian = Guardian::of(&cluster)?;
        cluster.initialise(builder)?;
        let mut server = Self { port: free_port()?, _guardian: guardian, postmaster: None, cluster };
        for _ in 1..PORTS {
            match server.start_again() {
                Err(Error::Ended { .. }) if is_taken(server.port) => server.port = free_port()?,
                started => return started.map(|()| server),
            }
        }
        server.start_again().map(|()| server)
    }

    /// `postgres://postgres@127.0.0.1:PORT/postgres`: a superuser, without a password.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// The port on 127.0.0.1; the same after [`start_again`](Self::start_again).
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of its Unix socket, which is what a driver takes for a host.
    #[must_use]
    pub fn socket_folder(&self) -> &Path {
        self.cluster.path()
    }

    /// The number of its first process, the one that all others are children of; `None` while it is stopped.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.postmaster.as_ref().map(Postmaster::id)
    }

    /// What it has written into its log so far.
    ///
    /// # Errors
    ///
    /// [`Error::Folder`] where the file cannot be read.
    pub fn log(&self) -> Result<String, Error> {
        self.cluster.log()
    }

    /// Stops it, and keeps its data, its folder and its port. Sessions are ended by the server (`57P01`), their
    /// transactions rolled back. Blocks until it is down; one that hangs is killed after some seconds. Nothing happens to
    /// one that is stopped.
    pub fn stop(&mut self) {
        if let Some(postmaster) = self.postmaster.take() {
            postmaster.stop();
        }
    }

    /// Starts it where it was, and waits until it takes connections. Nothing happens to one that runs.
    ///
    /// # Errors
    ///
    /// [`Error::Ended`] where it does not start, with the end of its log: its port may have been taken meanwhile.
    pub fn start_again(&mut self) -> Result<(), Error> {
        if self.postmaster.is_none() {
            self.postmaster = Some(Postmaster::start(&self.cluster, self.port)?);
        }
        Ok(())
    }
}
