//! What the proxy is to keep to, with what was measured beside it.

use super::{Report, Table};
use crate::bench::proxy::spread::Spread;

/// A figure that is to be no more than so much.
pub(super) struct Goal {
    /// What it is, for people: the first cell of its row.
    pub(super) what: &'static str,
    /// The names by which a report has it; `of` is the first build of ours where it is empty.
    pub(super) figure: &'static str,
    of: &'static str,
    pub(super) to: &'static str,
    pub(super) most: f64,
    /// Digits after the point.
    digits: usize,
}

pub(super) const GOALS: [Goal; 18] = [
    ratio("CPU of a GET of 128 B ÷ nginx", "get-128", "nginx", 1.0),
    ratio("CPU of a GET of 16 KiB ÷ nginx", "get-16k", "nginx", 1.0),
    ratio("CPU of a GET of 1 MiB ÷ nginx", "get-1m", "nginx", 0.5),
    ratio("CPU of a POST of 16 KiB ÷ nginx", "post-16k", "nginx", 0.4),
    ratio("CPU of a POST of 16 KiB ÷ nginx, request buffering off", "post-16k", "nginx-unbuffered", 0.95),
    ratio("CPU of a GET with 20 more fields ÷ nginx", "fields-20", "nginx", 1.0),
    ratio("p99 at 70 % of what nginx can answer ÷ nginx", "latency", "nginx", 1.0),
    ratio("CPU of HTTP/2 in, HTTP/1.1 out ÷ HAProxy", "h2c", "haproxy", 1.2),
    ratio("CPU of HTTP/2 in, HTTP/1.1 out ÷ nginx", "h2c", "nginx", 1.0),
    ratio("CPU of gRPC in, HTTP/2 out ÷ HAProxy", "grpc", "haproxy", 1.2),
    ratio("CPU of gRPC in, HTTP/2 out ÷ nginx", "grpc", "nginx", 1.0),
    plain("Instructions of a GET in user space", "instructions", 24_500.0, 0),
    plain("Instructions that a deadline adds to it", "instructions deadline", 1_400.0, 0),
    plain("KiB of an idle connection", "memory idle", 13.0, 1),
    plain("KiB of a connection after a burst", "memory after", 20.0, 1),
    plain("System calls a request at 64 connections", "syscalls 64", 4.2, 1),
    plain("System calls a request at 1 connection", "syscalls 1", 6.0, 1),
    Goal { of: "2", ..plain("CPU of a request with two workers ÷ one", "growth workers", 1.05, 2) },
];

const fn plain(what: &'static str, figure: &'static str, most: f64, digits: usize) -> Goal {
    Goal { what, figure, of: "", to: "", most, digits }
}

const fn ratio(what: &'static str, figure: &'static str, to: &'static str, most: f64) -> Goal {
    Goal { to, ..plain(what, figure, most, 2) }
}

/// The table, with rows of the one before where this run did not look.
pub(super) fn table(report: &Report, ours: &str, before: &str) -> String {
    let mut table = Table::new(["what", "goal", "measured", "kept"]);
    for goal in &GOALS {
        let Goal { what, figure, of, to, most, digits } = goal;
        let of = if of.is_empty() { ours } else { of };
        let (measured, kept) = match report.found(figure, of, to) {
            Some(Ok(spread)) => {
                let kept = rounded(spread.median, *digits) <= *most;
                (shown(spread, *digits), if kept { "✓" } else { "✗" }.to_owned())
            }
            Some(Err(why)) => (format!("not told: {why}"), String::new()),
            None => known(before, what).unwrap_or_else(|| ("not yet".to_owned(), String::new())),
        };
        table.row([(*what).to_owned(), format!("≤ {}", thousands(*most, *digits)), measured, kept]);
    }
    table.to_string()
}

fn shown(spread: &Spread, digits: usize) -> String {
    if spread.rounds > 1 { spread.shown(digits) } else { thousands(spread.median, digits) }
}

/// As it is shown: a goal of 6.0 is kept by 6.01.
fn rounded(number: f64, digits: usize) -> f64 {
    format!("{number:.digits$}").parse().unwrap_or(number)
}

/// With a blank between thousands.
fn thousands(number: f64, digits: usize) -> String {
    let shown = format!("{number:.digits$}");
    match shown.len() {
        4.. if digits == 0 => format!("{} {}", &shown[..shown.len() - 3], &shown[shown.len() - 3..]),
        _ => shown,
    }
}

/// The last two cells of a row.
fn known(table: &str, what: &str) -> Option<(String, String)> {
    let row = table.lines().find_map(|line| line.strip_prefix(&format!("| {what} | ")))?;
    let mut cells = row.split(" | ").skip(1);
    let measured = cells.next()?.to_owned();
    Some((measured, cells.next().unwrap_or_default().trim_end_matches('|').trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_has_what_was_measured_and_what_is_not_looked_at_stays() {
        let mut report = Report::default();
        report.figure("get-128", "ours", "nginx", Ok(Spread::of([1.0, 1.1, 1.2]).unwrap()));
        report.figure("get-16k", "ours", "nginx", Err("ours: 1 error".to_owned()));
        report.figure("instructions", "ours", "", Ok(Spread::of([24_499.6]).unwrap()));
        report.figure("syscalls 1", "ours", "", Ok(Spread::of([6.01]).unwrap()));
        let first = table(&report, "ours", "");
        assert!(first.contains("| ≤ 6.0 | 6.0 | ✓ |"), "{first}");
        assert!(first.contains("| CPU of a GET of 128 B ÷ nginx | ≤ 1.00 | 1.10 (1.05–1.15) | ✗ |"), "{first}");
        assert!(first.contains("| CPU of a GET of 16 KiB ÷ nginx | ≤ 1.00 | not told: ours: 1 error |  |"), "{first}");
        assert!(first.contains("| Instructions of a GET in user space | ≤ 24 500 | 24 500 | ✓ |"), "{first}");
        assert!(first.contains("| KiB of an idle connection | ≤ 13.0 | not yet |  |"), "{first}");
        let mut report = Report::default();
        report.figure("get-128", "ours", "nginx", Ok(Spread::of([0.9]).unwrap()));
        let second = table(&report, "ours", &first);
        assert!(second.contains("| ≤ 1.00 | 0.90 | ✓ |") && second.contains("| ≤ 24 500 | 24 500 | ✓ |"), "{second}");
        assert!(second.contains("| not told: ours: 1 error |  |") && second.contains("| not yet |  |"), "{second}");
    }
}
