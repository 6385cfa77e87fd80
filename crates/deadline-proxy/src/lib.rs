//! A reverse proxy that makes deadlines real, and a demo that shows it.
//!
//! Covers the composition of the layers of `tower-deadline` into one binary: listeners, upstream clients, an
//! admin listener, the command line. Adds no rule of its own about deadlines: those are in the floors below.
//!
//! # Example
//!
//! ```
//! use deadline_proxy::limits::Limits;
//! use deadline_proxy::proxy::{Proxy, Settings};
//! use deadline_proxy::serve::{Terms, serve};
//! use deadline_proxy::upstream::{self, Pools};
//! use std::time::Duration;
//! use tower_deadline::Policy;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let upstream = upstream::Settings::new(["http://127.0.0.1:3000".parse()?]);
//! let policy = Policy::new().default_timeout(Duration::from_secs(3));
//! let settings = Settings { hop: "edge".to_owned(), ..Settings::new(upstream).policy(policy) };
//! let proxy = Proxy::new(&settings, &Limits::default())?;
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let stop = async { /* a signal, as a rule */ };
//! serve(listener, proxy.service(&Pools::new(1)), Terms::default(), stop).await;
//! # Ok(())
//! # }
//! ```

pub mod access;
pub mod admin;
pub mod attempt;
mod called;
pub mod check;
pub mod cli;
pub mod client;
pub mod config;
mod count;
pub mod demo;
pub mod dry_run;
pub mod duration;
pub mod error;
pub mod explain;
mod fleeting;
pub mod forward;
pub mod front;
pub mod limits;
pub mod listen;
mod log;
mod look_alike;
mod noted;
pub mod peers;
pub mod proxy;
pub mod route;
pub mod run;
mod secret;
pub mod serve;
pub mod settings;
pub mod shutdown;
pub mod traces;
pub mod upstream;
pub mod worker;

pub use self::count::describe_metrics;
