//! The layers together.

mod contracts;
mod differential;
mod expiry_phase;
mod forwarding;
mod stacked;
mod traits;
