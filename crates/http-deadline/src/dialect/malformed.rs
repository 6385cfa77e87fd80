//! What stood in a field and should not have.

use std::error::Error;
use std::fmt;

use http::HeaderName;

use super::Dialect;

/// How much of a value is shown.
const SHOWN: usize = 64;

/// A field of a deadline dialect that does not follow its grammar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    dialect: Dialect,
    name: HeaderName,
    value: Box<[u8]>,
}

impl Malformed {
    pub(super) fn new(dialect: Dialect, name: HeaderName, value: &[u8]) -> Self {
        Self { dialect, name, value: value.get(..SHOWN).unwrap_or(value).into() }
    }

    /// The dialect of the field.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The name of the field.
    #[must_use]
    pub fn name(&self) -> &HeaderName {
        &self.name
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dialect, name, value } = self;
        write!(f, "{name}: \"{}\" is not {}", value.escape_ascii(), dialect.grammar())
    }
}

impl Error for Malformed {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_stood_where_and_what_was_expected() {
        let name = HeaderName::from_static("grpc-timeout");
        let malformed = Malformed::new(Dialect::GrpcTimeout, name.clone(), b"5\"\xff");
        assert_eq!(
            malformed.to_string(),
            r#"grpc-timeout: "5\"\xff" is not 1 to 8 digits and one of H, M, S, m, u, n"#
        );
        let long = Malformed::new(Dialect::GrpcTimeout, name, &[b'5'; 9_000]);
        assert!(long.to_string().len() < 200);
    }
}
