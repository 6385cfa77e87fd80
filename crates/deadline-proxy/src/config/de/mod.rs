//! From TOML to structs, with a complaint for everything that is wrong.
//!
//! Covers every shape that a derived `Deserialize` asks for. Does not end at the first error, as serde does: an unknown
//! key is skipped, and where a [`Key`] is wrong, its table is read on without it. `toml`'s own deserializer cannot do
//! either, and tells nobody the key that it was at.

mod access;
mod fault;
mod key;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};
use serde::forward_to_deserialize_any;
use toml::Spanned;
use toml::de::DeValue;

use self::access::{ATable, Attempt, Elements, Entries, OneOf, Word};
use self::fault::Fault;
use self::key::GO_ON;
pub(crate) use self::key::Key;
use super::complaints::Complaints;
use super::path::Path;

/// What this value says; `None` where it is not of this shape at all. What is wrong has been complained of.
pub(super) fn read<'a, T: Deserialize<'a>>(
    value: &'a Spanned<DeValue<'a>>,
    path: &Path<'_>,
    complaints: &Complaints<'_>,
) -> Option<T> {
    Key::deserialize(Reader { value, path, complaints }).ok().and_then(|Key(read)| read)
}

/// One value, to be read.
#[derive(Clone, Copy)]
struct Reader<'a, 'p> {
    value: &'a Spanned<DeValue<'a>>,
    path: &'p Path<'p>,
    complaints: &'p Complaints<'p>,
}

impl<'a> Reader<'a, '_> {
    fn visit<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.value.get_ref() {
            DeValue::String(text) => visitor.visit_borrowed_str(text),
            DeValue::Integer(digits) => match i64::from_str_radix(digits.as_str(), digits.radix()) {
                Ok(number) => visitor.visit_i64(number),
                Err(_) => Err(Fault::invalid_type(Unexpected::Other(digits.as_str()), &visitor)),
            },
            DeValue::Float(float) => match float.as_str().parse() {
                Ok(number) => visitor.visit_f64(number),
                Err(_) => Err(Fault::invalid_type(Unexpected::Other(float.as_str()), &visitor)),
            },
            DeValue::Boolean(is) => visitor.visit_bool(*is),
            DeValue::Datetime(_) => Err(Fault::invalid_type(Unexpected::Other("a date"), &visitor)),
            DeValue::Array(elements) => visitor.visit_seq(Elements::of(self, elements)),
            DeValue::Table(table) => visitor.visit_map(Entries::of(self, table)),
        }
    }

    fn placed<T>(self, read: Result<T, Fault>) -> Result<T, Fault> {
        read.map_err(|fault| fault.at(self.value.span().start, self.path))
    }
}

impl<'de> Deserializer<'de> for Reader<'de, '_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.placed(self.visit(visitor))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Fault> {
        if name == GO_ON { visitor.visit_seq(Attempt(Some(self))) } else { visitor.visit_newtype_struct(self) }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.placed(match self.value.get_ref() {
            DeValue::String(word) => visitor.visit_enum(Word(word)),
            _ => self.visit(OneOf(known)).map(|never| match never {}),
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.placed(match self.value.get_ref() {
            DeValue::Table(table) => visitor.visit_map(Entries::known(self, table, known)),
            _ => self.visit(ATable).map(|never| match never {}),
        })
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let expected = "expected a list, not a table; each table of a list has its name in double brackets";
        self.placed(match self.value.get_ref() {
            DeValue::Table(_) => Err(Fault::custom(expected)),
            _ => self.visit(visitor),
        })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let expected = "expected a table, not a list; each has its name behind a dot, in single brackets";
        self.placed(match self.value.get_ref() {
            DeValue::Array(tables) if tables.iter().any(|table| table.get_ref().is_table()) => {
                Err(Fault::custom(expected))
            }
            _ => self.visit(visitor),
        })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        tuple tuple_struct identifier ignored_any
    }
}
