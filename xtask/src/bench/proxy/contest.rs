//! Several proxies under the same load, by turns: A, B, C, and again.
//!
//! A ratio is taken within a round, where whatever else the machine does is most alike for both, and told as the median
//! over rounds. A round in which either had too little of its core makes no ratio, and is made up for by another one,
//! up to half as many again. One error of either, in whatever round, and there is no ratio.

use std::time::Instant;

use super::load::{self, Ask, Load};
use super::proc::{self, Cpu};
use super::process::Running;
use super::sample::Sample;
use super::setting::Setting;
use super::spread::Spread;
use crate::Outcome;

/// A proxy that is running.
pub(super) struct Contestant {
    pub(super) name: String,
    pub(super) running: Running,
    /// The first of its ports.
    pub(super) port: u16,
    /// How many cores it is to fill; none where it need not.
    pub(super) cores: Option<usize>,
}

/// What was seen of one proxy, round by round.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) samples: Vec<Sample>,
    /// KiB, at its highest.
    pub(super) peak: f64,
}

/// All of them under this load, for so many rounds.
pub(super) fn rounds(contestants: &[Contestant], ask: Ask, rounds: usize, setting: &Setting) -> Outcome<Vec<Series>> {
    let mut series: Vec<Series> = contestants.iter().map(|of| Series::new(&of.name)).collect();
    for contestant in contestants {
        // Connections to the upstream are made, and pages of memory are had.
        contestant.sample(ask, 1, setting)?;
    }
    for round in 0..rounds + rounds / 2 {
        if round >= rounds && series.iter().all(|series| series.good() >= rounds) {
            break;
        }
        for (contestant, series) in contestants.iter().zip(&mut series) {
            series.samples.push(contestant.sample(ask, setting.options.seconds, setting)?);
        }
        // Errors do not go away by trying again.
        if series.iter().any(|series| series.samples.iter().any(Sample::has_errors)) {
            break;
        }
    }
    for (contestant, series) in contestants.iter().zip(&mut series) {
        series.peak = proc::peak(&contestant.running.pids())?;
    }
    Ok(series)
}

impl Contestant {
    fn sample(&self, ask: Ask, seconds: u64, setting: &Setting) -> Outcome<Sample> {
        let (folder, helper) = (&setting.folder, &setting.helper("load"));
        let load = Load { seconds, connections: setting.options.connections, folder, helper };
        let command = ask.command(self.port + ask.entrance(), load)?;
        let pids = self.running.pids();
        let (before, start) = (Cpu::of(&pids)?, now());
        let answered = load::run(&command, &setting.rest)?;
        let wall = start.elapsed().as_secs_f64();
        Ok(Sample { cpu: Cpu::of(&pids)? - before, wall, cores: self.cores, answered })
    }
}

#[expect(clippy::disallowed_methods, reason = "it measures other programs; no test pauses this clock")]
pub(super) fn now() -> Instant {
    Instant::now()
}

impl Series {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), samples: Vec::new(), peak: 0.0 }
    }

    fn good(&self) -> usize {
        self.samples.iter().filter(|sample| sample.fault().is_none()).count()
    }

    /// Of one figure of each round.
    pub(super) fn spread(&self, figure: impl Fn(&Sample) -> Option<f64>) -> Option<Spread> {
        Spread::of(self.samples.iter().filter_map(figure))
    }

    /// Microseconds of a core for one request.
    pub(super) fn each(&self) -> Option<Spread> {
        self.spread(|sample| Some(sample.each()))
    }

    /// What a request costs here, of what it costs there; or why that is not told.
    pub(super) fn ratio(&self, to: &Self) -> Outcome<Spread> {
        let faults: Vec<String> = [self, to].iter().filter_map(|series| series.fault()).collect();
        if !faults.is_empty() {
            return Err(faults.join("; "));
        }
        let rounds = self.samples.iter().zip(&to.samples);
        let good = rounds.filter(|(ours, theirs)| ours.fault().is_none() && theirs.fault().is_none());
        let ratios = good.map(|(ours, theirs)| ours.each() / theirs.each());
        Spread::of(ratios).ok_or_else(|| format!("{} and {}: no round was good for both", self.name, to.name))
    }

    /// Why nothing is compared with it: an error in one round, or less than its core in a third of them.
    pub(super) fn fault(&self) -> Option<String> {
        let Self { name, samples, .. } = self;
        let error = samples.iter().find(|sample| sample.has_errors()).and_then(Sample::fault);
        if let Some(error) = error {
            return Some(format!("{name}: {error}"));
        }
        let bad = samples.len() - self.good();
        let why = samples.iter().find_map(Sample::fault).filter(|_| bad * 3 > samples.len())?;
        Some(format!("{name}: {why}, in {bad} of {} rounds", samples.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str, samples: &[Sample]) -> Series {
        Series { samples: samples.to_vec(), ..Series::new(name) }
    }

    #[test]
    fn a_ratio_is_the_median_of_those_within_a_round() {
        // A machine that is half as fast in the second round, for both.
        let nginx =
            series("nginx", &[(1.0, 100_000), (1.0, 50_000), (1.0, 100_000)].map(|(t, n)| Sample::made(t, n, 0)));
        let ours = series("ours", &[(1.0, 80_000), (1.0, 40_000), (1.0, 100_000)].map(|(t, n)| Sample::made(t, n, 0)));
        let ratio = ours.ratio(&nginx).unwrap();
        assert_eq!((format!("{:.3}", ratio.median), ratio.rounds), ("1.250".to_owned(), 3));
    }

    #[test]
    fn one_error_in_whatever_round_refuses_the_ratio() {
        let good = series("nginx", &[Sample::made(1.0, 10, 0), Sample::made(1.0, 10, 0)]);
        let bad = series("ours", &[Sample::made(1.0, 10, 0), Sample::made(1.0, 10, 1)]);
        let told = "ours: 1 of 11 requests were errors";
        assert_eq!(bad.ratio(&good).unwrap_err(), told);
        assert_eq!(good.ratio(&bad).unwrap_err(), told);
    }

    #[test]
    fn rounds_without_a_core_are_left_out_and_too_many_of_them_refuse_the_ratio() {
        let (full, starved) = (Sample::made(1.0, 10, 0), Sample::made(0.5, 10, 0));
        let good = series("nginx", &[full.clone(), full.clone(), full.clone()]);
        let once = series("ours", &[full.clone(), starved.clone(), full.clone()]);
        assert_eq!((once.fault(), once.ratio(&good).unwrap().rounds), (None, 2));
        let often = series("ours", &[full, starved.clone(), starved]);
        let told = "ours: it had 0.50 of its core, 0.9 is wanted, in 2 of 3 rounds";
        assert_eq!(often.ratio(&good).unwrap_err(), told);
        assert_eq!(series("a", &[]).ratio(&series("b", &[])).unwrap_err(), "a and b: no round was good for both");
    }
}
