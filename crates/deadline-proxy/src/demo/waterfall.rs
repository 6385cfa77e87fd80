//! One row of the waterfall: where a hop's time went, where it was stopped, and where its deadline was.

use std::time::Duration;

use anstyle::{AnsiColor, Style};

use super::trace::{Leg, Trace};

/// The width of the axis. One column more holds the mark of a deadline at its very end.
pub(super) const WIDTH: usize = 42;

/// What one column of a row shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    Blank,
    /// The hop's own work.
    Own,
    /// Waiting for the next hop.
    Waiting,
    /// Here the hop was stopped.
    Stop,
    /// What was left of the budget at the end.
    Headroom,
    Deadline,
}

impl Cell {
    pub(super) const fn glyph(self) -> char {
        match self {
            Self::Blank => ' ',
            Self::Own => '█',
            Self::Waiting => '░',
            Self::Stop => '×',
            Self::Headroom => '·',
            Self::Deadline => '│',
        }
    }

    pub(super) const fn style(self) -> Style {
        match self {
            Self::Blank => Style::new(),
            Self::Own => AnsiColor::Cyan.on_default(),
            Self::Stop => AnsiColor::Red.on_default().bold(),
            Self::Waiting | Self::Headroom => Style::new().dimmed(),
            Self::Deadline => AnsiColor::Yellow.on_default(),
        }
    }
}

/// The length of the axis: what was asked for, or longer where the end came later. `None` where no hop had a
/// budget to show.
pub(super) fn axis(trace: &Trace) -> Option<Duration> {
    let has_budget = |leg: &Leg| leg.budget.is_some_and(|budget| !budget.is_zero());
    let ends = trace.legs.iter().filter_map(|leg| leg.ended);
    let longest = ends.fold(trace.timeout.max(trace.elapsed), Duration::max);
    trace.legs.iter().any(has_budget).then_some(longest)
}

/// The row of one hop.
pub(super) fn bar(leg: &Leg, next: Option<&Leg>, axis: Duration) -> String {
    let cells = cells(leg, next, axis);
    let end = cells.iter().rposition(|cell| *cell != Cell::Blank).map_or(0, |last| last + 1);
    let shown = cells.get(..end).unwrap_or_default();
    shown.chunk_by(|left, right| left == right).map(paint).collect()
}

fn paint(run: &[Cell]) -> String {
    let style = run.first().map_or(Style::new(), |cell| cell.style());
    let glyphs: String = run.iter().map(|cell| cell.glyph()).collect();
    format!("{style}{glyphs}{style:#}")
}

fn cells(leg: &Leg, next: Option<&Leg>, axis: Duration) -> Vec<Cell> {
    let mut cells: Vec<_> = (0..=WIDTH as u32).map(|column| cell(leg, next, middle(column, axis))).collect();
    // What is shorter than a column is seen all the same.
    if !cells.iter().any(|cell| is_busy(*cell)) {
        put(&mut cells, column(leg.arrived, axis), Cell::Own);
    }
    let last = cells.iter().rposition(|cell| is_busy(*cell));
    if let Some(deadline) = leg.deadline() {
        put(&mut cells, column(deadline, axis), Cell::Deadline);
    }
    // Also where the deadline was in the same column.
    if leg.cause.is_some() {
        put(&mut cells, last.unwrap_or_default(), Cell::Stop);
    }
    cells
}

fn is_busy(cell: Cell) -> bool {
    matches!(cell, Cell::Own | Cell::Waiting)
}

fn cell(leg: &Leg, next: Option<&Leg>, at: Duration) -> Cell {
    let is_within = |leg: &Leg| at >= leg.arrived && leg.ended.is_none_or(|ended| at < ended);
    let is_left = at >= leg.arrived && leg.deadline().is_some_and(|deadline| at < deadline);
    match is_within(leg) {
        true if next.is_some_and(is_within) => Cell::Waiting,
        true => Cell::Own,
        false if is_left => Cell::Headroom,
        false => Cell::Blank,
    }
}

/// The middle of a column.
fn middle(column: u32, axis: Duration) -> Duration {
    axis * (2 * column + 1) / (2 * WIDTH as u32)
}

/// The column of an instant; the last one holds whatever is later.
fn column(at: Duration, axis: Duration) -> usize {
    let column = (at.as_nanos() * WIDTH as u128).checked_div(axis.as_nanos());
    column.and_then(|column| usize::try_from(column).ok()).unwrap_or(WIDTH).min(WIDTH)
}

fn put(cells: &mut [Cell], column: usize, cell: Cell) {
    if let Some(place) = cells.get_mut(column) {
        *place = cell;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::trace::fixture::{MS, leg};
    use anstream::adapter::strip_str;
    use tower_deadline::Cause;

    const AXIS: Duration = Duration::from_millis(420);

    fn shown(leg: &Leg, next: Option<&Leg>) -> String {
        strip_str(&bar(leg, next, AXIS)).to_string()
    }

    #[test]
    fn own_work_waiting_headroom_and_the_deadline_each_have_a_sign() {
        let (outer, inner) = (leg(0, 200, 300), leg(50, 150, 200));
        assert_eq!(shown(&outer, Some(&inner)), "█████░░░░░░░░░░█████··········│");
        assert_eq!(shown(&inner, None), "     ██████████··········│");
    }

    #[test]
    fn what_was_stopped_says_so_where_it_was() {
        let stopped = Leg { cause: Some(Cause::ClientGone), ..leg(100, 200, 300) };
        assert_eq!(shown(&stopped, None), "          █████████×····················│");
    }

    #[test]
    fn what_was_stopped_at_its_deadline_was_stopped() {
        let stopped = Leg { cause: Some(Cause::Deadline), ..leg(100, 200, 90) };
        assert_eq!(shown(&stopped, None), "          █████████×");
    }

    #[test]
    fn what_is_short_is_seen_and_what_is_late_stays_on_the_axis() {
        assert_eq!(shown(&leg(100, 101, 30), None), "          █··│");
        let late = shown(&leg(0, 500, 500), None);
        assert_eq!(late, "█".repeat(WIDTH) + "│");
        let busy = Leg { ended: None, budget: None, ..leg(0, 0, 0) };
        assert_eq!(shown(&busy, None), "█".repeat(WIDTH + 1));
        assert_eq!(column(1_000 * MS, AXIS), WIDTH);
    }
}
