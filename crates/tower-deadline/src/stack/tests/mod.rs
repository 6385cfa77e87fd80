//! The layers together.

mod expiry_phase;
mod forwarding;
mod stacked;
mod traits;
