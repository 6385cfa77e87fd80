//! The report for people, at most 80 columns wide.

use std::fmt::Write;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use tower_deadline::Dialect;

use super::Hop;
use super::client::Reply;
use super::foretell::Ending;
use super::trace::{Came, Trace};
use super::waterfall::{Cell, WIDTH, axis, bar};

/// The columns that are used: one less than the terminal has, which some wrap at.
const COLUMNS: usize = 79;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();

/// What is shown before the first request; with why there is no database, if there is none.
pub(super) fn header(skipped: Option<&str>) -> String {
    let key = [
        (Cell::Own, "own work"),
        (Cell::Waiting, "waiting for the next hop"),
        (Cell::Stop, "stopped"),
        (Cell::Headroom, "headroom"),
        (Cell::Deadline, "deadline"),
    ];
    let key = key.map(|(cell, means)| {
        let style = cell.style();
        format!("{style}{}{style:#} {means}", cell.glyph())
    });
    let (hops, last) = if skipped.is_some() { ("three", "") } else { ("four", " -> database") };
    let skipped = skipped.map(|why| wrapped(&format!("There is no database hop: {why}"))).unwrap_or_default();
    let title = format!("{BOLD}One deadline over {hops} hops{BOLD:#}: client -> proxy -> orders -> payments{last}");
    let source = wrapped(
        "The bars are drawn from the Server-Timing of the answers; the one of the database from its own record.",
    );
    let source =
        if skipped.is_empty() { source } else { wrapped("The bars are drawn from the Server-Timing of the answers.") };
    format!("{title}\n{}\n{source}{skipped}", key.join("  "))
}

/// What is shown of one request.
pub(super) fn block(number: usize, trace: &Trace, foretold: &[Ending]) -> String {
    let table = if trace.legs.is_empty() { String::new() } else { table(trace) };
    let (style, mark) = if foretold.contains(&trace.ending()) { (GOOD, '✓') } else { (BAD, '✗') };
    let (title, answer, verdict) = (title(number, trace), answer(trace), verdict(trace, foretold));
    format!("{title}{table}   {style}{mark}{style:#} {answer}{}{}{verdict}", backend(trace), source(trace))
}

/// What is shown after the last request. `is_stopped`: whether a hop was.
pub(super) fn footer(right: usize, all: usize, is_stopped: bool) -> String {
    let (style, next) = match (right == all, is_stopped) {
        (true, _) => (GOOD, "Try next: --slow payments=2s, --stop payments, --json"),
        (false, true) => (BAD, "A hop that is stopped is not foretold."),
        (false, false) => (BAD, "On a busy machine, try --timeout 5s."),
    };
    format!("\n{style}{right} of {all} as foretold{style:#}. {next}\n")
}

fn title(number: usize, trace: &Trace) -> String {
    let (title, asked) = (trace.case.title(), format!("{}: {}", Dialect::XRequestTimeout, trace.asked));
    let room = COLUMNS.saturating_sub(title.len() + 3);
    format!("\n{BOLD}{number}  {title}{BOLD:#}{asked:>room$}\n")
}

fn table(trace: &Trace) -> String {
    let axis = axis(trace);
    let scale = axis.map(|axis| format!("  0{:>WIDTH$}", millis(axis))).unwrap_or_default();
    let mut text = format!("{DIM}   hop       budget  spent sent on{scale}{DIM:#}\n");
    for (index, leg) in trace.legs.iter().enumerate() {
        let (budget, spent) = (leg.budget.map(millis), trace.spent(index).map(millis));
        let (budget, spent) = (budget.as_deref().unwrap_or("-"), spent.as_deref().unwrap_or("busy"));
        let (name, sent) = (leg.hop.as_str(), leg.sent.as_deref().unwrap_or("-"));
        let bar = axis.map(|axis| "  ".to_owned() + &bar(leg, trace.legs.get(index + 1), axis));
        // Writing to a `String` does not fail.
        let _ = writeln!(text, "   {name:<9}{budget:>7}{spent:>7}{sent:>8}{}", bar.unwrap_or_default());
    }
    text
}

/// The answer in a sentence, and what its problem document adds to that.
fn answer(trace: &Trace) -> String {
    let elapsed = millis(trace.elapsed);
    let (sentence, detail) = match &trace.came {
        Came::Answer(reply) => (status(reply, &elapsed), reply.detail.as_ref().filter(|_| reply.stage.is_none())),
        Came::Nothing => (left(trace, &elapsed), None),
        Came::Failure(error) => (format!("no answer after {elapsed}: {error}"), None),
    };
    let detail = detail.map(|detail| format!("     {DIM}{}{DIM:#}\n", clipped(detail)));
    format!("{}\n{}", clipped(&sentence), detail.unwrap_or_default())
}

/// Where the waterfall is from, if not from the answer.
fn source(trace: &Trace) -> String {
    let why = match trace.came {
        _ if trace.is_told || trace.legs.is_empty() => return String::new(),
        Came::Answer(_) => "the answer has no Server-Timing",
        Came::Nothing | Came::Failure(_) => "without an answer there is no Server-Timing",
    };
    format!("     {DIM}{why}: this is what each hop recorded{DIM:#}\n")
}

/// What a statement that was stopped was told, and when its backend was idle again, as the server itself tells.
fn backend(trace: &Trace) -> String {
    let Some(leg) = trace.legs.iter().find(|leg| leg.hop == Hop::Database && leg.cause.is_some()) else {
        return String::new();
    };
    let told = leg.budget.map_or_else(|| "none".to_owned(), millis);
    let idle = leg
        .ended
        .map_or_else(|| "is still busy".to_owned(), |ended| format!("was idle after {}", millis(ended)));
    format!("     {DIM}statement_timeout {told}; the backend {idle}{DIM:#}\n")
}

fn status(reply: &Reply, elapsed: &str) -> String {
    let Reply { status, stage, cause, hop, .. } = reply;
    let hop = hop.map_or("somebody", Hop::as_str);
    match (stage, cause) {
        (Some(stage), Some(cause)) => {
            format!("{status} after {elapsed}: stopped by {hop}, stage {stage}, cause {cause}")
        }
        _ if *status < 400 => format!("{status} after {elapsed}"),
        _ => format!("{status} after {elapsed}: answered by {hop}"),
    }
}

fn left(trace: &Trace, elapsed: &str) -> String {
    let hops: Vec<_> = trace.legs.iter().map(|leg| leg.hop.as_str()).collect();
    match trace.ending().cause {
        Some(cause) => format!("left after {elapsed}: cause {cause} at {}", hops.join(", ")),
        None => format!("left after {elapsed}: not every hop has noticed"),
    }
}

/// Nothing more to say, or the difference.
fn verdict(trace: &Trace, foretold: &[Ending]) -> String {
    let got = trace.ending();
    if !foretold.contains(&got) {
        let foretold: String = foretold.iter().map(|ending| difference("- foretold:", ending)).collect();
        return foretold + &difference("+ got:", &got);
    }
    match foretold.len() {
        0 | 1 => String::new(),
        _ => "     The work is close to the limit: other endings were foretold as well.\n".to_owned(),
    }
}

/// One side of a difference, a line for the answer and one for the way.
fn difference(side: &str, ending: &Ending) -> String {
    format!("   {side:<12}{}\n", ending.to_string().replace("; ", "\n               "))
}

fn millis(duration: Duration) -> String {
    match duration.as_millis() {
        0 if !duration.is_zero() => "<1ms".to_owned(),
        millis => format!("{millis}ms"),
    }
}

/// A text on as many lines as it takes.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= COLUMNS => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.iter().map(|line| format!("{DIM}{line}{DIM:#}\n")).collect()
}

/// As much of a text as fits on a line, behind the mark.
fn clipped(text: &str) -> String {
    let room = COLUMNS - 5;
    if text.chars().count() <= room {
        return text.to_owned();
    }
    text.chars().take(room - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::trace::fixture::{in_the_database, left, malformed, too_slow};
    use anstream::adapter::strip_str;

    fn shown(text: &str) -> String {
        let shown = strip_str(text).to_string();
        for line in shown.lines() {
            // Every sign that is used is one column wide.
            assert!(line.chars().count() <= 80, "{line}");
            assert_eq!(line, line.trim_end());
        }
        shown
    }

    #[test]
    fn a_request_is_a_table_a_waterfall_and_an_answer() {
        let trace = too_slow();
        let text = "
2  Too slow at the last hop                           x-request-timeout: 1000ms
   hop       budget  spent sent on  0                                    1000ms
   proxy     1000ms    2ms   959ms  ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░×·····│
   orders     959ms   33ms   887ms  █░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░×···│
   payments   887ms  847ms       -   ███████████████████████████████████×·│
   ✓ 504 after 884ms: stopped by payments, stage handler, cause deadline
";
        assert_eq!(shown(&block(2, &trace, &[trace.ending()])), text);
    }

    #[test]
    fn a_statement_that_was_stopped_is_a_row_and_says_when_its_backend_was_idle() {
        let trace = in_the_database();
        let text = "
2  Too slow at the last hop                           x-request-timeout: 1000ms
   hop       budget  spent sent on  0                                    1000ms
   proxy     1000ms    2ms   959ms  ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░×·······│
   orders     959ms   33ms   887ms  █░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░×·····│
   payments   887ms   11ms   797ms   █░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░×···│
   database   797ms  797ms       -    ████████████████████████████████×│
   ✓ 504 after 844ms: stopped by payments, stage database, cause deadline
     statement_timeout 797ms; the backend was idle after 841ms
";
        assert_eq!(shown(&block(2, &trace, &[trace.ending()])), text);
        let mut busy = trace;
        busy.legs.last_mut().unwrap().ended = None;
        let busy = shown(&block(2, &busy, &[busy.ending()]));
        assert!(busy.ends_with("     statement_timeout 797ms; the backend is still busy\n"), "{busy}");
    }

    #[test]
    fn a_request_that_was_refused_has_no_waterfall() {
        let trace = malformed();
        let text = r#"
3  A malformed timeout                                   x-request-timeout: abc
   hop       budget  spent sent on
   proxy          -    0ms       -
   ✓ 400 after <1ms: answered by proxy
     x-request-timeout: "abc" is not a duration such as 300ms, 1.5s or 1h30m
"#;
        assert_eq!(shown(&block(3, &trace, &[trace.ending()])), text);
    }

    #[test]
    fn a_client_that_left_has_no_answer() {
        let trace = left();
        let text = "
5  The client leaves half-way                         x-request-timeout: 1000ms
   hop       budget  spent sent on  0                                    1000ms
   proxy     1000ms    1ms   959ms  ░░░░░░░░░░░░×·····························│
   orders     959ms   32ms   887ms  █░░░░░░░░░░░×···························│
   payments   887ms  267ms       -   ███████████×·························│
   ✓ left after 300ms: cause client_gone at proxy, orders, payments
     without an answer there is no Server-Timing: this is what each hop recorded
";
        assert_eq!(shown(&block(5, &trace, &[trace.ending()])), text);
    }

    #[test]
    fn a_difference_is_shown_line_by_line() {
        let (foretold, mut trace) = (too_slow().ending(), left());
        trace.legs.truncate(2);
        trace.legs.last_mut().unwrap().budget = None;
        let text = shown(&block(2, &trace, &[foretold]));
        let difference = "\
   - foretold: 504, cause deadline, stage handler, by payments
               reached payments
   + got:      no answer, cause client_gone
               reached orders
               the budget did not shrink at orders
";
        assert!(text.contains("✗ left after 300ms") && text.ends_with(difference), "{text}");
        let either = shown(&block(2, &trace, &[foretold, trace.ending()]));
        assert!(either.contains('✓') && either.ends_with("other endings were foretold as well.\n"), "{either}");
    }

    #[test]
    fn a_hop_that_nobody_could_reach_has_no_row() {
        let (refused, foretold) = ("Connection refused (os error 111)".to_owned(), too_slow().ending());
        let trace = Trace { legs: Vec::new(), came: Came::Failure(refused), ..malformed() };
        assert!(shown(&block(3, &trace, &[foretold])).contains("✗ no answer after <1ms: Connection refused"));
    }

    #[test]
    fn the_frame_is_as_wide_as_the_rest() {
        let frame =
            [header(Some(&"it is not here ".repeat(20))), footer(5, 5, false), footer(4, 5, false), footer(2, 5, true)];
        let frame = frame.map(|text| shown(&text));
        assert!(
            frame[0].contains("over three hops") && frame[0].contains("\nThere is no database hop: it is not here")
        );
        let four = shown(&header(None));
        assert!(four.contains("over four hops") && four.lines().count() == 4, "{four}");
        assert!(four.contains("drawn from the Server-Timing of the answers"), "{four}");
        assert!(frame[1].contains("5 of 5 as foretold") && frame[3].contains("2 of 5 as foretold"));
        let long = clipped(&"x".repeat(200));
        assert!(long.chars().count() == 74 && long.ends_with('…'));
    }
}
