//! The open stages of a journey, packed into one word: four bits each, the last entered lowest.
//!
//! Sixteen fit. Beyond that the oldest falls out, which only ever costs a label its precision: the stage
//! reported is the lowest, and a stage that fell out is not missed when it closes.

use crate::Stage;

const BITS: u32 = 4;
const MASK: u64 = 0xF;

/// `stage` entered.
pub(super) fn with(stages: u64, stage: Stage) -> u64 {
    stages << BITS | stage as u64
}

/// The last entry of `stage` taken out, wherever it stands.
pub(super) fn without(stages: u64, stage: Stage) -> u64 {
    let slots = (0..u64::BITS).step_by(BITS as usize);
    let Some(at) = slots.into_iter().find(|at| stages >> at & MASK == stage as u64) else {
        return stages;
    };
    let below = stages & !(u64::MAX << at);
    let above = stages.checked_shr(at + BITS).unwrap_or(0);
    above << at | below
}

/// The last stage entered.
pub(super) fn last(stages: u64) -> Option<Stage> {
    Stage::from_code((stages & MASK) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closes_in_any_order() {
        let open = [Stage::Queue, Stage::Upstream, Stage::Database].into_iter().fold(0, with);
        let open = without(open, Stage::Upstream);
        assert_eq!(last(open), Some(Stage::Database));
        let open = without(open, Stage::Database);
        assert_eq!(last(open), Some(Stage::Queue));
        assert_eq!(without(open, Stage::Queue), 0);
        assert_eq!(last(0), None);
    }

    #[test]
    fn holds_sixteen_and_forgets_the_oldest() {
        let full = (0..16).fold(with(0, Stage::Queue), |open, _| with(open, Stage::Upstream));
        assert_eq!(without(full, Stage::Queue), full, "fell out");
        let last_one = (0..15).fold(full, |open, _| without(open, Stage::Upstream));
        assert_eq!(last(last_one), Some(Stage::Upstream));
        assert_eq!(without(last_one, Stage::Upstream), 0);
    }

    #[test]
    fn takes_the_topmost_slot_out_without_a_trace() {
        let full = (0..15).fold(with(0, Stage::Queue), |open, _| with(open, Stage::Pool));
        let rest = without(full, Stage::Queue);
        assert_eq!(rest, (0..15).fold(0, |open, _| with(open, Stage::Pool)));
    }
}
