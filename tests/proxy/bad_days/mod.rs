//! Bad days: upstreams that die or stand still under load, and a proxy that goes on through all of it.

mod backend;
mod dying;
mod standing_still;
