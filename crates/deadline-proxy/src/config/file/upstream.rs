//! Where requests can go.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::de::Key;
use crate::config::value::{CertifiedName, Count, File, Limit, OneOrMany, Secret, Share, TargetText, Text, Whole};

/// Where requests can go.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Upstream {
    /// The targets that share the requests: `http://HOST[:PORT]`, `https://HOST[:PORT]` or `unix:/PATH`. A name with
    /// several addresses is as many targets. `{host}` stands for the host of the request, on the terms of `direct`, for
    /// which alone this key may be left out: there it is `https://{host}`.
    #[schemars(extend("examples" = ["https://orders.internal", ["http://10.0.0.7:3000", "http://10.0.0.8:3000"]]))]
    pub(crate) targets: Key<OneOrMany<TargetText>>,

    /// The version of HTTP that is spoken to it.
    #[schemars(extend("default" = "auto"))]
    pub(crate) http: Key<Http>,

    /// Which target takes the next request.
    #[schemars(extend("default" = "round-robin"))]
    pub(crate) balance: Key<Balancing>,

    /// How targets by `https` are verified, and what they are shown. By default the authorities of the system are
    /// trusted, and no certificate is shown.
    pub(crate) tls: Key<UpstreamTls>,

    /// The most connections to each address, shared out among the workers.
    #[schemars(extend("default" = 1024))]
    pub(crate) connections: Key<Count>,

    /// The most requests at a time on one HTTP/2 connection; the upstream may allow less.
    #[schemars(extend("default" = 100))]
    pub(crate) streams: Key<Count>,

    /// The most requests that wait for a connection, shared out among the workers; the next one fails at once. 0: none
    /// waits.
    #[schemars(extend("default" = 1024))]
    pub(crate) waiting: Key<Whole<0, { u32::MAX }>>,

    /// How long an idle connection is kept: less than the upstream keeps it, because a connection that is taken while
    /// the upstream closes it can cost the request.
    #[schemars(extend("default" = "4s"))]
    pub(crate) idle_timeout: Key<Limit>,

    /// The most that making a connection may take, TLS included.
    #[schemars(extend("default" = "5s"))]
    pub(crate) connect_timeout: Key<Limit>,

    /// How often names are looked up again.
    #[schemars(extend("default" = "30s"))]
    pub(crate) resolve_every: Key<Limit>,

    /// When an address that fails is left out for a while. Failures are connections that cannot be had or break off
    /// before an answer, answers 502, 503 and 504, and silence: no answer by the limit of a try or the deadline, though
    /// it had the request for half of what that limit or the policy's timeout is set to (for 1 s, where neither is).
    pub(crate) ejection: Key<Ejecting>,

    /// Asks each address for its health, by `GET`, and uses only those that answer with 2xx. Without this table, nobody
    /// is asked.
    pub(crate) health: Key<Health>,

    /// Fields that are set on every request that goes there, in the place of the client's own: what the upstream must
    /// know and clients must not. `${NAME}` is taken from the environment, so that no secret stands in the file; `$${`
    /// is `${` itself. Fields that concern one connection, deadlines, or who asked cannot be set: the proxy writes them.
    #[schemars(extend("examples" = [{ "authorization": "Bearer ${ORDERS_TOKEN}" }]))]
    pub(crate) headers: Key<BTreeMap<String, Key<Text<Secret>>>>,
}

/// How targets by `https` are verified, and what they are shown; PEM files. A relative path begins in the working
/// directory.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct UpstreamTls {
    /// The authorities that are trusted, in place of the system's.
    #[schemars(extend("examples" = ["/etc/deadline-proxy/ca.pem"]))]
    pub(crate) ca: Key<Text<File>>,

    /// The certificate chain that is shown to the target. Only with `key`.
    #[schemars(extend("examples" = ["/etc/deadline-proxy/client.pem"]))]
    pub(crate) cert: Key<Text<File>>,

    /// Its private key. Only with `cert`.
    #[schemars(extend("examples" = ["/etc/deadline-proxy/client-key.pem"]))]
    pub(crate) key: Key<Text<File>>,

    /// The name that is asked for and verified, in place of the host of the target.
    #[schemars(extend("examples" = ["orders.internal"]))]
    pub(crate) name: Key<Text<CertifiedName>>,
}

/// When an address that fails is left out for a while.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Ejecting {
    /// After how many failures in a row; 0: never.
    #[schemars(extend("default" = 5))]
    pub(crate) failures: Key<Whole<0, { u32::MAX }>>,

    /// For how long, times how often it was left out already, up to ten times.
    #[schemars(extend("default" = "30s"))]
    pub(crate) base: Key<Limit>,

    /// The most of the addresses that may be left out at a time, from 0 to 1: the others have to carry the load.
    #[schemars(extend("default" = 0.5))]
    pub(crate) max_share: Key<Share>,
}

/// How addresses are asked for their health.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Health {
    /// The path that is asked for.
    #[schemars(extend("default" = "/healthz"))]
    pub(crate) path: Key<String>,

    /// How often each address is asked.
    #[schemars(extend("default" = "5s"))]
    pub(crate) every: Key<Limit>,

    /// The most that one answer takes.
    #[schemars(extend("default" = "2s"))]
    pub(crate) timeout: Key<Limit>,

    /// How many failures in a row make an address unhealthy.
    #[schemars(extend("default" = 3))]
    pub(crate) failures: Key<Count>,

    /// How many successes in a row make it healthy again.
    #[schemars(extend("default" = 2))]
    pub(crate) successes: Key<Count>,
}

/// The version of HTTP towards an upstream.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub(crate) enum Http {
    /// HTTP/2 for gRPC, else HTTP/1.1; over TLS what the upstream chooses.
    #[serde(rename = "auto")]
    Auto,
    /// HTTP/1.1 for everything.
    #[serde(rename = "1.1")]
    Http1,
    /// HTTP/2 for everything, without TLS with prior knowledge.
    #[serde(rename = "2")]
    Http2,
}

/// Which target takes the next request.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Balancing {
    /// One after the other.
    RoundRobin,
    /// Of two at random, the one with fewer requests under way.
    LeastLoaded,
}
