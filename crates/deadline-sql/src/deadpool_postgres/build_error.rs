//! Why there is no pool.

use std::fmt;

use deadpool::managed;

/// What cannot be built.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// deadpool does not take its settings.
    Pool(managed::BuildError),
    /// The configuration has startup options, which a pooler in transaction mode refuses, or drops without a word.
    StartupOptions,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pool(error) => error.fmt(f),
            Self::StartupOptions => f.write_str(
                "a pooler in transaction mode takes no startup options: take `options` out of the configuration, and \
                 set them for the role (`ALTER ROLE … SET …`)",
            ),
        }
    }
}

impl std::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Pool(error) => Some(error),
            Self::StartupOptions => None,
        }
    }
}
