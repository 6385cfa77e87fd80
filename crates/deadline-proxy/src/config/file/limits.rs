//! What may be taken, by clients and by retries.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::de::Key;
use crate::config::value::{Count, Limit, OrOff, Share, Whole};

/// What a client may take of the process.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Limits {
    /// The most fields of a request head, and of its trailers; up to 65535. A head with more is answered with 431.
    #[schemars(extend("default" = 100))]
    pub(crate) max_headers: Key<Count>,

    /// The most bytes of a request head, from 8192 up. It is also what an unread connection can hold of memory.
    #[schemars(extend("default" = 65536))]
    pub(crate) max_header_bytes: Key<Count>,

    /// How long a connection may stay without a request. Longer than the minute after which balancers close theirs, so
    /// that it is they who close.
    #[schemars(extend("default" = "75s"))]
    pub(crate) idle_timeout: Key<Limit>,

    /// How long a request head may take once it has begun, and a TLS handshake.
    #[schemars(extend("default" = "10s"))]
    pub(crate) head_timeout: Key<Limit>,

    /// How long a client may take nothing of its answer.
    #[schemars(extend("default" = "30s"))]
    pub(crate) write_timeout: Key<Limit>,

    /// The fewest bytes a second of a request body, after 20 s of grace; `"off"`: as slow as it likes, until its
    /// deadline. Calls of gRPC are not held to it.
    #[schemars(extend("default" = 240))]
    pub(crate) min_body_rate: Key<OrOff<Count>>,

    /// The most connections of clients at a time, tunnels among them.
    #[schemars(extend("default" = 16384))]
    pub(crate) max_connections: Key<Count>,

    /// The most requests at a time on one HTTP/2 connection.
    #[schemars(extend("default" = 128))]
    pub(crate) max_streams: Key<Count>,

    /// The most requests at a time on one route that says nothing else; the next one is answered with 503. By default
    /// as many as come: only who runs the upstream knows how many it can take.
    pub(crate) max_in_flight: Key<Count>,
}

/// How many retries each upstream is asked to bear.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RetryBudget {
    /// The most retries, as a share of the requests that are sent to the upstream, from 0 to 1.
    #[schemars(extend("default" = 0.2))]
    pub(crate) ratio: Key<Share>,

    /// So many retries a second are free, so that a quiet upstream can be retried at all.
    #[schemars(extend("default" = 1))]
    pub(crate) min_per_second: Key<Whole<0, { u32::MAX }>>,
}
