//! What is counted, and what the paper says of it.

use std::collections::BTreeMap;
use std::sync::Mutex;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

use super::*;

/// What each count is told to be.
#[derive(Debug, Default)]
struct Described(Mutex<BTreeMap<String, Told>>);

#[derive(Clone, Debug, PartialEq)]
struct Told {
    kind: &'static str,
    unit: Option<Unit>,
    what: String,
}

impl Described {
    fn note(&self, kind: &'static str, name: &KeyName, unit: Option<Unit>, what: &SharedString) {
        let told = Told { kind, unit, what: what.to_string() };
        let before = self.0.lock().unwrap().insert(name.as_str().to_owned(), told);
        assert_eq!(before, None, "{} is described once", name.as_str());
    }
}

impl Recorder for Described {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, what: SharedString) {
        self.note("counter", &name, unit, &what);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, what: SharedString) {
        self.note("gauge", &name, unit, &what);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, what: SharedString) {
        self.note("histogram", &name, unit, &what);
    }

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

fn described() -> BTreeMap<String, Told> {
    let described = Described::default();
    metrics::with_local_recorder(&described, describe_metrics);
    described.0.into_inner().unwrap()
}

/// The names and kinds of a table of the paper, but for those of another crate.
fn rows(paper: &str) -> BTreeMap<String, String> {
    let rows = paper.lines().filter(|line| line.starts_with("| `deadline_"));
    let row = |line: &str| {
        let mut cells = line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned());
        cells.next().zip(cells.next())
    };
    rows.filter_map(row).filter(|(name, _)| !name.starts_with("deadline_sql_")).collect()
}

#[test]
fn the_paper_has_every_count_and_no_other() {
    let paper = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md")).unwrap();
    let counts: BTreeMap<_, _> = described().into_iter().map(|(name, told)| (name, told.kind.to_owned())).collect();
    assert_eq!(rows(&paper), counts);
}

#[test]
fn every_count_has_the_unit_of_its_name_and_says_what_it_is() {
    for (name, Told { kind, unit, what }) in described() {
        let expected = if name.ends_with("_seconds") { Unit::Seconds } else { Unit::Count };
        assert_eq!((unit, name.ends_with("_total")), (Some(expected), kind == "counter"), "{name}");
        assert_eq!(kind == "histogram", name.ends_with("_seconds"), "{name}");
        assert!(what.ends_with('.') && what.len() > 20 && !what.contains(['\n', '\\']), "{name}: {what}");
    }
}

#[test]
fn a_second_installation_is_the_first() {
    let (first, second) = (install().unwrap(), install().unwrap());
    first.fold();
    assert!(second.text().is_ascii());
}

#[test]
fn how_late_something_is_has_bounds_of_its_own() {
    let told = told(|| {
        metrics::histogram!("deadline_overrun_seconds").record(0.000_2);
        metrics::histogram!("deadline_budget_seconds").record(0.000_2);
    });
    assert!(told.contains("deadline_overrun_seconds_bucket{le=\"0.0001\"} 0\n"), "{told}");
    assert!(told.contains("deadline_budget_seconds_bucket{le=\"0.0005\"} 1\n"), "{told}");
    for bounds in [&SECONDS[..], &LATE] {
        assert!(bounds.windows(2).all(|two| two[0] < two[1]), "{bounds:?}");
    }
    let fine = SECONDS.windows(2).filter(|two| two[1] <= 0.5);
    assert!(fine.clone().all(|two| two[1] <= 2.0 * two[0]) && fine.count() > 10);
}
