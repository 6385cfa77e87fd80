//! Routes: which request is whose, and what it is held to.
//!
//! Covers what a route matches (host, path, method, fields), which of several routes a request takes, and what a route
//! says of it. Does not send anything: a route names upstreams, and [`attempt`](crate::attempt) calls them.
//!
//! # Which is taken
//!
//! A route takes a request that meets all of its conditions. Of several that do, the most specific is taken:
//!
//! 1. by host: the very host, then the longest `*.` that it is under, then any;
//! 2. by path, one segment after the other: a fixed one before `{any}`; a whole path before a prefix, a longer prefix
//!    before a shorter one;
//! 3. one with a method before one without, and more fields before fewer;
//! 4. in the order in which they are written.
//!
//! So where the route of a path wants another method, a shorter prefix that takes it has the request, and where no
//! route of a host does, one of any host. `OPTIONS *` and CONNECT have no path: routes that name none take them. An
//! extended CONNECT (RFC 8441) has one.
//!
//! # What is not routed
//!
//! A path that could be read as another ([`Unclear`]) is refused with 400: an upstream would serve what its route did
//! not mean. It passes untouched where one route takes every path and rewrites none. What no route takes is a 404.

mod error;
mod host;
mod matches;
mod miss;
mod path;
mod rewrite;
mod router;
mod settings;
mod table;
mod taken;
#[cfg(test)]
pub(crate) mod tests;
mod tree;
mod words;

pub use self::error::MatchError;
pub use self::matches::{FieldMatch, Host, Matches, PathMatch, Segment};
pub use self::miss::Miss;
pub use self::path::Unclear;
pub(crate) use self::rewrite::Rewriter;
pub(crate) use self::router::Router;
pub use self::settings::{Named, Rewrite, Route};
pub use self::table::Table;
pub use self::taken::Taken;
