//! Real sockets, real clients.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod demo;
mod deploy;
mod examples;
mod house;
mod observe;
mod proxy;
mod sql;
mod support;
mod wire;
