//! Where the time of a request went, by stage.

use std::time::{Duration, Instant};

use tower_deadline::Stage;

use super::expired::Step;
use super::form::millis;

/// How many pieces are kept: more are not told apart in a picture.
const PIECES: usize = 64;

/// What is shorter is taken together with what comes next: it is a hair in a picture.
const HAIR: Duration = Duration::from_micros(100);

/// How many changes can wait to be counted: as many as a request has that is answered at once.
const WAITING: usize = 8;

/// From when to when a request was in a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    stage: Stage,
    from: Instant,
    to: Instant,
}

impl Piece {
    fn length(&self) -> Duration {
        self.to.saturating_duration_since(self.from)
    }
}

/// A stage that was entered or left.
#[derive(Clone, Copy, Debug)]
struct Change {
    stage: Stage,
    is_entered: bool,
    at: Instant,
}

/// The stages that took time, and those that are open. Each moment counts once: for the stage entered last of those
/// that are open.
#[derive(Debug, Default)]
pub(super) struct Spent {
    /// What was not counted yet, in the order of time. Most requests end well, and nobody asks where their time went.
    waiting: [Option<Change>; WAITING],
    open: Vec<Stage>,
    since: Option<Instant>,
    /// In the order in which they were entered first.
    stages: Vec<(Stage, Duration)>,
    /// In the order of time; the first of them, where there are too many.
    pieces: Vec<Piece>,
}

impl Spent {
    pub(super) fn enter(&mut self, stage: Stage, now: Instant) {
        self.note(Change { stage, is_entered: true, at: now });
    }

    /// Closes the last of this stage that is open.
    pub(super) fn leave(&mut self, stage: Stage, now: Instant) {
        self.note(Change { stage, is_entered: false, at: now });
    }

    fn note(&mut self, change: Change) {
        if self.waiting.last().is_some_and(Option::is_some) {
            self.count();
        }
        if let Some(free) = self.waiting.iter_mut().find(|waiting| waiting.is_none()) {
            *free = Some(change);
        }
    }

    /// Counts what waits for it.
    fn count(&mut self) {
        for Change { stage, is_entered, at } in std::mem::take(&mut self.waiting).into_iter().flatten() {
            self.pass(at);
            if is_entered {
                self.open.push(stage);
            } else if let Some(at) = self.open.iter().rposition(|open| *open == stage) {
                self.open.remove(at);
            }
        }
    }

    /// Counts what has passed so far.
    pub(super) fn settle(&mut self, now: Instant) {
        self.count();
        self.pass(now);
    }

    fn pass(&mut self, now: Instant) {
        let since = self.since.replace(now);
        if let Some((stage, since)) = self.open.last().copied().zip(since) {
            self.took(stage, now.saturating_duration_since(since));
            self.went(Piece { stage, from: since, to: now });
        }
    }

    fn went(&mut self, piece: Piece) {
        let is_room = self.pieces.len() < PIECES;
        match self.pieces.last_mut() {
            Some(last) if last.to == piece.from && (last.stage == piece.stage || last.length() < HAIR) => {
                if piece.length() > last.length() {
                    last.stage = piece.stage;
                }
                last.to = piece.to;
            }
            _ if is_room => self.pieces.push(piece),
            _ => {}
        }
    }

    /// Counts this as spent there, whenever that was.
    pub(super) fn add(&mut self, stage: Stage, time: Duration) {
        self.count();
        self.took(stage, time);
    }

    fn took(&mut self, stage: Stage, time: Duration) {
        match self.stages.iter_mut().find(|(known, _)| *known == stage) {
            Some((_, spent)) => *spent += time,
            None => self.stages.push((stage, time)),
        }
    }

    /// The last stage entered that is still open.
    pub(super) fn stage(&mut self) -> Option<Stage> {
        self.count();
        self.open.last().copied()
    }

    /// When it was where, as far as that is kept. What was spent in a queue was so before it came.
    pub(super) fn steps(&mut self, arrived: Instant) -> Vec<Step> {
        self.count();
        let queued = self.stages.iter().filter(|(stage, _)| *stage == Stage::Queue);
        let queued = queued.map(|(stage, time)| (-millis(*time), 0.0, stage.as_str()));
        let since = |at: Instant| millis(at.saturating_duration_since(arrived));
        let pieces = self.pieces.iter().filter(|piece| piece.length() >= HAIR);
        let pieces = pieces.map(|piece| (since(piece.from), since(piece.to), piece.stage.as_str()));
        queued.chain(pieces).collect()
    }

    /// What each stage took, of those that took a microsecond or more.
    pub(super) fn by_stage(&mut self) -> Vec<(Stage, Duration)> {
        self.count();
        let took_time = |(_, spent): &&(Stage, Duration)| spent.as_micros() > 0;
        self.stages.iter().filter(took_time).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tower_deadline::now;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[tokio::test(start_paused = true)]
    async fn each_moment_counts_for_the_stage_entered_last() {
        let (mut spent, start) = (Spent::default(), now());
        spent.enter(Stage::Upstream, start);
        spent.enter(Stage::RequestBody, start + ms(10));
        spent.leave(Stage::RequestBody, start + ms(40));
        spent.enter(Stage::ResponseBody, start + ms(45));
        assert_eq!(spent.stage(), Some(Stage::ResponseBody));
        // The order in which they close is nobody's promise.
        spent.leave(Stage::Upstream, start + ms(50));
        spent.settle(start + ms(60));
        let stages = [(Stage::Upstream, ms(15)), (Stage::RequestBody, ms(30)), (Stage::ResponseBody, ms(15))];
        assert_eq!(spent.by_stage(), stages);
    }

    #[tokio::test(start_paused = true)]
    async fn pieces_are_in_the_order_of_time_and_hairs_are_taken_together() {
        let (mut spent, start, us) = (Spent::default(), now(), Duration::from_micros);
        spent.enter(Stage::Pool, start);
        spent.leave(Stage::Pool, start + us(99));
        spent.enter(Stage::Connect, start + us(99));
        spent.leave(Stage::Connect, start + ms(5));
        spent.enter(Stage::Upstream, start + ms(7));
        // A body that is taken as it comes.
        for at in 0..10 {
            spent.enter(Stage::RequestBody, start + ms(7) + us(10 * at));
            spent.leave(Stage::RequestBody, start + ms(7) + us(10 * at + 3));
        }
        spent.leave(Stage::Upstream, start + ms(40));
        spent.add(Stage::Queue, ms(9));
        let steps = [(-9.0, 0.0, "queue"), (1.0, 6.0, "connect"), (8.0, 41.0, "upstream")];
        assert_eq!(spent.steps(start - ms(1)), steps);
    }

    #[tokio::test(start_paused = true)]
    async fn of_too_many_pieces_the_first_are_kept_and_all_of_the_time_is() {
        let (mut spent, start) = (Spent::default(), now());
        for at in 0..100 {
            spent.enter(Stage::Backoff, start + ms(10 * at));
            spent.leave(Stage::Backoff, start + ms(10 * at + 1));
        }
        let steps = spent.steps(start);
        assert_eq!((steps.len(), spent.by_stage()), (PIECES, vec![(Stage::Backoff, ms(100))]));
        assert_eq!(steps[63], (630.0, 631.0, "backoff"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stage_that_is_entered_again_adds_up_and_one_that_took_nothing_is_not_told() {
        let (mut spent, start) = (Spent::default(), now());
        spent.enter(Stage::Pool, start);
        spent.leave(Stage::Pool, start);
        for at in [0, 100] {
            spent.enter(Stage::Connect, start + ms(at));
            spent.leave(Stage::Connect, start + ms(at + 5));
        }
        spent.leave(Stage::Connect, start + ms(200));
        spent.add(Stage::Queue, ms(7));
        assert_eq!(spent.by_stage(), [(Stage::Connect, ms(10)), (Stage::Queue, ms(7))]);
        assert_eq!(spent.stage(), None);
    }
}
