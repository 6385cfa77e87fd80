//! The layers together.

mod contracts;
mod expiry_phase;
mod forwarding;
mod stacked;
mod traits;
