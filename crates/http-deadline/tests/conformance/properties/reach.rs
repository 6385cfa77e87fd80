//! That the generators reach what they are meant for: a property over nothing always holds.
//!
//! Each test draws the same values at each run. The floors are about half of what was counted when they were
//! written.

use std::collections::HashSet;
use std::time::Duration;

use http_deadline::Dialect;
use http_deadline::dialect::MAX_TIMEOUT;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::damage::arbitrary;
use super::decode;
use super::fields::{self, parts, timeouts};
use super::grammar::{MAX_BYTES, valid};
use super::times::{ahead, edges, left, system_time, wall};

const RUNS: usize = 4_000;

fn drawn<S: Strategy>(strategy: S) -> impl Iterator<Item = S::Value> {
    let mut runner = TestRunner::deterministic();
    std::iter::repeat_with(move || strategy.new_tree(&mut runner).unwrap().current()).take(RUNS)
}

/// How many elements decoded to what.
#[derive(Debug, Default)]
struct Reached {
    malformed: usize,
    zero: usize,
    between: usize,
    saturated: usize,
}

impl Reached {
    fn of(dialect: Dialect, elements: impl Iterator<Item = (Vec<u8>, i128)>) -> Self {
        let mut reached = Self::default();
        for (element, wall) in elements {
            let decoded = decode(dialect, &element, wall).ok();
            // A limit that is none is written as a zero.
            *reached.place(decoded.map(Option::unwrap_or_default)) += 1;
        }
        reached
    }

    fn place(&mut self, decoded: Option<Duration>) -> &mut usize {
        match decoded {
            None => &mut self.malformed,
            Some(Duration::ZERO) => &mut self.zero,
            Some(MAX_TIMEOUT) => &mut self.saturated,
            Some(_) => &mut self.between,
        }
    }
}

/// Ten digits of milliseconds are no more than four months.
fn can_saturate(dialect: Dialect) -> bool {
    dialect != Dialect::ConnectTimeout
}

// R5
#[test]
fn arbitrary_bytes_are_a_number_often_enough() {
    for dialect in Dialect::ALL {
        let reached = Reached::of(dialect, drawn(arbitrary()).map(|bytes| (bytes, 0)));
        assert!(reached.malformed > 1_500, "{dialect} {reached:?}");
        assert!(reached.between > 120, "{dialect} {reached:?}");
        assert!(reached.zero > 0, "{dialect} {reached:?}");
        assert!(reached.saturated > 0 || !can_saturate(dialect), "{dialect} {reached:?}");
    }
}

// R5
#[test]
fn valid_elements_are_of_every_size() {
    for dialect in Dialect::ALL {
        let elements = drawn((valid(dialect), ahead()));
        let elements = elements.map(|(valid, ahead)| (valid.text.into_bytes(), valid.meaning.wall(ahead, 0)));
        let reached = Reached::of(dialect, elements);
        assert_eq!(reached.malformed, 0, "{dialect} {reached:?}");
        assert!(reached.between > 1_000, "{dialect} {reached:?}");
        assert!(reached.zero > 150, "{dialect} {reached:?}");
        assert!(reached.saturated > 30 || !can_saturate(dialect), "{dialect} {reached:?}");
    }
}

type Shape = fn(&str) -> bool;

/// Of a request timeout, each with the count it has to be above.
const SHAPES: [(&str, usize, Shape); 7] = [
    ("bare digits", 400, |text| units(text) == 0),
    ("two units", 400, |text| units(text) > 1),
    ("no whole part", 400, |text| text.starts_with('.')),
    ("a point and no fraction", 50, |text| text.contains('.') && fraction(text) == 0),
    ("a long fraction", 200, |text| fraction(text) > 18),
    ("leading zeros", 200, |text| text.starts_with("00")),
    ("as long as may be", 80, |text| text.len() == MAX_BYTES),
];

#[test]
fn valid_request_timeouts_are_of_every_shape() {
    let texts: Vec<String> = drawn(valid(Dialect::XRequestTimeout)).map(|valid| valid.text).collect();
    for (name, floor, is_so) in SHAPES {
        let count = texts.iter().filter(|text| is_so(text)).count();
        assert!(count > floor, "{name}: {count}");
    }
}

fn units(text: &str) -> usize {
    let numeric = |char: char| char.is_ascii_digit() || char == '.';
    text.split(numeric).filter(|unit| !unit.is_empty()).count()
}

/// The digits of the first fraction.
fn fraction(text: &str) -> usize {
    let after = text.split('.').nth(1).unwrap_or_default();
    after.chars().take_while(char::is_ascii_digit).count()
}

// R4
#[test]
fn every_edge_of_a_dialect_is_drawn() {
    let drawn: HashSet<Duration> = drawn(left()).collect();
    let missed: Vec<Duration> = edges().into_iter().filter(|edge| !drawn.contains(edge)).collect();
    assert!(missed.is_empty(), "{missed:?}");
}

// R4
#[test]
fn every_dialect_writes_at_times_and_at_times_does_not() {
    for dialect in Dialect::ALL {
        let encoded = drawn((left(), wall())).map(|(left, wall)| dialect.encode(left, system_time(wall)));
        let written = encoded.filter(Option::is_some).count();
        assert!((2_000..RUNS - 30).contains(&written), "{dialect}: {written}");
    }
}

// R6
#[test]
fn every_dialect_is_the_strictest_at_times() {
    let strictest = |(parts, wall): (Vec<_>, i128)| timeouts(&parts, wall).min_by_key(|(timeout, _)| *timeout);
    let winners: Vec<_> = drawn((parts(), fields::wall())).filter_map(strictest).collect();
    assert!(winners.len() < RUNS - 200, "at times there is no limit");
    for dialect in Dialect::ALL {
        let won = winners.iter().filter(|(_, winner)| *winner == dialect).count();
        assert!(won > 100, "{dialect}: {won}");
    }
}
