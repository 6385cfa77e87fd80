//! What is said about who asked.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::de::Key;
use crate::config::value::OneOrMany;
use crate::peers::Peers;

/// What is said to upstreams about who asked, and who is believed.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Forwarding {
    /// Clients whose word is kept: networks, addresses, or `unix` for those on a Unix socket. What anybody else says of
    /// who asked is removed, and so is its queue time. By default nobody: what is not known to be a proxy is a client.
    #[schemars(extend("examples" = [["10.0.0.0/8", "unix"]]))]
    pub(crate) trust: Key<OneOrMany<Peers>>,

    /// Which fields tell an upstream who asked.
    #[schemars(extend("default" = "x-forwarded"))]
    pub(crate) forwarded: Key<Fields>,

    /// The name of this proxy in `Via`, a token. By default the name of the hop.
    pub(crate) via: Key<String>,

    /// Whether a request gets an `X-Request-Id` where it has none, and its answer the same. It costs little, and without
    /// it nobody finds the same request in two logs.
    #[schemars(extend("default" = true))]
    pub(crate) request_id: Key<bool>,

    /// Whether `X-Request-Start` is written, for upstreams that count queue time.
    #[schemars(extend("default" = false))]
    pub(crate) request_start: Key<bool>,
}

/// Which fields tell an upstream who asked.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fields {
    /// `X-Forwarded-For`, `-Proto`, `-Host` and `-Port`.
    XForwarded,
    /// `Forwarded`, after RFC 7239.
    Forwarded,
    /// All of them.
    Both,
    /// None; those of a trusted client pass as they are.
    Off,
}
