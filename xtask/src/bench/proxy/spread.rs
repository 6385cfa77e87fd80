//! Medians, and how far figures lie from them.

use std::fmt;

/// Of the figures of several rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) low: f64,
    pub(super) median: f64,
    pub(super) high: f64,
    pub(super) rounds: usize,
}

impl Spread {
    /// The median between the quartiles; nothing where there is no figure.
    pub(super) fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let at = |share| quantile(&figures, share);
        Some(Self { low: at(0.25)?, median: at(0.5)?, high: at(0.75)?, rounds: figures.len() })
    }

    /// With so many digits after the point.
    pub(super) fn shown(&self, digits: usize) -> String {
        let Self { low, median, high, .. } = self;
        format!("{median:.digits$} ({low:.digits$}–{high:.digits$})")
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown(2))
    }
}

/// Between the two figures that lie beside it.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let at = share * (sorted.len().checked_sub(1)?) as f64;
    let (below, above) = (sorted.get(at.floor() as usize)?, sorted.get(at.ceil() as usize)?);
    Some(below + (above - below) * at.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_lies_between_its_quartiles() {
        assert_eq!(Spread::of([]), None);
        let one = Spread::of([7.0]).unwrap();
        assert_eq!((one.low, one.median, one.high, one.rounds), (7.0, 7.0, 7.0, 1));
        let five = Spread::of([5.0, 1.0, 4.0, 2.0, 3.0]).unwrap();
        assert_eq!(five.shown(0), "3 (2–4)");
        assert_eq!(Spread::of([1.0, 2.0]).unwrap().to_string(), "1.50 (1.25–1.75)");
    }
}
