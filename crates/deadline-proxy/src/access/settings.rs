//! What is written of requests, and where to.

use std::path::PathBuf;

/// The share that is written of sampled requests where nobody says: one of a hundred shows what is usual, and costs a
/// busy proxy little.
pub const SAMPLE: f64 = 0.01;

/// What is written of requests.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// Of which requests; of none by default.
    pub what: What,
    /// In which form.
    pub format: Format,
    /// Where to.
    pub output: Output,
}

/// Which requests have a line.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum What {
    /// None.
    #[default]
    Off,
    /// This share of them, from 0 to 1, and each that [failed](super).
    Sampled(f64),
    /// Each.
    Full,
}

/// The form of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// `key=value`, for people and grep.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

/// Where lines go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// Standard output.
    #[default]
    Stdout,
    /// Standard error.
    Stderr,
    /// The end of this file.
    File(PathBuf),
}
