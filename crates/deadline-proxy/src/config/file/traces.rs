//! Traces.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::de::Key;
use crate::config::value::{Share, Text, Word};
use crate::traces;

/// Where the spans of requests and of their attempts go: to a collector that takes OTLP. Without this table there are
/// none. What a collector asks for as a secret is no key: it is read from the environment, as
/// `OTEL_EXPORTER_OTLP_HEADERS`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Traces {
    /// The collector: `http://HOST[:PORT]`. Over HTTP, spans are posted to `/v1/traces` there, unless it names another path.
    /// It is not spoken to by https: name one on this machine, which takes the spans on. Read at the start only: a reload
    /// that says otherwise is refused.
    #[schemars(required, extend("examples" = ["http://127.0.0.1:4317"]))]
    pub(crate) endpoint: Key<Text<Endpoint>>,

    /// How the collector is spoken to. Read at the start only: a reload that says otherwise is refused.
    #[schemars(extend("default" = "grpc"))]
    pub(crate) protocol: Key<Protocol>,

    /// The share of the traces that begin here that is kept, from 0 to 1. A request that comes with a `traceparent` is kept
    /// where that says so.
    #[schemars(extend("default" = 1.0))]
    pub(crate) sample: Key<Share>,

    /// The name of the service, in each span. Read at the start only: a reload that says otherwise is refused.
    #[schemars(extend("default" = "deadline-proxy"))]
    pub(crate) service: Key<String>,
}

/// How a collector is spoken to.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Protocol {
    /// OTLP over gRPC, as a rule on port 4317.
    Grpc,
    /// OTLP over HTTP, in protobuf, as a rule on port 4318.
    Http,
}

/// Where a collector is.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint(pub(in crate::config) traces::Endpoint);

impl Word for Endpoint {
    const EXPECTED: &'static str =
        "http://HOST[:PORT], such as \"http://127.0.0.1:4317\"; https is not spoken to a collector";
}

impl FromStr for Endpoint {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        text.parse().map(Self).map_err(|_: String| ())
    }
}
