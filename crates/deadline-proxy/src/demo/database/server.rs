//! A server to send statements to.

use std::error::Error;
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;
use std::{env, io, iter};

use deadline_sql::deadpool_postgres::Pool;
use deadline_sql::deadpool_postgres::tokio_postgres::NoTls;
use deadline_sql::throwaway::Server;
use tokio::task::spawn_blocking;
use tower_deadline::{BoxError, Deadline, now};

use super::statement::Statements;
use super::watcher::Watcher;
use crate::demo::ledger::Ledger;

/// Names a server that is there already, as the programs around PostgreSQL take it.
const VARIABLE: &str = "DATABASE_URL";

/// How long a server that is there may take to let us in.
const PATIENCE: Duration = Duration::from_secs(3);

/// A server, and the connections to it.
pub(in crate::demo) struct Database {
    pool: Pool,
    watcher: Watcher,
    /// Where it is ours: stopped, and its folder removed, when this is dropped.
    server: Option<Server>,
}

impl Database {
    /// The one that `DATABASE_URL` names, or else one of our own, which takes a second to start. Where its port is to be
    /// closed, one that nobody listens on, and nothing is started. Else why there is none.
    pub(in crate::demo) async fn find(closed: bool) -> Result<Self, String> {
        if closed {
            return nowhere().and_then(|url| Self::at(&url, None)).map_err(|error| told(&*error));
        }
        match env::var(VARIABLE) {
            Ok(url) => Self::open(&url, None).await.map_err(|error| format!("{VARIABLE}: {}", told(&*error))),
            Err(_) => Self::start().await.map_err(|error| format!("{VARIABLE} is not set, and {}", told(&*error))),
        }
    }

    async fn start() -> Result<Self, BoxError> {
        let server = spawn_blocking(Server::start).await??;
        Self::open(&server.url(), Some(server)).await
    }

    /// With a connection in its pool: the first request is not to wait for more than others.
    async fn open(url: &str, server: Option<Server>) -> Result<Self, BoxError> {
        let database = Self::at(url, server)?;
        drop(database.pool.get_before(Deadline::after(now(), PATIENCE)).await?);
        database.watcher.ready(Deadline::after(now(), PATIENCE)).await?;
        Ok(database)
    }

    fn at(url: &str, server: Option<Server>) -> Result<Self, BoxError> {
        let pool = Pool::builder(url.parse()?, NoTls).max_size(2).build()?;
        let watcher = Watcher::new(Pool::builder(url.parse()?, NoTls).max_size(1).build()?);
        Ok(Self { pool, watcher, server })
    }

    /// What a service sends statements by.
    pub(in crate::demo) fn statements(&self, ledger: &Ledger) -> Statements {
        Statements::new(self.pool.clone(), self.watcher.clone(), ledger.clone())
    }

    /// Waits for what is being stopped, and stops the server where it is ours.
    pub(in crate::demo) async fn stop(self) {
        // What does not end by then, ends with its connection.
        let _ = self.pool.drain(PATIENCE).await;
        let _ = self.watcher.drain(PATIENCE).await;
        let server = self.server;
        let _ = spawn_blocking(move || drop(server)).await;
    }
}

/// The URL of a port that was free a moment ago.
fn nowhere() -> Result<String, BoxError> {
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    let address = address.map_err(|error: io::Error| BoxError::from(error))?;
    Ok(format!("postgres://postgres@{address}/postgres"))
}

/// An error, and what caused it.
fn told(error: &(dyn Error + 'static)) -> String {
    let causes = iter::successors(Some(error), |&error| error.source()).map(|error| error.to_string());
    causes.fold(String::new(), |told, cause| match told.as_str() {
        "" => cause,
        // Some say what caused them, as others leave to their cause.
        _ if told.ends_with(&cause) => told,
        _ => format!("{told}: {cause}"),
    })
}
