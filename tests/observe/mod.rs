//! What is told of a request, beside its answer: whether it is true, and whether all who tell agree.

mod guard;
mod counts;
mod hostile;
mod metrics;
mod alerts;
mod page;
