//! The same scenario, run against the timeouts of `tower` and `tower_http` and against ours.
//!
//! The table is the one on the front page: what stands there is what was seen, so it cannot go stale. A peer that
//! changes, and a scenario that nobody runs, fail.

mod bodies;
mod head;

const FRONT_PAGE: &str = include_str!("../../../lib.rs");

/// What is compared, in the order of the columns.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Peer {
    Tower,
    TowerHttp,
    Ours,
}

/// A line of a table: the scenario, what is seen of the three, and why ours differs.
#[derive(Debug)]
struct Line<'a> {
    scenario: &'a str,
    seen: [&'a str; 3],
    why: &'a str,
}

/// The table on the front page whose first heading this is.
#[track_caller]
fn table(heading: &str) -> Vec<Line<'static>> {
    let lines = FRONT_PAGE.lines().map(|line| line.trim_start_matches("//!").trim());
    let table = lines.skip_while(|line| !line.starts_with(&format!("| {heading} |")));
    let lines = table.take_while(|line| line.starts_with('|')).skip(2).map(line).collect::<Vec<_>>();
    assert!(!lines.is_empty(), "the front page has no table of {heading}");
    lines
}

fn line(text: &str) -> Line<'_> {
    let cells: Vec<&str> = text.trim_matches('|').split('|').map(str::trim).collect();
    let &[scenario, tower, tower_http, ours, why] = &*cells else { panic!("not five cells: {text}") };
    Line { scenario, seen: [tower, tower_http, ours], why }
}

/// Compares a table with what is seen, and wants a reason for each difference and for nothing else.
#[track_caller]
fn compare(heading: &str, seen: &[(&str, [String; 3])]) {
    let table = table(heading);
    for (scenario, seen) in seen {
        let line = table.iter().find(|line| line.scenario == *scenario);
        let line = line.unwrap_or_else(|| panic!("the front page does not tell: {scenario}: {seen:#?}"));
        assert_eq!(seen.each_ref().map(String::as_str), line.seen, "left: seen, right: front page; {scenario}");
        let agree = line.seen.iter().all(|seen| *seen == line.seen[2]);
        assert_eq!(line.why == "—", agree, "{scenario}: a difference has a reason, and nothing else: {line:?}");
    }
    assert_eq!(table.len(), seen.len(), "a line of the front page that nobody has seen");
}

#[test]
fn a_line_is_read_cell_by_cell() {
    let Line { scenario, seen, why } = line("| a | b | c `d` | e | f |");
    assert_eq!((scenario, seen, why), ("a", ["b", "c `d`", "e"], "f"));
}

#[test]
#[should_panic(expected = "the front page has no table of nothing")]
fn a_table_that_is_missing_is_found() {
    table("nothing");
}
