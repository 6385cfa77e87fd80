//! Why there is no server.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;
use std::{error, fmt, io};

use super::Missing;

/// Why a throw-away server could not be had. Each message says what was tried, and where.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Its programs are not installed.
    Missing(Missing),
    /// The caller is root, the server may not be, and `/etc/passwd` has no account for it.
    NoAccount,
    /// Something in its folder could not be made, written or read.
    Folder {
        /// What.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A program could not be run.
    Run {
        /// Which.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A program ended before it did what it was started for.
    Ended {
        /// Which.
        program: PathBuf,
        /// How.
        status: ExitStatus,
        /// The end of what it said.
        said: String,
    },
    /// The server runs, and takes no connections.
    NotReady {
        /// How long it was waited for.
        waited: Duration,
        /// The end of its log.
        said: String,
    },
}

impl Error {
    pub(super) fn folder(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        |source| Self::Folder { path, source }
    }

    pub(super) fn run(program: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let program = program.into();
        |source| Self::Run { program, source }
    }
}

impl From<Missing> for Error {
    fn from(missing: Missing) -> Self {
        Self::Missing(missing)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(missing) => missing.fmt(f),
            Self::NoAccount => f.write_str(
                "PostgreSQL does not run as root, and /etc/passwd has neither `postgres` nor `nobody`: add one of them, \
                 or run this as somebody else",
            ),
            Self::Folder { path, source } => write!(f, "the server's folder: {}: {source}", path.display()),
            Self::Run { program, source } => write!(f, "{} cannot be run: {source}", program.display()),
            Self::Ended { program, status, said } => write!(f, "{} ended, {status}: {said}", program.display()),
            Self::NotReady { waited, said } => {
                write!(f, "the server took no connections within {waited:?}; the end of its log: {said}")
            }
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Folder { source, .. } | Self::Run { source, .. } => Some(source),
            Self::Missing(_) | Self::NoAccount | Self::Ended { .. } | Self::NotReady { .. } => None,
        }
    }
}
