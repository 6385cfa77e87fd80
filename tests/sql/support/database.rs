//! A database that a test has for itself.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};

use deadline_sql::throwaway::Server;
use tokio_postgres::{Client, Config, NoTls};

use super::{Watcher, server};
use crate::support::soon;

#[derive(Clone, Debug)]
pub(crate) struct Database {
    pub(crate) name: String,
    /// Where it is reached.
    pub(crate) address: SocketAddr,
}

impl Database {
    /// A new one, empty, on the server of all tests.
    pub(crate) async fn new() -> Self {
        Self::on(server()).await
    }

    /// A new one, empty, on a server of the test's own.
    pub(crate) async fn on(server: &Server) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let address = (Ipv4Addr::LOCALHOST, server.port()).into();
        let anywhere = Self { name: "postgres".to_owned(), address };
        let creator = connect(&anywhere.config()).await;
        creator.batch_execute(&format!("CREATE DATABASE {name}")).await.expect("a database can be made");
        Self { name, address }
    }

    /// The same, by way of somebody in front of it. The watcher is asked of the one without a detour.
    pub(crate) fn by_way_of(&self, address: SocketAddr) -> Self {
        Self { name: self.name.clone(), address }
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@{}/{}", self.address, self.name)
    }

    pub(crate) fn config(&self) -> Config {
        self.url().parse().expect("a URL of ours")
    }

    /// A connection without any of ours around it.
    pub(crate) async fn connect(&self) -> Client {
        connect(&self.config()).await
    }

    /// Watches this database from another.
    pub(crate) async fn watcher(&self) -> Watcher {
        Watcher::of(self).await
    }
}

/// A connection of the bare driver.
pub(crate) async fn connect(config: &Config) -> Client {
    let connecting = config.connect(NoTls);
    let (client, connection) = soon("a connection", connecting).await.expect("the server takes connections");
    tokio::spawn(async {
        // How it ended, its client is told.
        let _ = connection.await;
    });
    client
}
