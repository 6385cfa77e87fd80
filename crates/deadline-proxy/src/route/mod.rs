//! Routes: which request is whose, and what it is held to.
//!
//! Covers what a route matches (host, path, method, fields), which of several routes a request takes, and what a route
//! says of it. Does not send anything: a route names upstreams, and [`attempt`](crate::attempt) calls them.

mod error;
mod matches;
mod router;
mod settings;
mod table;

pub use self::error::MatchError;
pub use self::matches::{FieldMatch, Host, Matches, PathMatch, Segment};
pub(crate) use self::router::Router;
pub use self::settings::{Rewrite, Route};
pub use self::table::Table;
