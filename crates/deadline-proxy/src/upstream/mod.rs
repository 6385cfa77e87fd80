//! The way out: a cluster of endpoints, and a pool of connections to them for each worker.
//!
//! Covers who is called (targets, names and their addresses, balance, health), the connections to them and their
//! bounds, and the form that a request has on each. Does not know routes, and decides nothing about deadlines: whoever
//! drops the future of a request cancels it, and leaves nothing behind.
//!
//! A [`Cluster`] is shared by all workers. A [`Pool`] belongs to one worker, and its connections do too: nothing of it
//! is shared between threads but the endpoints. The [`Pools`] of a worker outlive the settings that they were made for.
//! hyper-util's client keys its pool by strings and boxes its futures; this one is keyed by index, and boxes nothing
//! for a request.

mod body;
mod cluster;
mod connect;
mod dial;
mod endpoint;
mod error;
mod exchange;
mod form;
mod health;
mod host;
mod http1;
mod http2;
mod io;
mod lease;
mod names;
mod outgoing;
mod pems;
mod pick;
mod pool;
mod pooled;
mod pools;
mod send;
mod settings;
mod silence;
mod stand_in;
mod state;
mod status;
mod target;
mod telling;
#[cfg(test)]
mod tests;
mod tls;
mod vitals;

pub use self::body::PooledBody;
pub use self::cluster::Cluster;
pub use self::endpoint::Name;
pub use self::error::{Broke, Error, SendError};
pub(crate) use self::form::is_grpc;
pub(crate) use self::http1::{Switched, tell_lines};
pub(crate) use self::lease::Sent;
pub use self::names::Unresolved;
pub use self::outgoing::BodyFault;
pub use self::pool::Pool;
pub use self::pools::Pools;
pub(crate) use self::send::Anew;
pub use self::settings::{Balance, ClientTls, Ejection, HealthCheck, Protocol, Settings};
pub use self::silence::Allotted;
pub(crate) use self::stand_in::StandIn;
pub use self::status::{Health, Status};
pub use self::target::Target;
