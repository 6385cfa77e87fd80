//! What the hops have told in the `Server-Timing` of an answer, put onto the axis of its client.
//!
//! Covers the hops that answer over HTTP: each begins where the one before it has sent its call, as any script would draw
//! them. What nobody tells there stays as the demo has recorded it: the field that the next hop received, the database, and
//! everything of a request without an answer.

use std::time::Duration;

use tower_deadline::dialect::server_timing::Entry;

use super::Hop;
use super::trace::Leg;

/// The legs as these entries tell them; the nearest hop is the last. Returns whether any does.
pub(super) fn retell(legs: &mut [Leg], entries: &[Entry]) -> bool {
    let mut arrived = Duration::ZERO;
    let mut is_told = false;
    for entry in entries.iter().rev() {
        let hop = Hop::from_name(entry.hop());
        if let Some(leg) = legs.iter_mut().find(|leg| Some(leg.hop) == hop) {
            is_told = true;
            (leg.arrived, leg.ended) = (arrived, Some(arrived + entry.took()));
            // A hop that refuses a request has granted nothing, and knows what it was asked for.
            leg.budget = entry.granted().or(leg.budget);
            leg.cause = entry.stop().map(|(_, cause)| cause);
        }
        arrived += entry.first_call().unwrap_or_default();
    }
    is_told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::trace::fixture::{MS, in_the_database};
    use tower_deadline::{Cause, Stage};

    #[test]
    fn each_hop_begins_where_the_one_before_it_made_its_call() {
        let mut legs = in_the_database().legs;
        let entries = [
            Entry::new("payments", 800 * MS).budget(850 * MS).stopped(Stage::Database, Cause::Deadline),
            Entry::new("cache", 900 * MS).sent(5 * MS),
            Entry::new("orders", 840 * MS).budget(950 * MS).sent(30 * MS),
            Entry::new("proxy", 842 * MS).budget(1_000 * MS).sent(2 * MS),
        ];
        assert!(retell(&mut legs, &entries));
        let told: Vec<_> =
            legs.iter().map(|leg| (leg.arrived, leg.ended.unwrap(), leg.budget.unwrap(), leg.cause)).collect();
        let stopped = Some(Cause::Deadline);
        assert_eq!(
            told,
            [
                (Duration::ZERO, 842 * MS, 1_000 * MS, None),
                (2 * MS, 842 * MS, 950 * MS, None),
                // Of a hop that the demo does not have, only the time is there.
                (37 * MS, 837 * MS, 850 * MS, stopped),
                // Nobody tells of the database but the demo.
                (44 * MS, 841 * MS, 797 * MS, stopped),
            ]
        );
        assert_eq!(legs[1].sent.as_deref(), Some("887ms"));
    }

    #[test]
    fn without_entries_it_is_what_was_recorded() {
        let (mut legs, before) = (in_the_database().legs, in_the_database().legs);
        assert!(!retell(&mut legs, &[]));
        assert_eq!(format!("{legs:?}"), format!("{before:?}"));
    }
}
