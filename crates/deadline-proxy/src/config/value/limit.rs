//! A limit in time.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};

use crate::config::de::Key;
use crate::duration::duration;

const SUCH_AS: &str = "such as \"300ms\", \"1.5s\" or \"1h30m\"";

/// A duration above zero, in the grammar of `X-Request-Timeout`, but for bare digits, whose unit a reader would have to
/// know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit(pub(crate) Duration);

impl Limit {
    /// The duration of a key, or else its default.
    pub(in crate::config) fn of(key: &Key<Self>, default: Duration) -> Duration {
        key.get().map_or(default, |Self(limit)| *limit)
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(LimitVisitor)
    }
}

struct LimitVisitor;

impl Visitor<'_> for LimitVisitor {
    type Value = Limit;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a duration in quotes, {SUCH_AS}")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Limit, E> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(E::custom(format_args!("{text:?} has no unit; expected a duration {SUCH_AS}")));
        }
        // A field may have blanks around it, a file has no reason to.
        match duration(text).ok().filter(|_| text.trim().len() == text.len()) {
            Some(Duration::ZERO) => Err(E::custom(format_args!("{text:?} is nothing; expected a duration above zero"))),
            Some(limit) => Ok(Limit(limit)),
            None => Err(E::custom(format_args!("{text:?} is no duration; expected one {SUCH_AS}"))),
        }
    }
}

impl JsonSchema for Limit {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^([0-9]+(\\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$" })
    }
}
