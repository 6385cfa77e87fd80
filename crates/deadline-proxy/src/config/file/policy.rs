//! What requests are held to.

#[expect(dead_code, reason = "a schema is made of it, and no value")]
mod keys;

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use self::keys::PolicyKeys;
use crate::config::de::Key;
use crate::config::value::{Limit, Whole};

/// What the proxy itself reads of a policy. All else is read by `PolicySet`, which is not asked a second time.
#[derive(Debug, Default)]
pub(crate) struct Policy {
    /// How often a request is sent again.
    pub(crate) retries: Key<Retries>,
    /// What is waited for before the first retry.
    pub(crate) backoff: Key<Limit>,
}

/// How often a request is sent again.
pub(crate) type Retries = Whole<0, 10>;

impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PolicyVisitor)
    }
}

struct PolicyVisitor;

impl<'de> Visitor<'de> for PolicyVisitor {
    type Value = Policy;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut table: A) -> Result<Policy, A::Error> {
        let mut policy = Policy::default();
        while let Some(key) = table.next_key::<&str>()? {
            match key {
                "retries" => policy.retries = table.next_value()?,
                "backoff" => policy.backoff = table.next_value()?,
                _ => drop(table.next_value::<IgnoredAny>()?),
            }
        }
        Ok(policy)
    }
}

impl JsonSchema for Policy {
    fn inline_schema() -> bool {
        PolicyKeys::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        PolicyKeys::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        PolicyKeys::json_schema(generator)
    }
}
