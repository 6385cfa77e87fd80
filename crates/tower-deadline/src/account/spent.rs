//! Where the time of a request went, by stage.

use std::time::{Duration, Instant};

use http_deadline::Stage;

/// The stages that took time, and those that are open. Each moment counts once: for the stage entered last of those
/// that are open.
#[derive(Debug, Default)]
pub struct Spent {
    open: Vec<Stage>,
    since: Option<Instant>,
    /// In the order in which they were entered first.
    stages: Vec<(Stage, Duration)>,
}

impl Spent {
    /// A stage was opened.
    pub fn enter(&mut self, stage: Stage, now: Instant) {
        self.settle(now);
        self.open.push(stage);
    }

    /// Closes the last of this stage that is open.
    pub fn leave(&mut self, stage: Stage, now: Instant) {
        self.settle(now);
        if let Some(at) = self.open.iter().rposition(|open| *open == stage) {
            self.open.remove(at);
        }
    }

    /// Counts what has passed so far.
    pub fn settle(&mut self, now: Instant) {
        let since = self.since.replace(now);
        if let Some((stage, since)) = self.open.last().copied().zip(since) {
            self.add(stage, now.saturating_duration_since(since));
        }
    }

    /// Counts this as spent there, whenever that was.
    pub fn add(&mut self, stage: Stage, time: Duration) {
        match self.stages.iter_mut().find(|(known, _)| *known == stage) {
            Some((_, spent)) => *spent += time,
            None => self.stages.push((stage, time)),
        }
    }

    /// The last stage entered that is still open.
    #[must_use]
    pub fn stage(&self) -> Option<Stage> {
        self.open.last().copied()
    }

    /// What each stage took, of those that took a microsecond or more.
    #[must_use]
    pub fn by_stage(&self) -> Vec<(Stage, Duration)> {
        let took_time = |(_, spent): &&(Stage, Duration)| spent.as_micros() > 0;
        self.stages.iter().filter(took_time).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::now;

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
