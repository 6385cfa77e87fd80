//! What a configuration file can say: every table and every key, with its meaning.
//!
//! The one source of the parser, of the JSON schema, and of the reference: the comments here are what users read.
//! Covers the shape of a file; what its parts mean together is built and checked in `build`.

mod access_log;
mod limits;
mod listener;
mod policy;
mod process;
mod route;
mod traces;
mod upstream;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) use self::access_log::{AccessLog, LineFormat, Requests};
pub(crate) use self::limits::{Limits, RetryBudget};
pub(crate) use self::listener::{Listener, ListenerTls, SideOf, StrangersOf};
pub(crate) use self::policy::Policy;
pub(crate) use self::process::{Fields, Forwarding};
pub(crate) use self::route::{FieldOf, Link, Route, Upgrade};
pub(crate) use self::traces::{Protocol, Traces};
pub(crate) use self::upstream::{Balancing, Http, Upstream};
use super::de::Key;
use super::value::{Limit, Text, Whole};

/// A list of tables, each of which may be wrong by itself.
pub(crate) type Tables<T> = Key<Vec<Key<T>>>;

/// Tables by name, each of which may be wrong by itself.
pub(crate) type Named<T> = Key<BTreeMap<String, Key<T>>>;

/// What a `deadline-proxy` is told. Durations are written with a unit, as in `X-Request-Timeout`: `"300ms"`, `"1.5s"`,
/// `"1h30m"`. Keys are named as the flags of `deadline-proxy run` are.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "deadline-proxy")]
pub(crate) struct File {
    /// The name of this hop: in `Via`, in the answers that the proxy makes itself, and in `Deadline-Exceeded`, where it
    /// says who stopped a request. It is a token: letters, digits and `-._~`.
    #[schemars(extend("default" = "proxy"))]
    pub(crate) hop: Key<String>,

    /// Whether the answers that the proxy makes itself say which policy or which field set a deadline, as `origin_detail`,
    /// and not only which kind of the two. It tells strangers about the inside; logs and traces have it anyway.
    #[schemars(extend("default" = false))]
    pub(crate) expose_origin: Key<bool>,

    /// Where the status page, `/healthz`, `/readyz`, `/metrics`, `/config`, `/upstreams`, `/expired` and `POST /reload` are served, as `IP:PORT`. On this
    /// machine only by default: what it tells is for an operator, and it asks nobody who they are. Read at the start only:
    /// a reload that says otherwise is refused.
    #[schemars(extend("default" = "127.0.0.1:9901"))]
    pub(crate) admin: Key<Text<std::net::SocketAddr>>,

    /// How many threads carry the traffic. By default one for each core that the process may use. Read at the start only: a
    /// reload that says otherwise is refused.
    pub(crate) workers: Key<Whole<1, 1024>>,

    /// How long a stop waits for the requests that are under way. What has not ended by then is stopped, and told so.
    #[schemars(extend("default" = "30s"))]
    pub(crate) drain_timeout: Key<Limit>,

    /// How many of the requests that were stopped last are kept, for the status page and `/expired`. With 0, and without an
    /// access log, nothing is noted of requests.
    #[schemars(extend("default" = 50))]
    pub(crate) expired: Key<Whole<0, 1000>>,

    /// Where requests come in, one table for each address. Without any: `127.0.0.1:8080`, without TLS.
    pub(crate) listener: Tables<Listener>,

    /// What a client may take of the process. The defaults are safe for a proxy that faces strangers.
    pub(crate) limits: Key<Limits>,

    /// What is said to upstreams about who asked, and who is believed.
    pub(crate) forwarding: Key<Forwarding>,

    /// One line for each request.
    pub(crate) access_log: Key<AccessLog>,

    /// Spans of requests, for a collector of OpenTelemetry.
    pub(crate) traces: Key<Traces>,

    /// How many retries each upstream is asked to bear, over all routes, so that retries do not bring down what is
    /// already slow. It bounds `retries` of the policies; what passes on to the next upstream of a chain is no retry.
    pub(crate) retry_budget: Key<RetryBudget>,

    /// Where requests can go, by a name: `[upstream.orders]`. A name has no blank, `,` or `|` in it, and `off` is none.
    ///
    /// `direct` needs no table: it is the host that the request names, by `https://{host}`. It can be used only by routes
    /// whose `host` says which hosts that can be, because a proxy that goes wherever it is sent is open to abuse.
    pub(crate) upstream: Named<Upstream>,

    /// What requests are held to, by a name: `[policy.payment]`. A policy says everything that it wants, and inherits
    /// nothing of another. `[policy.default]` is for the routes that name none; without that table it has no limit.
    pub(crate) policy: Named<Policy>,

    /// Which requests go where. A route takes a request of which all is so that it says; of several, the most specific takes
    /// it: by host, then by path, then by how much else it asks for; of two that are alike, the first. Without any route,
    /// and with one upstream, everything goes there.
    pub(crate) route: Tables<Route>,
}
