//! Which requests go where.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;

use http::HeaderName;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserializer, Error, SeqAccess, Unexpected, Visitor};

use super::Tables;
use crate::attempt::Outcome;
use crate::config::de::Key;
use crate::config::value::{Count, Limit, OneOrMany, Secret, Text, Verb, Whole};
use crate::route::Host;

/// Which requests go where: all that it says of a request must be so.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Route {
    /// The name, in messages, counts and logs; no two routes have the same. By default `route N`, counted from 1.
    #[schemars(extend("examples" = ["orders"]))]
    pub(crate) name: Key<String>,

    /// One of these hosts, without port: `shop.example`, or `*.shop.example` for every host under it. By default any.
    #[schemars(extend("examples" = ["shop.example", ["shop.example", "*.shop.example"]]))]
    pub(crate) host: Key<OneOrMany<Host>>,

    /// Where the path begins, in whole segments: `/orders` is a prefix of `/orders/7`, and not of `/orders-old`. `{NAME}`
    /// stands for any one segment. Without `prefix` and `path`, every path.
    #[schemars(extend("examples" = ["/orders"]))]
    pub(crate) prefix: Key<String>,

    /// The whole path. `{NAME}` stands for any one segment. Not beside `prefix`.
    #[schemars(extend("examples" = ["/orders/{id}"]))]
    pub(crate) path: Key<String>,

    /// One of these methods. By default any.
    #[schemars(extend("examples" = ["GET", ["GET", "HEAD"]]))]
    pub(crate) method: Key<OneOrMany<Verb>>,

    /// All of these fields: a value that one line of it is, `true` if it is there, `false` if it is not. `${NAME}` in a
    /// value is taken from the environment.
    #[schemars(extend("examples" = [{ "x-tenant": "blue", "x-debug": true, "x-old": false }]))]
    pub(crate) headers: Key<BTreeMap<String, Key<FieldOf>>>,

    /// What its requests are held to: the name of a table `[policy.NAME]`.
    #[schemars(extend("default" = "default", "examples" = ["payment"]))]
    pub(crate) policy: Key<String>,

    /// Where they go: the name of a table `[upstream.NAME]`, or `direct`. Or a chain of names: `,` passes a request on to
    /// the next upstream where the one before answers 404 or 410, `|` where it fails in any way; `off` at the end makes
    /// an error of what the last one passes on, which else is the client's answer. Each route has this key, or `chain`.
    #[schemars(extend("examples" = ["orders", "corp,mirror|direct", "corp,off"]))]
    pub(crate) upstream: Key<String>,

    /// A chain said in full, in place of `upstream`: which outcome of which upstream goes on to the next.
    #[schemars(extend("examples" = [[{ "upstream": "corp", "on": ["404", "410"], "timeout": "5s" }, { "upstream": "mirror" }]]))]
    pub(crate) chain: Tables<Link>,

    /// The most that one try of an upstream takes, within the deadline. By default 30 s in a chain of more than one
    /// upstream, and else no limit but the deadline.
    #[schemars(extend("examples" = ["5s"]))]
    pub(crate) try_timeout: Key<Limit>,

    /// What a client may switch to, such as `["websocket"]`. Or what happens to every such wish: `"strip"` removes it, and
    /// the request is served as it is, `"reject"` answers it with 501.
    #[schemars(extend("default" = "strip", "examples" = [["websocket"], "reject"]))]
    pub(crate) upgrade: Key<Upgrade>,

    /// What tunnels are held to, once both sides have switched; a deadline holds up to there. Only with protocols in
    /// `upgrade`.
    pub(crate) tunnel: Key<Tunnel>,

    /// The most requests at a time; the next one is answered with 503. By default `limits.max_in_flight`. A route that is
    /// made for each of its hosts (see `direct`) has so many of each.
    #[schemars(extend("examples" = [100]))]
    pub(crate) max_in_flight: Key<Count>,

    /// Another path towards the upstream. Only with `prefix`.
    pub(crate) rewrite: Key<Rewriting>,

    /// The most bytes of a request body that are kept in memory in order to send it again. Only with a chain, or with a
    /// policy that retries.
    #[schemars(extend("default" = 65536))]
    pub(crate) replay: Key<Whole<0, { 64 << 20 }>>,
}

/// One upstream of a chain.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["upstream"]))]
pub(crate) struct Link {
    /// The name of a table `[upstream.NAME]`, or `direct`; or, as the last, `off`.
    #[schemars(extend("examples" = ["corp"]))]
    pub(crate) upstream: Key<String>,

    /// What goes on to the next: statuses such as `404`, classes of them (`4xx`, `5xx`), `connect` (nothing was sent),
    /// `broken` (it broke off before an answer), `timeout` (of this try), `any` (of these, and any status from 400). For
    /// every upstream but the last.
    #[schemars(extend("examples" = [["404", "410"], "any"]))]
    pub(crate) on: Key<OneOrMany<Outcome>>,

    /// The most that a try takes, within the deadline. By default `try_timeout` of the route.
    #[schemars(extend("examples" = ["5s"]))]
    pub(crate) timeout: Key<Limit>,
}

/// What tunnels are held to.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Tunnel {
    /// How long a tunnel lasts in which no byte goes either way.
    #[schemars(extend("default" = "5m"))]
    pub(crate) idle: Key<Limit>,

    /// How long a tunnel lasts at most. By default there is no limit.
    #[schemars(extend("examples" = ["24h"]))]
    pub(crate) lifetime: Key<Limit>,

    /// The most tunnels at a time; the next one is answered with 503.
    #[schemars(extend("default" = 16384))]
    pub(crate) max: Key<Count>,
}

/// Another path towards the upstream.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["prefix"]))]
pub(crate) struct Rewriting {
    /// What stands in the place of the prefix of the route; `""` or `"/"` takes it away.
    #[schemars(extend("examples" = ["/v2", ""]))]
    pub(crate) prefix: Key<String>,

    /// The name of a field that tells the upstream the path and query as they came. By default it is told nothing.
    #[schemars(extend("examples" = ["x-original-path"]))]
    pub(crate) original: Key<Text<HeaderName>>,
}

/// What a field has to be.
#[derive(Clone, Debug)]
pub(crate) enum FieldOf {
    /// One line of it is this.
    Is(Secret),
    /// Whether it is there.
    There(bool),
}

impl<'de> Deserialize<'de> for FieldOf {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

struct FieldVisitor;

impl Visitor<'_> for FieldVisitor {
    type Value = FieldOf;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value of the field in quotes, true if it has to be there, or false if not")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<FieldOf, E> {
        text.parse().map(FieldOf::Is).map_err(|never: Infallible| match never {})
    }

    fn visit_bool<E: Error>(self, is: bool) -> Result<FieldOf, E> {
        Ok(FieldOf::There(is))
    }
}

impl JsonSchema for FieldOf {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Field".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "boolean"] })
    }
}

/// What a client may switch to.
#[derive(Clone, Debug)]
pub(crate) enum Upgrade {
    /// Nothing: the wish is removed.
    Strip,
    /// Nothing: the wish is refused.
    Reject,
    /// These protocols.
    Allow(Vec<Key<String>>),
}

impl<'de> Deserialize<'de> for Upgrade {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UpgradeVisitor)
    }
}

struct UpgradeVisitor;

impl<'de> Visitor<'de> for UpgradeVisitor {
    type Value = Upgrade;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"strip\", \"reject\" or a list of protocols such as [\"websocket\"]")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Upgrade, E> {
        match text {
            "strip" => Ok(Upgrade::Strip),
            "reject" => Ok(Upgrade::Reject),
            _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, many: A) -> Result<Upgrade, A::Error> {
        let many = Vec::deserialize(SeqAccessDeserializer::new(many))?;
        if many.is_empty() {
            return Err(A::Error::custom("expected at least one, not an empty list; nothing is allowed by \"strip\""));
        }
        Ok(Upgrade::Allow(many))
    }
}

impl JsonSchema for Upgrade {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Upgrade".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [{ "enum": ["strip", "reject"] }, { "type": "array", "items": { "type": "string" }, "minItems": 1 }]
        })
    }
}
