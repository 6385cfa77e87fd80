//! Everything that a run found, into the paper and its pictures.

use std::fs;

use super::{Report, chart, goals, paper, versions};
use crate::Outcome;
use crate::bench::proxy::setting::Setting;
use crate::step::root;

const PAPER: &str = "docs/performance.md";
const COSTS: &str = "docs/images/performance.svg";
const GROWTH: &str = "docs/images/performance-growth.svg";

/// Replaces what this run has looked at, and leaves the rest.
pub(super) fn write(report: &Report, setting: &Setting) -> Outcome {
    let ours = setting.ours.first().map_or("", |(name, _)| name.as_str());
    let path = root().join(PAPER);
    let mut paper = fs::read_to_string(&path).map_err(|error| format!("{PAPER}: {error}"))?;
    let stamp = format!("*{}: `{}`*", versions::today(), setting.options.line());
    for section in &report.sections {
        paper = paper::replaced(&paper, &section.name, &format!("{}\n{stamp}", section.text))?;
    }
    let table = goals::table(report, ours, paper::between(&paper, "goals")?);
    paper = paper::replaced(&paper, "goals", &table)?;
    paper = paper::replaced(&paper, "versions", &format!("{}\n{stamp}", versions::table(setting)))?;
    put(PAPER, &paper)?;
    for (path, picture) in [(COSTS, chart::costs(report, ours)), (GROWTH, chart::growth(report))] {
        picture.map_or(Ok(()), |picture| put(path, &picture))?;
    }
    Ok(())
}

fn put(path: &str, content: &str) -> Outcome {
    println!("writing {path}");
    fs::write(root().join(path), content).map_err(|error| format!("{path}: {error}"))
}
