//! What the value of a single key can be.
//!
//! Each type reads its value, says what it expects where it gets another, and describes itself in the schema. None
//! knows its key.

mod limit;
mod number;
mod several;
mod text;
mod words;

pub(crate) use self::limit::Limit;
pub(crate) use self::number::{Count, Share, Whole};
pub(crate) use self::several::{OneOrMany, OrOff};
pub(crate) use self::text::{Secret, Text, Word};
pub(crate) use self::words::{CertifiedName, File, TargetText, Verb};
