//! What the papers promise, and how long they are.

use std::collections::BTreeSet;

use super::lexer::is_word;
use super::{Outcome, nothing_in, tree};

/// What a stranger types first.
const COMMANDS: [&str; 2] = ["cargo run --release -p deadline-proxy -- demo", "cargo xtask test"];

const AT_MOST: [(&str, usize); 2] = [("ARCHITECTURE.md", 120), ("CONTRIBUTING.md", 150)];

/// Whether a line of the text runs this command, with or without a prompt.
fn runs(text: &str, command: &str) -> bool {
    let line = |line: &str| {
        let line = line.trim().trim_start_matches("$ ");
        line.strip_prefix(command).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    text.lines().any(line)
}

fn too_long(path: &str, text: &str, most: usize) -> Option<String> {
    let lines = text.lines().count();
    (lines > most).then(|| format!("{path}: {lines} lines, {most} at most"))
}

/// The rules that a text names: an `R`, one digit or two, and a `b` or none.
fn rules(text: &str) -> BTreeSet<&str> {
    let is_rule = |word: &&str| {
        let number = word.strip_prefix('R').map(|rest| rest.strip_suffix('b').unwrap_or(rest));
        number.is_some_and(|number| matches!(number.len(), 1 | 2) && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    text.split(|char| !is_word(char)).filter(is_rule).collect()
}

/// Rules that a comment cites, and the architecture does not explain.
fn unexplained(path: &str, text: &str, explained: &BTreeSet<&str>) -> Vec<String> {
    let comments = text.lines().filter_map(|line| line.split_once("//"));
    let cited: BTreeSet<&str> = comments.flat_map(|(_, comment)| rules(comment)).collect();
    let unknown = cited.difference(explained);
    unknown
        .map(|rule| format!("{path}: cites {rule}, which ARCHITECTURE.md does not explain"))
        .collect()
}

#[test]
fn the_readme_starts_with_two_commands_and_the_build_runs_the_second() -> Outcome {
    let readme = tree::text("README.md")?;
    let absent = COMMANDS.iter().filter(|command| !runs(&readme, command));
    nothing_in(&absent.map(|command| format!("README.md: no line runs `{command}`")).collect::<Vec<_>>());
    assert!(runs(&tree::text(".ci/run")?, COMMANDS[1]), ".ci/run: does not run `{}`", COMMANDS[1]);
    Ok(())
}

#[test]
fn the_papers_are_short() -> Outcome {
    for (path, most) in AT_MOST {
        nothing_in(&Vec::from_iter(too_long(path, &tree::text(path)?, most)));
    }
    Ok(())
}

#[test]
fn every_rule_that_is_cited_is_explained() -> Outcome {
    let architecture = tree::text("ARCHITECTURE.md")?;
    let explained = architecture.lines().filter(|line| line.starts_with("| R")).flat_map(rules).collect();
    let files = tree::rust_files()?;
    nothing_in(&files.iter().flat_map(|(path, text)| unexplained(path, text, &explained)).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn a_rule_that_nobody_explains_is_found() {
    let explained = rules("| R1, R13b | Words. |");
    assert_eq!(explained, BTreeSet::from(["R1", "R13b"]));
    let text = "let a = R7; // R1: (R13b), \"R12\"\n/// RFC 9651, RB, R, Rb, R100";
    assert_eq!(unexplained("a.rs", text, &explained), ["a.rs: cites R12, which ARCHITECTURE.md does not explain"]);
}

#[test]
fn a_command_that_is_only_talked_about_is_not_run() {
    for line in ["cargo xtask test", "    $ cargo xtask test  ", "cargo xtask test # everything"] {
        assert!(runs(&format!("a\n{line}\nb"), "cargo xtask test"), "{line}");
    }
    for line in ["", "# cargo xtask test", "see `cargo xtask test`", "cargo xtask tests", "echo cargo xtask test"] {
        assert!(!runs(&format!("a\n{line}\nb"), "cargo xtask test"), "{line}");
    }
}

#[test]
fn a_paper_of_one_line_too_many_is_found() {
    assert!(too_long("A.md", &"a\n".repeat(120), 120).is_none());
    assert_eq!(too_long("A.md", &"a\n".repeat(121), 120).as_deref(), Some("A.md: 121 lines, 120 at most"));
}
