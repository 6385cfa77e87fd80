//! Who set the binding deadline.

use std::fmt;
use std::panic::Location;

use crate::{Dialect, PolicyName};

/// Who set the binding deadline: a header, a named policy, or a line of code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// A field of this dialect.
    Header(Dialect),
    /// The default or the cap of this policy.
    Policy(PolicyName),
    /// The line that made the deadline.
    Code(&'static Location<'static>),
}

/// An [`Origin`] without its detail: the only form that goes into labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OriginKind {
    /// A header.
    Header,
    /// A policy.
    Policy,
    /// A line of code.
    Code,
}

impl Origin {
    /// The line that calls this function.
    #[must_use]
    #[track_caller]
    pub fn code() -> Self {
        Self::Code(Location::caller())
    }

    /// Which of the three it is.
    #[must_use]
    pub const fn kind(self) -> OriginKind {
        match self {
            Self::Header(_) => OriginKind::Header,
            Self::Policy(_) => OriginKind::Policy,
            Self::Code(_) => OriginKind::Code,
        }
    }

    /// Which dialect, policy or line. For logs and traces: in an answer it tells strangers about the inside.
    #[must_use]
    pub fn detail(&self) -> impl fmt::Display + '_ {
        Detail(self)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.detail())
    }
}

struct Detail<'a>(&'a Origin);

impl fmt::Display for Detail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Origin::Header(dialect) => f.write_str(dialect.as_str()),
            Origin::Policy(name) => f.write_str(name.as_str()),
            Origin::Code(line) => write!(f, "{}:{}", line.file(), line.line()),
        }
    }
}

impl OriginKind {
    /// The word for it, as it stands in answers, metrics and traces.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Policy => "policy",
            Self::Code => "code",
        }
    }

    /// The kind of this word, if it is one.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Header, Self::Policy, Self::Code].into_iter().find(|kind| kind.as_str() == word)
    }
}

impl fmt::Display for OriginKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_a_kind_and_a_detail() {
        let header = Origin::Header(Dialect::GrpcTimeout);
        assert_eq!(header.to_string(), "header grpc-timeout");
        let policy = Origin::Policy(PolicyName::new("payment"));
        assert_eq!(policy.to_string(), "policy payment");
        let (here, line) = (Origin::code(), line!());
        assert_eq!(here.detail().to_string(), format!("{}:{line}", file!()));
        assert_eq!(here.kind().as_str(), "code");
    }
}
