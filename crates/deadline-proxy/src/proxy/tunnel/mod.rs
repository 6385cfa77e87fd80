//! Tunnels: WebSocket, and what else a route allows.
//!
//! Covers a request of HTTP/1.1 that upgrades (RFC 9110 §7.8), and WebSocket by HTTP/2's extended CONNECT (RFC 8441),
//! which goes on to the upstream as an upgrade of HTTP/1.1. The handshake is checked in both directions (R32); then bytes
//! go both ways, and the end of one way is passed on while the other goes on.
//!
//! The handshake is a request like any other, and under its deadline. What comes after is not (R17): a tunnel has an
//! idle limit and, if wanted, a limit of its own lifetime. Both, and a shutdown, end it cleanly: what was read is
//! written, then both sides are told that nothing more comes. How many there may be is limited here, because a connection
//! that has become a tunnel is counted nowhere else.
//!
//! Does not look at what goes through a tunnel: no frame is read, and no WebSocket is closed by a frame of ours. Does not
//! carry plain CONNECT, and no extended CONNECT but for WebSocket: 501. A side is not told
//! a tunnel that broke off from one that ended, because hyper resets neither; WebSocket has a frame that says so.
//!
//! # Where it stands
//!
//! Outside of [`HopByHopLayer`](tower_deadline::HopByHopLayer), which is given the same
//! [`UpgradePolicy`](tower_deadline::UpgradePolicy) and writes the fields of the upgrade; inside of
//! [`DeadlineLayer`](tower_deadline::DeadlineLayer). The server and the client of hyper must serve with upgrades, and
//! the server of HTTP/2 must enable the protocol of extended CONNECT.

mod connect;
mod join;
mod open;
mod service;
mod settings;
#[cfg(test)]
mod tests;
mod websocket;

pub use self::open::Tunnels;
pub use self::service::Opener;
pub(super) use self::service::{Handshake, Switched};
pub use self::settings::{Error, Settings};
