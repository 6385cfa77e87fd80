//! A key that may be absent, or wrong.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};

/// By this name a [`Reader`](super::Reader) is asked to go on where a value is wrong.
pub(super) const GO_ON: &str = "config::Key";

/// The value of a key; `None` where there is none, or where it was wrong and has been complained of. So one complaint
/// hides no other.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Key<T>(pub(crate) Option<T>);

impl<T> Key<T> {
    /// The value.
    pub(in crate::config) fn get(&self) -> Option<&T> {
        self.0.as_ref()
    }
}

impl<T> Default for Key<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Key<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(GO_ON, KeyVisitor(PhantomData))
    }
}

struct KeyVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for KeyVisitor<T> {
    type Value = Key<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    /// Of one element, or none.
    fn visit_seq<A: SeqAccess<'de>>(self, mut read: A) -> Result<Self::Value, A::Error> {
        read.next_element().map(Key)
    }
}

/// As that of the value: whether a key may be absent stands at the table.
impl<T: JsonSchema> JsonSchema for Key<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
