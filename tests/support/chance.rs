//! Chance that comes the same in every run.

use std::ops::Range;
use std::time::Duration;

/// A generator (SplitMix64), whose numbers follow from where it began.
pub(crate) struct Chance(u64);

/// How long real mirrors take: this share of their answers is there after so many microseconds.
const QUANTILES: [(f64, f64); 6] = [(0.0, 1e3), (0.5, 4e3), (0.9, 15e3), (0.99, 80e3), (0.999, 300e3), (1.0, 2_500e3)];

impl Chance {
    /// The chance of this part of something that began with `seed`.
    pub(crate) fn of(seed: u64, part: usize) -> Self {
        let part = u64::try_from(part).expect("a part is one of not so many");
        let mut chance = Self(seed ^ part.wrapping_mul(0xa076_1d64_78bd_642f));
        chance.number();
        chance
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to 1, which it does not reach.
    pub(crate) fn share(&mut self) -> f64 {
        let high = u32::try_from(self.number() >> 32).expect("32 bits are left");
        f64::from(high) / 4_294_967_296.0
    }

    /// Whether something happens that happens in this share of all cases.
    pub(crate) fn happens(&mut self, share: f64) -> bool {
        self.share() < share
    }

    /// From `least` to below `most`, in milliseconds.
    pub(crate) fn millis(&mut self, range: Range<u64>) -> Duration {
        Duration::from_millis(range.start + self.number() % (range.end - range.start))
    }

    /// How long a mirror takes: much the same nearly always, and now and then for ever.
    pub(crate) fn latency(&mut self) -> Duration {
        let share = self.share();
        let above = QUANTILES.iter().position(|(upto, _)| share < *upto).expect("a share is below 1");
        let ((from, least), (upto, most)) = (QUANTILES[above - 1], QUANTILES[above]);
        let micros = least * (most / least).powf((share - from) / (upto - from));
        Duration::from_secs_f64(micros / 1e6)
    }
}

#[test]
fn latencies_are_those_of_mirrors_and_the_same_each_time() {
    let latencies = || {
        let mut latencies: Vec<_> = (0..20_000).map(|part| Chance::of(7, part).latency()).collect();
        latencies.sort();
        latencies
    };
    let sorted = latencies();
    assert_eq!(sorted, latencies());
    for (per_mille, least, most) in [(500, 3, 5), (900, 13, 17), (990, 65, 95), (999, 200, 450)] {
        let millis = sorted[sorted.len() / 1_000 * per_mille].as_millis();
        assert!((least..=most).contains(&millis), "{per_mille} per mille: {millis} ms");
    }
    assert!(sorted.last().is_some_and(|slowest| *slowest > Duration::from_secs(1)));
}
