//! The chain: the program, two services, a database, and whoever is in the way there.

use std::fmt::Write;

use tokio_postgres::Client;

use super::hop::Hop;
use super::services::{self, HELD};
use super::slow::{Limit, Place, Slow};
use crate::observe::traces::Collector;
use crate::sql::support::Database;
use crate::support::{Deaf, Folder, Http1Client, Proxy, eventually};

pub(super) struct Chain {
    pub(super) proxy: Proxy,
    pub(super) orders: Hop,
    pub(super) payments: Hop,
    /// Takes the spans of the proxy.
    pub(super) collector: Collector,
    /// Where the access log of the proxy is, among others.
    pub(super) folder: Folder,
    /// Whoever has the one connection of the proxy, and the one place of orders.
    _held: [Http1Client; 2],
    /// Whoever has locked the row.
    _locker: Client,
    _deaf: Deaf,
}

const ACCESS_LOG: &str = "access.log";

impl Chain {
    /// For the runs under this limit, which no other chain is for.
    pub(super) async fn start(limit: Limit) -> Self {
        let collector = Collector::start(limit.port()).await;
        let (database, deaf, folder) = (Database::new().await, Deaf::start().await, Folder::new());
        let (address, locker) = (deaf.address, locked(&database).await);
        let payments = Hop::start(Place::Payments.name(), move || services::payments(database, address)).await;
        let next = payments.address;
        let orders = Hop::start(Place::Orders.name(), async move || services::orders(next, address)).await;
        let text = configuration(&orders, &deaf, &folder, &collector);
        let proxy = Proxy::configured(&text).await;

        let in_the_way = |slow: Slow| format!("/{HELD}/{}/{HELD}", slow.word());
        let (pool, queue) = (in_the_way(Slow::ProxyPool), in_the_way(Slow::OrdersQueue));
        let held = [held(&proxy.address, &pool).await, held(&orders.address, &queue).await];
        for path in [&pool, &queue] {
            eventually("it is in the way", || orders.journal.of(path).is_some()).await;
        }
        Self { proxy, orders, payments, collector, folder, _held: held, _locker: locker, _deaf: deaf }
    }

    /// The path of the access log.
    pub(super) fn access_log(&self) -> String {
        self.folder.of(ACCESS_LOG)
    }

    /// The service there; `None` for the proxy.
    pub(super) fn service(&self, place: Place) -> Option<&Hop> {
        match place {
            Place::Proxy => None,
            Place::Orders => Some(&self.orders),
            Place::Payments => Some(&self.payments),
        }
    }
}

/// A row, and somebody who keeps it.
async fn locked(database: &Database) -> Client {
    let client = database.connect().await;
    for text in [
        "CREATE TABLE accounts (id bigint PRIMARY KEY, balance bigint NOT NULL); INSERT INTO accounts VALUES (1, 100)",
        "BEGIN; SELECT * FROM accounts FOR UPDATE",
    ] {
        client.batch_execute(text).await.expect("the row is there");
    }
    client
}

async fn held(address: &std::net::SocketAddr, path: &str) -> Http1Client {
    let mut client = Http1Client::connect(*address).await;
    client.get(path, "").await;
    client
}

/// A route for each who may set the limit, and for what is slow in the proxy itself.
fn configuration(orders: &Hop, deaf: &Deaf, folder: &Folder, collector: &Collector) -> String {
    let mut text = format!(
        r#"
        workers = 1
        admin = "127.0.0.1:0"
        [[listener]]
        address = "127.0.0.1:0"
        [access_log]
        requests = "full"
        format = "json"
        output = "{log}"
        [traces]
        endpoint = "http://{collector}"
        service = "proxy"
        [upstream.orders]
        targets = "http://{orders}"
        [upstream.one]
        targets = "http://{orders}"
        connections = 1
        [upstream.deaf]
        targets = "http://{deaf}"
        [policy.default]
        [policy.loose]
        timeout = "20s"
        reserve = "300ms"
        ledger = "public"
        [policy.short]
        timeout = "1s"
        reserve = "300ms"
        ledger = "public"
        [[route]]
        name = "{HELD}"
        prefix = "/{HELD}"
        upstream = "one"
        "#,
        log = folder.of(ACCESS_LOG),
        collector = collector.grpc,
        orders = orders.address,
        deaf = deaf.address,
    );
    for limit in Limit::ALL {
        let policy = if limit == Limit::ProxyPolicy { "short" } else { "loose" };
        for (slow, upstream) in [("", "orders"), (Slow::ProxyPool.word(), "one"), (Slow::ProxyConnect.word(), "deaf")] {
            let path = format!("/{}/{slow}", limit.word());
            let path = path.trim_end_matches('/');
            let route = format!(
                "[[route]]\nname = \"{}\"\nprefix = \"{path}\"\nupstream = \"{upstream}\"\npolicy = \"{policy}\"\n",
                path.trim_start_matches('/').replace('/', "-")
            );
            text.write_str(&route).expect("a string takes it");
        }
    }
    text
}
