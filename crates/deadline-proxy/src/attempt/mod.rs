//! Attempts: which upstreams are called for one request, how often, and when no more (R22, R23, R38).

mod settings;

pub use self::settings::{Budget, End, Link, Outcome, Settings};
