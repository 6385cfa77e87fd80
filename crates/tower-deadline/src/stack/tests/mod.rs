//! The layers together.

mod assured;
mod contracts;
mod differential;
mod expiry_phase;
mod forwarding;
mod leaks;
mod parts;
mod stacked;
mod traits;
mod unbounded;
