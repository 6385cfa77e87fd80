//! What is told of a request, beside its answer: whether it is true, and whether all who tell agree.

mod alerts;
mod calls;
mod counts;
mod guard;
mod hostile;
mod ledger;
mod metrics;
mod page;
mod three_hops;
mod traces;
