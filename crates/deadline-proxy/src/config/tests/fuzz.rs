//! The loader against whatever it is given.

use std::fs;
use std::path::Path;

use super::*;

/// So many runs, unless this variable says how many.
const RUNS: u64 = 1_500;
const MORE: &str = "DEADLINE_FUZZ_RUNS";

/// The first of the numbers that look like chance, unless this variable says another one: not zero.
const SEED: u64 = 0x9E37_79B9_7F4A_7C15;
const OTHER: &str = "DEADLINE_FUZZ_SEED";

/// What files are made of.
const TOKENS: &[&str] = &[
    "\n",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    ",",
    ".",
    "\"",
    "'",
    "\"\"\"",
    "#",
    " = ",
    "\r\n",
    "\t",
    "\\",
    "\\u00e9",
    "é",
    "\u{feff}",
    "0",
    "-1",
    "1e400",
    "nan",
    "0x1F",
    "99999999999999999999",
    "true",
    "1979-05-27",
    "${",
    "${A}",
    "$${",
    "}",
    "upstream",
    "route",
    "policy",
    "listener",
    "limits",
    "chain",
    "headers",
    "targets",
    "host",
    "on",
    "off",
    "direct",
    "timeout",
    "a.b.c",
    "[upstream.a]\n",
    "[[route]]\n",
    "[policy.default]\n",
    "\"http://a\"",
    "\"https://{host}\"",
    "\"a,b|off\"",
    "\"5s\"",
    "\"0s\"",
];

/// Numbers that look like chance, and are the same in every run.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    fn of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }
}

fn corpus() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [root.join("../../examples/config"), root.join("src/config/tests/broken")];
    let mut files: Vec<_> = folders
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()))
        .collect();
    files.sort();
    files.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
}

/// A text that was right, or nearly so, with a few things done to it.
fn mutated(chance: &mut Chance, corpus: &[&str]) -> String {
    let mut lines: Vec<String> = chance.of(corpus).split_inclusive('\n').map(str::to_owned).collect();
    for _ in 0..=chance.below(6) {
        let (at, other) = (chance.below(lines.len()), chance.below(lines.len()));
        if lines.is_empty() {
            break;
        }
        match chance.below(7) {
            0 => drop(lines.remove(at)),
            1 => lines.insert(at, lines[other].clone()),
            2 => lines.swap(at, other),
            3 => lines.insert(at, chance.of(corpus).lines().nth(other).unwrap_or_default().to_owned() + "\n"),
            4 => lines[at] = torn(&lines[at], chance, ""),
            _ => {
                let token = chance.of(TOKENS);
                lines[at] = torn(&lines[at], chance, token);
            }
        }
    }
    lines.concat()
}

/// With this in the place of a few characters.
fn torn(line: &str, chance: &mut Chance, with: &str) -> String {
    let (count, skipped) = (line.chars().count(), chance.below(4));
    let at = chance.below(count);
    let (before, after) = (line.chars().take(at), line.chars().skip(at + skipped));
    before.chain(with.chars()).chain(after).collect()
}

fn soup(chance: &mut Chance) -> String {
    (0..chance.below(60)).map(|_| chance.of(TOKENS)).collect::<Vec<_>>().join(if chance.below(2) == 0 {
        ""
    } else {
        " "
    })
}

#[track_caller]
fn check(text: &str) {
    let Err(error) = parse("f", text, &|name| (name == "A").then(|| "a".to_owned())) else { return };
    let lines: Vec<_> = text.strip_prefix('\u{feff}').unwrap_or(text).split('\n').collect();
    assert!(!error.complaints().is_empty(), "{text:?}");
    for complaint in error.complaints() {
        let line = lines.get(complaint.line().wrapping_sub(1)).map(|line| line.chars().count());
        let within = line.is_some_and(|length| (1..=length + 1).contains(&complaint.column()));
        assert!(within && !complaint.message().contains('\n'), "{complaint}\n{text:?}");
    }
}

#[test]
fn whatever_stands_in_a_file_it_ends_in_settings_or_in_complaints_about_places_in_it() {
    let told = |name: &str| std::env::var(name).ok().and_then(|number| number.parse().ok());
    let runs = told(MORE).unwrap_or(RUNS);
    let corpus = corpus();
    let corpus: Vec<_> = corpus.iter().map(String::as_str).collect();
    let mut chance = Chance(told(OTHER).unwrap_or(SEED));
    for _ in 0..runs {
        check(&mutated(&mut chance, &corpus));
        check(&soup(&mut chance));
    }
}

#[test]
fn what_is_nested_without_an_end_ends() {
    for deep in [100, 10_000, 100_000] {
        for (open, close) in [("[", "]"), ("{ a = ", "}"), ("[{ a = ", "}]")] {
            check(&format!("route = {}1{}", open.repeat(deep), close.repeat(deep)));
        }
        check(&format!("a{} = 1", ".a".repeat(deep)));
        check(&format!("[a{}]\nb = 1", ".a".repeat(deep)));
    }
}
