//! One proxy under one load: what it cost, and whether that can be compared.

use super::load::Answered;
use super::proc::Cpu;

/// A proxy with less of its core than this waited for others: what it cost then is not what it costs.
const SATURATED: f64 = 0.9;

/// Of one round.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) cpu: Cpu,
    /// Seconds that the load took.
    pub(super) wall: f64,
    /// Cores that the proxy was to fill, where it was to.
    pub(super) cores: Option<usize>,
    pub(super) answered: Answered,
}

impl Sample {
    /// Microseconds of a core for one request.
    pub(super) fn each(&self) -> f64 {
        self.cpu.total() * 1e6 / self.answered.answered.max(1) as f64
    }

    /// Of its cores, what it had.
    pub(super) fn share(&self) -> Option<f64> {
        self.cores.map(|cores| self.cpu.total() / (self.wall * cores as f64))
    }

    /// Why no ratio is made of it, in words.
    pub(super) fn fault(&self) -> Option<String> {
        let Answered { answered, errors, .. } = self.answered;
        if errors > 0 {
            return Some(format!("{errors} of {} requests were errors", answered + errors));
        }
        if answered == 0 {
            return Some("nothing was answered".to_owned());
        }
        let share = self.share().filter(|share| *share < SATURATED);
        share.map(|share| format!("it had {share:.2} of its core, {SATURATED} is wanted"))
    }

    pub(super) fn has_errors(&self) -> bool {
        self.answered.errors > 0 || self.answered.answered == 0
    }

    #[cfg(test)]
    pub(super) fn made(total: f64, answered: u64, errors: u64) -> Self {
        let answered = Answered { answered, errors, each_second: answered as f64, p50: Some(1.0), p99: None };
        Self { cpu: Cpu::ticked(total / 4.0, total * 0.75), wall: 1.0, cores: Some(1), answered }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_costs_its_share_of_the_time_on_the_core() {
        let sample = Sample::made(0.95, 95_000, 0);
        assert!((sample.each() - 10.0).abs() < 1e-9 && sample.share() == Some(0.95));
        assert_eq!(sample.fault(), None);
        let two = Sample { cores: Some(2), ..sample };
        assert!(two.fault().is_some_and(|fault| fault.contains("0.47 of its core")), "{:?}", two.fault());
    }

    #[test]
    fn errors_and_a_core_that_was_idle_are_told() {
        for (sample, told) in [
            (Sample::made(0.95, 10, 2), "2 of 12 requests were errors"),
            (Sample::made(0.95, 0, 0), "nothing was answered"),
            (Sample::made(0.89, 10, 0), "it had 0.89 of its core, 0.9 is wanted"),
        ] {
            assert_eq!(sample.fault().as_deref(), Some(told));
        }
        assert_eq!(Sample::made(0.9, 10, 0).fault(), None);
    }
}
