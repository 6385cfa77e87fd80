//! How what is scripted fails.

use std::error::Error;
use std::fmt;

/// The error of everything that is scripted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScriptedError;

impl fmt::Display for ScriptedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("failed as scripted")
    }
}

impl Error for ScriptedError {}
