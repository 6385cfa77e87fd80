//! How long requests took, from the shortest to the longest.

use std::fmt;
use std::time::Duration;

/// Of one run.
#[derive(Debug, Default)]
pub(crate) struct Quantiles(Vec<Duration>);

impl Quantiles {
    pub(crate) fn add(&mut self, took: Duration) {
        self.0.push(took);
    }

    pub(crate) fn sort(&mut self) {
        self.0.sort_unstable();
    }

    /// In microseconds; zero where there was none.
    fn micros(&self, per_mille: usize) -> f64 {
        let at = (self.0.len() * per_mille / 1000).min(self.0.len().saturating_sub(1));
        self.0.get(at).map_or(0.0, |took| took.as_secs_f64() * 1e6)
    }
}

impl fmt::Display for Quantiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p90, p99, p999, max] = [500, 900, 990, 999, 1000].map(|per_mille| self.micros(per_mille));
        write!(f, "answered {} p50 {p50:.1} p90 {p90:.1} p99 {p99:.1} p999 {p999:.1} max {max:.1}", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_one_of_those_that_were_seen() {
        let mut quantiles = Quantiles::default();
        assert!(quantiles.to_string().starts_with("answered 0 p50 0.0"));
        (1..=1000).rev().for_each(|micros| quantiles.add(Duration::from_micros(micros)));
        quantiles.sort();
        assert_eq!(quantiles.to_string(), "answered 1000 p50 501.0 p90 901.0 p99 991.0 p999 1000.0 max 1000.0");
    }
}
