//! Names of policies, made once and copied freely.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

static NAMES: Mutex<BTreeMap<&'static str, PolicyName>> = Mutex::new(BTreeMap::new());

/// The name of a [`Policy`](crate::Policy).
///
/// A deadline is `Copy` and names the policy that set it, so the text behind a name is kept for the life of
/// the process, once for each different name: reloading a configuration with the same names adds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
// One word, for it goes wherever a deadline goes.
pub struct PolicyName(&'static &'static str);

impl PolicyName {
    /// What no route names.
    pub const DEFAULT: Self = Self(&"default");

    /// The name for this text.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = names.get(name) {
            return *known;
        }
        let kept: &'static str = Box::leak(Box::from(name));
        let name = Self(Box::leak(Box::new(kept)));
        names.insert(kept, name);
        name
    }

    /// The text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_is_kept_once() {
        let (first, second) = (PolicyName::new("payment"), PolicyName::new("payment"));
        assert!(std::ptr::eq(first.as_str(), second.as_str()));
        assert_ne!(first, PolicyName::new("report"));
    }

    #[test]
    fn the_default_equals_its_own_text() {
        assert_eq!(PolicyName::new("default"), PolicyName::DEFAULT);
    }
}
