//! The table of the runs in the docs: made of real ones where that is asked for, and checked for its words always.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use super::run::Run;
use super::slow::{Limit, Slow};
use super::told::{Told, Truth, Word};

const PAPER: &str = "docs/three-hops.md";

/// Set to anything, it has the runs written into the paper.
const WRITES: &str = "DEADLINE_THREE_HOPS";

/// The words of a cell, in this order.
const WORDS: [Word; 5] = [Word::Hop, Word::Stage, Word::Cause, Word::Origin, Word::OriginHop];
const BETWEEN: &str = " · ";
/// Where nothing is said of it, and where it is said that there is none.
const SILENT: &str = "–";
const NONE: &str = "none";

/// A row for a run that is as it should be.
pub(super) fn row(run: &Run, told: &[Told]) -> String {
    let cells: Vec<_> = told.iter().map(|told| cell(told, &run.truth)).collect();
    format!("| {} | {} |\n", run.slow.words(), cells.join(" | "))
}

fn cell(told: &Told, truth: &Truth) -> String {
    if told.words.is_empty() {
        return SILENT.to_owned();
    }
    let words = WORDS.map(|word| match told.words.get(&word) {
        Some(told) => told.as_deref().unwrap_or(NONE).to_owned(),
        None => SILENT.to_owned(),
    });
    let off = told.farthest(truth).map(|off| format!("; {:.1} ms off", off.as_secs_f64() * 1_000.0));
    format!("{}{}", words.join(BETWEEN), off.unwrap_or_default())
}

/// The head of the table of one limit.
fn head(told: &[&str]) -> String {
    format!("| what is slow | {} |\n|{}\n", told.join(" | "), "---|".repeat(told.len() + 1))
}

/// Whether the runs are to be written into the paper: then they have to be close to what is seen from outside.
pub(super) fn is_wanted() -> bool {
    env::var_os(WRITES).is_some()
}

/// Writes the rows of a limit into the paper, where that is asked for.
pub(super) fn write(limit: Limit, tellers: &[&str], rows: &[String]) {
    static WRITING: Mutex<()> = Mutex::new(());
    if !is_wanted() {
        return;
    }
    let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let paper = fs::read_to_string(path()).expect("there is such a paper");
    let (before, rest) = paper.split_once(&title(limit)).expect("the paper has a section for each limit");
    let after = rest.find("\n## ").map_or("", |at| &rest[at..]);
    let written = format!("{before}{}\n{}{}{after}", title(limit), head(tellers), rows.concat());
    fs::write(path(), written).expect("the paper can be written");
}

fn title(limit: Limit) -> String {
    format!("\n## The limit is set by {}\n", limit.words())
}

fn path() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(PAPER)
}

/// What is wrong with the section of a limit.
fn complaints(paper: &str, limit: Limit) -> Vec<String> {
    let Some((_, rest)) = paper.split_once(&title(limit)) else {
        return vec![format!("no section `{}`", title(limit).trim())];
    };
    let section = rest.split("\n## ").next().unwrap_or_default();
    let wrong = |slow: Slow| {
        let begin = format!("| {} | ", slow.words());
        let Some(row) = section.lines().find_map(|line| line.strip_prefix(&begin)) else {
            return vec![format!("{limit:?}: no row for {slow:?}")];
        };
        let truth = Truth::of(limit, slow, [].into());
        let cells = row.trim_end_matches(" |").split(" | ");
        let wrong = cells.filter(|cell| !is_true(cell, &truth));
        wrong.map(|cell| format!("{limit:?}, {slow:?}: {cell}")).collect()
    };
    Slow::ALL.into_iter().filter(|slow| slow.is_under(limit)).flat_map(wrong).collect()
}

/// Whether the words of a cell are those of such a run, and at least two are said, or none at all.
fn is_true(cell: &str, truth: &Truth) -> bool {
    if cell == SILENT {
        return true;
    }
    let words: Vec<&str> = cell.split(';').next().unwrap_or_default().split(BETWEEN).collect();
    let is_so = |(said, word): (&&str, &Word)| *said == truth.words[word].as_deref().unwrap_or(NONE);
    let pairs = || words.iter().zip(&WORDS);
    words.len() == WORDS.len()
        && pairs().all(|pair| *pair.0 == SILENT || is_so(pair))
        && pairs().filter(|pair| is_so(*pair)).count() > 1
}

#[test]
fn the_paper_has_a_row_for_each_run_whose_words_are_so() {
    let paper = fs::read_to_string(path()).expect("there is such a paper");
    let complaints: Vec<_> = Limit::ALL.into_iter().flat_map(|limit| complaints(&paper, limit)).collect();
    assert!(complaints.is_empty(), "run the tests with {WRITES} set:\n{}", complaints.join("\n"));
}

#[test]
fn a_row_that_is_not_so_is_found() {
    let truth = Truth::of(Limit::ProxyPolicy, Slow::LockedRow, [].into());
    let told = Told::by("it").word(Word::Hop, Some("payments")).word(Word::Stage, Some("database"));
    assert_eq!(cell(&told, &truth), "payments · database · – · – · –");
    assert!(is_true(&cell(&told, &truth), &truth));
    for wrong in ["", "payments", "payments · pool · – · – · –", "payments · – · – · – · –; 1 ms off"]
    {
        assert!(!is_true(wrong, &truth), "{wrong}");
    }
    assert!(complaints("", Limit::Client)[0].contains("no section"));
    let paper = format!("#{}\n{}", title(Limit::OrdersCode), head(&["it"]));
    assert!(complaints(&paper, Limit::OrdersCode).iter().all(|complaint| complaint.contains("no row")));
}
