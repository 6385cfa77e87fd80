//! What is said of a value that is not what was expected, in the words of this house.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

use crate::config::complaints::Complaints;
use crate::config::path::Path;

/// Why a value cannot be read.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    said: String,
    /// A word that is none of those that are known.
    unknown: Option<(String, &'static [&'static str])>,
    /// The byte and the key that it is about, once they are known.
    place: Option<(usize, String)>,
}

impl Fault {
    /// About this value, if it is not about one within it.
    pub(super) fn at(mut self, at: usize, path: &Path<'_>) -> Self {
        self.place.get_or_insert_with(|| (at, path.to_string()));
        self
    }

    /// Complains of it.
    pub(super) fn tell(self, complaints: &Complaints<'_>) {
        let (at, key) = self.place.unwrap_or_default();
        match &self.unknown {
            Some((word, known)) => complaints.at_word(at, key, self.said, (word, known.iter().copied())),
            None => complaints.at(at, key, self.said),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(said: T) -> Self {
        Self { said: said.to_string(), unknown: None, place: None }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("expected {}, not {}", ours(expected), kind(found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        match found {
            Unexpected::Str(text) => Self::custom(format_args!("expected {expected}, not {text:?}")),
            Unexpected::Unsigned(number) => Self::custom(format_args!("expected {expected}, not {number}")),
            Unexpected::Signed(number) => Self::custom(format_args!("expected {expected}, not {number}")),
            Unexpected::Float(number) => Self::custom(format_args!("expected {expected}, not {number}")),
            other => Self::invalid_type(other, expected),
        }
    }

    fn unknown_variant(word: &str, known: &'static [&'static str]) -> Self {
        let unknown = Some((word.to_owned(), known));
        Self { unknown, ..Self::custom(format_args!("expected {}, not {word:?}", words(known))) }
    }
}

/// One of these words, in quotes.
pub(super) fn words(known: &[&str]) -> String {
    let quoted: Vec<_> = known.iter().map(|word| format!("{word:?}")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

/// What is expected, without serde's own words for it.
fn ours(expected: &dyn Expected) -> String {
    let expected = expected.to_string();
    match expected.as_str() {
        "a map" => "a table".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a boolean" => "true or false".to_owned(),
        _ => expected,
    }
}

/// What a value is, with its article.
fn kind(found: Unexpected<'_>) -> &str {
    match found {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a bare number",
        Unexpected::Str(_) => "a string",
        Unexpected::Seq => "a list",
        Unexpected::Map => "a table",
        Unexpected::Other(kind) => kind,
        _ => "this",
    }
}
