//! Scripted bodies, services and probes, for the tests of the deadline crates.
//!
//! Covers what a test needs to see from the outside of a layer: a [`ScriptedBody`] that does poll by poll what
//! it was told, a [`ScriptedService`] whose readiness a [`Gate`] decides, and probes that remember what was
//! done to them. And what can be asked of anybody's service, layer or body:
//!
//! | to be shown | by |
//! |---|---|
//! | it keeps to the contract of `Service` | [`Contract::assert_all`] |
//! | it keeps to the contract of `Body` | [`assert_body_keeps_contract`] |
//! | it passes another body exactly | [`assert_body_passes`] |
//! | it propagated the deadline | [`assert_propagated`] |
//! | it left no task, timer or connection behind | [`Leftovers::assert_none`] |
//! | it can cross threads, or cannot | [`implements!`] |
//!
//! Does not know any of the layers under test. Only [`Leftovers`] ask the runtime, how many tasks it has.

mod body_contract;
mod body_probe;
mod contract;
mod gate;
mod implements;
mod inner_service;
mod leftovers;
mod probe;
mod propagated;
mod scripted_body;
mod scripted_error;
mod scripted_service;

pub use self::body_contract::{Yielded, assert_body_keeps_contract, assert_body_passes};
pub use self::body_probe::BodyProbe;
pub use self::contract::{Contract, Readiness};
pub use self::gate::Gate;
pub use self::inner_service::{InnerService, Record};
pub use self::leftovers::{Counted, Left, Leftovers, Run};
pub use self::probe::{Probe, Probed};
pub use self::propagated::{SentProbe, assert_propagated};
pub use self::scripted_body::{ScriptedBody, Step};
pub use self::scripted_error::ScriptedError;
pub use self::scripted_service::ScriptedService;
