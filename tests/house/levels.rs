//! Events that somebody is meant to see: each says what makes it an ERROR, a WARN or an INFO.
//!
//! Whether that is true, as CONTRIBUTING.md has it, is for whoever reads it.

use super::source::Source;
use super::{Outcome, nothing_in, tree};

const LEVELS: [(&str, &str); 3] = [("error!(", "// ERROR: "), ("warn!(", "// WARN: "), ("info!(", "// INFO: ")];

/// Events of a crate without a word above them.
fn unexplained(source: &Source, text: &str) -> Vec<String> {
    if !source.path.starts_with("crates/") {
        return Vec::new();
    }
    let lines: Vec<&str> = text.lines().collect();
    let complaints = LEVELS.iter().flat_map(|(event, why)| {
        let at = source.find(event).map(|at| source.line(at));
        let silent = at.filter(|line| !is_explained(&lines[..line - 1], why));
        silent
            .map(|line| format!("{}:{line}: `{event}`: say above it why, as `{why}…`", source.path))
            .collect::<Vec<_>>()
    });
    complaints.collect()
}

/// Whether the comment right above has this word at the beginning of a line.
fn is_explained(above: &[&str], why: &str) -> bool {
    let comment = above.iter().rev().map(|line| line.trim_start()).take_while(|line| line.starts_with("//"));
    comment.into_iter().any(|line| line.starts_with(why) && line.len() > why.len())
}

#[test]
fn every_event_says_what_makes_it_one_of_its_level() -> Outcome {
    let mut complaints = Vec::new();
    for source in tree::sources()? {
        complaints.extend(unexplained(&source, &tree::text(&source.path)?));
    }
    nothing_in(&complaints);
    Ok(())
}

#[test]
fn an_event_without_a_word_above_it_is_found() {
    let count = |text: &str| unexplained(&Source::parse("crates/a/src/a.rs", text), text).len();
    for (event, why) in LEVELS {
        for call in [format!("tracing::{event}\"a\");"), format!("{event}\"a\");"), format!("_ => {event}\"a\"),")] {
            assert_eq!(count(&call), 1, "{call}");
            assert_eq!(count(&format!("{why}it is.\n{call}")), 0, "{call}");
            assert_eq!(count(&format!("{why}it is,\n// and will be.\n{call}")), 0, "{call}");
            assert_eq!(count(&format!("{why}\n{call}")), 1, "nothing is said: {call}");
            assert_eq!(count(&format!("{why}it is.\n\n{call}")), 1, "not right above: {call}");
            assert_eq!(count(&format!("// It is.\n{call}")), 1, "{call}");
            assert_eq!(count(&format!("#[cfg(test)]\nmod tests {{\n{call}\n}}")), 0, "{call}");
        }
    }
    assert_eq!(count("// WARN: it is.\ntracing::error!(\"a\");"), 1, "of another level");
    assert_eq!(count("tracing::debug!(\"a\");\ncompile_error!(\"a\");"), 0);
    let elsewhere = Source::parse("xtask/src/a.rs", "warn!(\"a\");");
    assert!(unexplained(&elsewhere, "warn!(\"a\");").is_empty());
}
