//! Where the time of a request went, and who stopped it: what answers tell of both, over real sockets.

mod chain;
mod edge;
mod origin;
mod recipe;
mod spent;
