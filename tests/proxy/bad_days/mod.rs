//! Bad days: upstreams that die or stand still under load, and a proxy that goes on through all of it.

mod backend;
mod dying;
mod reloading;
mod soak;
mod standing_still;
