//! The layers together.

mod contracts;
mod differential;
mod expiry_phase;
mod forwarding;
mod leaks;
mod stacked;
mod traits;
