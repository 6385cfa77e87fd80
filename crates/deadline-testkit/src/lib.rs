//! Scripted bodies, services and probes, for the tests of the deadline crates.
//!
//! Covers what a test needs to see from the outside of a layer: a [`ScriptedBody`] that does poll by poll what
//! it was told, a [`ScriptedService`] whose readiness a [`Gate`] decides, and probes that remember what was
//! done to them. Does not know a runtime, nor any of the layers under test.

mod body_probe;
mod gate;
mod probe;
mod scripted_body;
mod scripted_error;
mod scripted_service;

pub use self::body_probe::BodyProbe;
pub use self::gate::Gate;
pub use self::probe::{Probe, Probed};
pub use self::scripted_body::{ScriptedBody, Step};
pub use self::scripted_error::ScriptedError;
pub use self::scripted_service::ScriptedService;
