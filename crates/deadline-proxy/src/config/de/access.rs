//! What a list, a table and a word are made of.

use std::convert::Infallible;
use std::fmt;
use std::iter::Enumerate;
use std::slice;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, EnumAccess, Error, MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Reader;
use super::fault::{Fault, words};

type Value<'a> = &'a Spanned<DeValue<'a>>;
type Entry<'a> = (&'a str, Value<'a>);

/// A value that is read, or complained of.
pub(super) struct Attempt<'a, 'p>(pub(super) Option<Reader<'a, 'p>>);

impl<'a> SeqAccess<'a> for Attempt<'a, '_> {
    type Error = Fault;

    fn next_element_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        let Some(reader) = self.0.take() else { return Ok(None) };
        match seed.deserialize(reader) {
            Ok(read) => Ok(Some(read)),
            Err(fault) => {
                fault.tell(reader.complaints);
                Ok(None)
            }
        }
    }
}

/// The elements of a list.
pub(super) struct Elements<'a, 'p> {
    reader: Reader<'a, 'p>,
    rest: Enumerate<slice::Iter<'a, Spanned<DeValue<'a>>>>,
}

impl<'a, 'p> Elements<'a, 'p> {
    pub(super) fn of(reader: Reader<'a, 'p>, elements: &'a [Spanned<DeValue<'a>>]) -> Self {
        Self { reader, rest: elements.iter().enumerate() }
    }
}

impl<'a> SeqAccess<'a> for Elements<'a, '_> {
    type Error = Fault;

    fn next_element_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        let Some((nth, value)) = self.rest.next() else { return Ok(None) };
        let Reader { path, complaints, .. } = self.reader;
        seed.deserialize(Reader { value, path: &path.element(nth), complaints }).map(Some)
    }
}

/// The entries of a table.
pub(super) struct Entries<'a, 'p> {
    reader: Reader<'a, 'p>,
    rest: Box<dyn Iterator<Item = Entry<'a>> + 'a>,
    /// Of the key that was read last.
    value: Option<Entry<'a>>,
}

impl<'a, 'p> Entries<'a, 'p> {
    pub(super) fn of(reader: Reader<'a, 'p>, table: &'a DeTable<'a>) -> Self {
        let rest = Box::new(table.iter().map(|(key, value)| (key.get_ref().as_ref(), value)));
        Self { reader, rest, value: None }
    }

    /// Those with these keys. Of each other it is complained that it is not known.
    pub(super) fn known(reader: Reader<'a, 'p>, table: &'a DeTable<'a>, known: &'static [&'static str]) -> Self {
        for key in table.keys().map(|key| key.get_ref()).filter(|key| !known.contains(&key.as_ref())) {
            reader.complaints.unknown_key(&reader.path.key(key), (key, known));
        }
        let all = Self::of(reader, table);
        Self { rest: Box::new(all.rest.filter(|(key, _)| known.contains(key))), ..all }
    }
}

impl<'a> MapAccess<'a> for Entries<'a, '_> {
    type Error = Fault;

    fn next_key_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        self.value = self.rest.next();
        let Some((key, _)) = self.value else { return Ok(None) };
        seed.deserialize(BorrowedStrDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        let Some((key, value)) = self.value.take() else { return Err(Fault::custom("expected a key before a value")) };
        let Reader { path, complaints, .. } = self.reader;
        seed.deserialize(Reader { value, path: &path.key(key), complaints })
    }
}

/// A variant without content.
pub(super) struct Word<'a>(pub(super) &'a str);

impl<'a> EnumAccess<'a> for Word<'a> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'a>>(self, seed: S) -> Result<(S::Value, Self), Fault> {
        seed.deserialize(BorrowedStrDeserializer::new(self.0)).map(|variant| (variant, self))
    }
}

impl<'a> VariantAccess<'a> for Word<'a> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'a>>(self, _: S) -> Result<S::Value, Fault> {
        Err(Fault::custom("expected a word alone"))
    }

    fn tuple_variant<V: Visitor<'a>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        Err(Fault::invalid_type(Unexpected::Str(self.0), &visitor))
    }

    fn struct_variant<V: Visitor<'a>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Fault> {
        Err(Fault::invalid_type(Unexpected::Str(self.0), &visitor))
    }
}

/// What takes nothing, and says that it expects one of these words.
pub(super) struct OneOf(pub(super) &'static [&'static str]);

impl Visitor<'_> for OneOf {
    type Value = Infallible;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&words(self.0))
    }
}

/// What takes nothing, and says that it expects a table.
pub(super) struct ATable;

impl Visitor<'_> for ATable {
    type Value = Infallible;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table")
    }
}
