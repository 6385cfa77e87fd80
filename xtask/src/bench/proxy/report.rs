//! What was found: tables, and the figures that goals are held against.

use std::collections::BTreeMap;
use std::fmt;

use super::setting::Setting;
use super::spread::Spread;
use crate::Outcome;

mod chart;
mod goals;
mod paper;
mod versions;
mod write;

/// Of one run.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) sections: Vec<Section>,
    /// By what is measured, of whom, and what it is told in.
    figures: BTreeMap<(String, String, String), Outcome<Spread>>,
}

/// What was found in one case, in Markdown.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) text: String,
}

impl Report {
    /// Told at once, and kept.
    pub(super) fn section(&mut self, name: &str, title: &str, text: &str) {
        println!("\n### {title}\n\n{text}");
        self.sections.push(Section { name: name.to_owned(), text: format!("### {title}\n\n{text}") });
    }

    /// One figure, or why there is none. `to` is empty where it stands for itself.
    pub(super) fn figure(&mut self, what: &str, of: &str, to: &str, figure: Outcome<Spread>) {
        self.figures.insert((what.to_owned(), of.to_owned(), to.to_owned()), figure);
    }

    /// Into the paper.
    pub(super) fn write(&self, setting: &Setting) -> Outcome {
        write::write(self, setting)
    }

    /// Such a figure; none where it was not looked for.
    pub(super) fn found(&self, what: &str, of: &str, to: &str) -> Option<&Outcome<Spread>> {
        self.figures.get(&(what.to_owned(), of.to_owned(), to.to_owned()))
    }
}

/// A table of Markdown, of which all columns but the first are numbers.
#[derive(Debug)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new<S: Into<String>>(head: impl IntoIterator<Item = S>) -> Self {
        Self { rows: vec![head.into_iter().map(Into::into).collect()] }
    }

    pub(super) fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, row) in self.rows.iter().enumerate() {
            writeln!(f, "| {} |", row.join(" | "))?;
            if at == 0 {
                writeln!(f, "|---|{}", "--:|".repeat(row.len().saturating_sub(1)))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_line_below_its_head() {
        let mut table = Table::new(["a", "b"]);
        table.row(["c", "1"]);
        assert_eq!(table.to_string(), "| a | b |\n|---|--:|\n| c | 1 |\n");
    }

    #[test]
    fn a_figure_is_found_by_what_it_is() {
        let mut report = Report::default();
        report.figure("get", "ours", "nginx", Err("why".to_owned()));
        assert_eq!(report.found("get", "ours", "nginx"), Some(&Err("why".to_owned())));
        assert_eq!(report.found("get", "ours", "haproxy"), None);
    }
}
