//! What was checked, as a table of Markdown.

use std::fmt;

use crate::Outcome;

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Verdict {
    Ok,
    Failed,
    /// It cannot be done here, and its figures say why.
    Skipped,
}

impl Verdict {
    pub(super) fn parse(word: &str) -> Option<Self> {
        [Self::Ok, Self::Failed, Self::Skipped].into_iter().find(|verdict| verdict.to_string() == word)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Failed => "FAILED",
            Self::Skipped => "skipped",
        })
    }
}

/// A line of the table.
#[derive(Debug, PartialEq)]
pub(super) struct Check {
    pub(super) verdict: Verdict,
    pub(super) name: String,
    figures: String,
}

impl Check {
    pub(super) fn new(verdict: Verdict, name: &str, figures: &str) -> Self {
        Self { verdict, name: name.to_owned(), figures: figures.to_owned() }
    }
}

/// All checks, each with the name of its suite.
#[derive(Debug, Default)]
pub(super) struct Table {
    checks: Vec<(&'static str, Check)>,
}

impl Table {
    pub(super) fn add(&mut self, suite: &'static str, checks: Vec<Check>) {
        self.checks.extend(checks.into_iter().map(|check| (suite, check)));
    }

    /// The lines of one suite.
    pub(super) fn of(suite: &str, checks: &[Check]) -> String {
        let cell = |text: &str| text.replace('|', "\\|");
        let lines = checks.iter().map(|Check { verdict, name, figures }| {
            format!("| {suite} | {} | {verdict} | {} |\n", cell(name), cell(figures))
        });
        let head = "| suite | check | verdict | figures |\n|---|---|---|---|\n";
        [head.to_owned()].into_iter().chain(lines).collect()
    }

    /// How many there are of each verdict, and which were skipped.
    pub(super) fn totals(&self) -> String {
        let count = |verdict| self.checks.iter().filter(|(_, check)| check.verdict == verdict).count();
        let (ok, failed, skipped) = (count(Verdict::Ok), count(Verdict::Failed), count(Verdict::Skipped));
        let named = self.named(Verdict::Skipped);
        let named = if named.is_empty() { named } else { format!("; skipped: {named}") };
        format!("{ok} passed, {failed} failed, {skipped} skipped{named}")
    }

    /// An error where a check has failed, with the names of those that have.
    pub(super) fn verdict(&self) -> Outcome {
        let failed = self.named(Verdict::Failed);
        if failed.is_empty() { Ok(()) } else { Err(failed) }
    }

    fn named(&self, verdict: Verdict) -> String {
        let of = self.checks.iter().filter(|(_, check)| check.verdict == verdict);
        of.map(|(suite, check)| format!("{suite}: {}", check.name)).collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(verdict: Verdict) -> Table {
        let mut table = Table::default();
        table.add("a", vec![Check::new(Verdict::Ok, "b", "1 ms"), Check::new(verdict, "c", "d|e")]);
        table
    }

    #[test]
    fn one_failure_fails_all_and_is_named() {
        assert_eq!(table(Verdict::Failed).verdict(), Err("a: c".to_owned()));
        assert_eq!(table(Verdict::Ok).verdict(), Ok(()));
    }

    #[test]
    fn what_is_skipped_is_named_and_is_no_failure() {
        let table = table(Verdict::Skipped);
        assert_eq!(table.totals(), "1 passed, 0 failed, 1 skipped; skipped: a: c");
        assert_eq!(table.verdict(), Ok(()));
    }

    #[test]
    fn a_cell_cannot_end_itself() {
        let lines = Table::of("a", &[Check::new(Verdict::Failed, "b|c", "d")]);
        assert_eq!(lines.lines().last(), Some("| a | b\\|c | FAILED | d |"));
    }
}
