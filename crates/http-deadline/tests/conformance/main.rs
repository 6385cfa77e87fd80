//! The dialects against their specification: shared vectors, properties over the whole range, allocations.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod allocations;
mod properties;
mod vectors;
