//! What keeps the access log from being written.

use std::path::PathBuf;
use std::{fmt, io};

/// The file of the access log cannot be opened.
#[derive(Debug)]
pub struct Error {
    pub(super) path: PathBuf,
    pub(super) source: io::Error,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, source } = self;
        write!(
            f,
            "cannot write the access log to {}: {source}; a file that can be appended to is expected",
            path.display()
        )
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
