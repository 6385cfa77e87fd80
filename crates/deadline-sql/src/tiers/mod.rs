//! Two tiers: a strict primary, and a soft replica.
//!
//! Covers what a service does beside its statements: how long the work of each tier may take, whether it is tried again,
//! and what stands for it where it failed. The limits are those of a [`Policy`](http_deadline::Policy), and hold within
//! the request's own deadline, whichever is the sooner. Does not choose a pool, and knows no database: the work is any
//! future, and its statements find their deadline in the ambient.
//!
//! | | [`Strict`] | [`Soft`] |
//! |---|---|---|
//! | for | writes, and reads that have to be right | reads that may be a little old, or left out |
//! | its deadline | the sooner one of `timeout` and the request's, less `reserve` (R21) | the same |
//! | what is reserved | the way back | the fallback |
//! | tried again | never | once, at once, if the error is [`Transient`] and `min` is left (R22) |
//! | a fallback | none | the caller's, up to the request's own deadline |
//!
//! Below `min`, or with nothing left, the work is not begun (R16). At the deadline of its tier it is dropped, and dropping
//! is cancelling (R15): a statement that runs then is stopped on the server. A policy that only observes sets no limit.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//!
//! use deadline_sql::Interrupted;
//! use deadline_sql::tiers::{Soft, Strict, Transient};
//! use http_deadline::Policy;
//!
//! #[derive(Debug)]
//! enum ShopError {
//!     Late(Interrupted),
//!     Replica,
//! }
//!
//! impl From<Interrupted> for ShopError {
//!     fn from(late: Interrupted) -> Self {
//!         Self::Late(late)
//!     }
//! }
//!
//! impl Transient for ShopError {
//!     fn is_transient(&self) -> bool {
//!         matches!(self, Self::Replica)
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), ShopError> {
//! # let order = async || Ok::<_, ShopError>(17);
//! # let advice = async || Err::<Vec<&str>, _>(ShopError::Replica);
//! let primary = Strict::new(Policy::new().named("payment").default_timeout(Duration::from_millis(300)));
//! let replica = Policy::new().named("replica-read").default_timeout(Duration::from_secs(2));
//! let replica = Soft::new(replica.reserve(Duration::from_millis(50)));
//!
//! let number = primary.run(order).await?;
//! let advised = replica.run(advice).or_else(async |_| Ok(vec!["what sells best"])).await?;
//! assert_eq!((number, advised), (17, vec!["what sells best"]));
//! # Ok(())
//! # }
//! ```

mod bounds;
mod soft;
mod strict;

pub use self::soft::{Reading, Soft};
pub use self::strict::Strict;

use crate::{DriverError, Error};

/// Whether the same read may succeed a moment later.
///
/// A deadline that passed is not transient, and an error that nobody knows is not either.
pub trait Transient {
    /// Whether it may.
    fn is_transient(&self) -> bool;
}

impl<E: DriverError> Transient for Error<E> {
    fn is_transient(&self) -> bool {
        Error::is_transient(self)
    }
}

#[cfg(test)]
mod tests;
