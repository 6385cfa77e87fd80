//! Where a key stands, by the tables and lists around it.

use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

/// A key with the tables that it stands in. Each part borrows the one above it, so that it costs nothing as long as
/// nothing is wrong.
#[derive(Clone, Copy, Debug)]
pub(super) enum Path<'p> {
    Root,
    Key(&'p Path<'p>, &'p str),
    /// From 0.
    Element(&'p Path<'p>, usize),
}

/// Where a key and its value stand, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) key: Range<usize>,
    pub(super) value: Range<usize>,
}

impl Path<'_> {
    pub(super) fn key<'p>(&'p self, key: &'p str) -> Path<'p> {
        Path::Key(self, key)
    }

    pub(super) fn element(&self, nth: usize) -> Path<'_> {
        Path::Element(self, nth)
    }

    /// Where it stands in this text; the nearest around it, if it is not there itself.
    pub(super) fn place(&self, root: &Spanned<DeValue<'_>>) -> Place {
        self.find(root).1
    }

    /// Whether it is there.
    pub(super) fn is_in(&self, root: &Spanned<DeValue<'_>>) -> bool {
        self.find(root).0.is_some()
    }

    fn find<'t, 'i>(&self, root: &'t Spanned<DeValue<'i>>) -> (Option<&'t Spanned<DeValue<'i>>>, Place) {
        let (above, found) = match self {
            Self::Root => return (Some(root), Place { key: 0..0, value: 0..0 }),
            Self::Key(above, key) => {
                let (value, place) = above.find(root);
                let entry = value.and_then(|value| value.get_ref().as_table()?.get_key_value(*key));
                (place, entry.map(|(key, value)| (key.span(), value)))
            }
            Self::Element(above, nth) => {
                let (value, place) = above.find(root);
                let element = value.and_then(|value| value.get_ref().as_array()?.get(*nth));
                (place, element.map(|value| (value.span(), value)))
            }
        };
        match found {
            Some((key, value)) => (Some(value), Place { key, value: value.span() }),
            None => (None, above),
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Element(above, nth) => write!(f, "{above}[{}]", nth + 1),
            Self::Key(above, key) => {
                let is_bare =
                    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
                let separator = if matches!(above, Path::Root) { "" } else { "." };
                if is_bare { write!(f, "{above}{separator}{key}") } else { write!(f, "{above}{separator}{key:?}") }
            }
        }
    }
}
