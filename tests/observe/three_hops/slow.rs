//! What is slow, and who sets the limit: the two ways in which the runs differ.

use std::time::Duration;

use crate::support::MS;

/// What is slow in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slow {
    /// The one connection that the proxy may have is in use.
    ProxyPool,
    /// Whom the proxy calls does not answer its SYN.
    ProxyConnect,
    /// The one place that orders has is taken.
    OrdersQueue,
    OrdersHandler,
    /// Whom orders calls does not answer its SYN.
    OrdersConnect,
    PaymentsHandler,
    /// The one connection that payments has is in use.
    PaymentsPool,
    /// The database does not answer a SYN.
    PaymentsConnect,
    /// The database sleeps.
    Statement,
    /// Somebody has locked the row, and keeps it.
    LockedRow,
}

use Slow::{
    LockedRow, OrdersConnect, OrdersHandler, OrdersQueue, PaymentsConnect, PaymentsHandler, PaymentsPool, ProxyConnect,
    ProxyPool, Statement,
};

/// Who stops the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Proxy,
    Orders,
    Payments,
}

/// Who sets the limit that binds. All the others set one too, which leaves more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// The client, in a field.
    Client,
    /// The policy of the proxy.
    ProxyPolicy,
    /// The policy of orders.
    OrdersPolicy,
    /// A line in orders: the most that a call to payments may take.
    OrdersCode,
}

impl Slow {
    pub(super) const ALL: [Self; 10] = [
        ProxyPool,
        ProxyConnect,
        OrdersQueue,
        OrdersHandler,
        OrdersConnect,
        PaymentsHandler,
        PaymentsPool,
        PaymentsConnect,
        Statement,
        LockedRow,
    ];

    /// Its word in the path of a request.
    pub(super) fn word(self) -> &'static str {
        match self {
            ProxyPool => "proxy-pool",
            ProxyConnect => "proxy-connect",
            OrdersQueue => "orders-queue",
            OrdersHandler => "orders-handler",
            OrdersConnect => "orders-connect",
            PaymentsHandler => "payments-handler",
            PaymentsPool => "payments-pool",
            PaymentsConnect => "payments-connect",
            Statement => "statement",
            LockedRow => "locked-row",
        }
    }

    /// As the table says it.
    pub(super) fn words(self) -> &'static str {
        match self {
            ProxyPool => "the proxy's pool: its one connection is in use",
            ProxyConnect => "the proxy connects to somebody who does not answer",
            OrdersQueue => "orders has one place, which is taken",
            OrdersHandler => "the handler of orders",
            OrdersConnect => "orders connects to somebody who does not answer",
            PaymentsHandler => "the handler of payments",
            PaymentsPool => "the pool of payments: its one connection is in use",
            PaymentsConnect => "payments connects to a database that does not answer",
            Statement => "the database: `pg_sleep`",
            LockedRow => "the database: a locked row",
        }
    }

    pub(super) fn hop(self) -> Place {
        match self {
            ProxyPool | ProxyConnect => Place::Proxy,
            OrdersQueue | OrdersHandler | OrdersConnect => Place::Orders,
            PaymentsHandler | PaymentsPool | PaymentsConnect | Statement | LockedRow => Place::Payments,
        }
    }

    pub(super) fn stage(self) -> &'static str {
        match self {
            ProxyPool | PaymentsPool => "pool",
            ProxyConnect | OrdersConnect | PaymentsConnect => "connect",
            OrdersQueue => "queue",
            OrdersHandler | PaymentsHandler => "handler",
            Statement | LockedRow => "database",
        }
    }

    /// Whether this limit holds for what is slow: further in, or at the same hop.
    pub(super) fn is_under(self, limit: Limit) -> bool {
        match limit {
            Limit::Client | Limit::ProxyPolicy => true,
            Limit::OrdersPolicy => self.hop() >= Place::Orders,
            Limit::OrdersCode => self.hop() > Place::Orders || self == OrdersConnect,
        }
    }
}

/// What the policies of the proxy and of orders set aside, as their files say.
pub(super) const RESERVE: Duration = Duration::from_millis(300);

impl Place {
    pub(super) const ALL: [Self; 3] = [Self::Proxy, Self::Orders, Self::Payments];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::Orders => "orders",
            Self::Payments => "payments",
        }
    }

    /// When it stops, after a request came to the proxy: whoever set the limit, it is the same.
    pub(super) fn due(self) -> Duration {
        match self {
            Self::Proxy => 1_000 * MS,
            Self::Orders => 700 * MS,
            Self::Payments => 400 * MS,
        }
    }
}

impl Limit {
    pub(super) const ALL: [Self; 4] = [Self::Client, Self::ProxyPolicy, Self::OrdersPolicy, Self::OrdersCode];

    /// Its word in the path of a request.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::ProxyPolicy => "proxy",
            Self::OrdersPolicy => "orders",
            Self::OrdersCode => "code",
        }
    }

    /// As the table says it.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Client => "the client, in `X-Request-Timeout`",
            Self::ProxyPolicy => "a policy of the proxy",
            Self::OrdersPolicy => "a policy of orders",
            Self::OrdersCode => "a line in orders",
        }
    }

    /// Where the collector of its chain is, and one further: ports that no other test names.
    pub(super) fn port(self) -> u16 {
        match self {
            Self::Client => 24_417,
            Self::ProxyPolicy => 24_427,
            Self::OrdersPolicy => 24_437,
            Self::OrdersCode => 24_447,
        }
    }

    pub(super) fn origin(self) -> &'static str {
        match self {
            Self::Client => "header",
            Self::ProxyPolicy | Self::OrdersPolicy => "policy",
            Self::OrdersCode => "code",
        }
    }

    /// The hop that set it; `None` where that was the client, who is none.
    pub(super) fn hop(self) -> Option<Place> {
        match self {
            Self::Client => None,
            Self::ProxyPolicy => Some(Place::Proxy),
            Self::OrdersPolicy | Self::OrdersCode => Some(Place::Orders),
        }
    }
}
