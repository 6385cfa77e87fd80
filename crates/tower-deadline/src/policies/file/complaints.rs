//! The complaints about one text, as they are found.
//!
//! Covers their places, and keeps what follows from broken TOML to itself. Does not judge values.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write;

use toml::Spanned;

use super::error::{Complaint, PolicyFileError};
use super::suggest;

/// A key that is longer is none: the text is no configuration.
const LONGEST: usize = 200;

pub(super) struct Complaints<'t> {
    text: &'t str,
    /// Where each line begins.
    lines: Vec<usize>,
    /// With the byte that each is about.
    found: Vec<(usize, Complaint)>,
    /// The lines that are no TOML.
    broken: BTreeSet<usize>,
}

impl<'t> Complaints<'t> {
    /// Those about a text that is no TOML in these places.
    pub(super) fn of(text: &'t str, broken: &[toml::de::Error]) -> Self {
        let lines = [0].into_iter().chain(text.match_indices('\n').map(|(end, _)| end + 1)).collect();
        let mut complaints = Self { text, lines, found: Vec::new(), broken: BTreeSet::new() };
        let heads = if broken.is_empty() { Vec::new() } else { heads(text) };
        for (at, message) in complaints.causes(broken) {
            complaints.broken.insert(complaints.place(at).0);
            complaints.push(at, complaints.key_at(at, &heads), expected(message));
        }
        complaints
    }

    /// What is wrong with each line, and the byte at which it is. What else is said of it follows from that: first comes
    /// what cannot be read, then what is not there for it.
    fn causes<'e>(&self, broken: &'e [toml::de::Error]) -> Vec<(usize, &'e str)> {
        let mut causes: Vec<_> =
            broken.iter().map(|error| (error.span().map_or(0, |span| span.start), error.message())).collect();
        let line = |at: usize| self.place(at).0;
        causes.sort_by_key(|(at, message)| (line(*at), !message.starts_with("invalid"), *at));
        causes.dedup_by_key(|(at, _)| line(*at));
        causes
    }

    /// Whether the text is no TOML.
    pub(super) fn is_broken(&self) -> bool {
        !self.broken.is_empty()
    }

    /// About the value of a key.
    pub(super) fn value<T>(&mut self, path: &[&str], value: &Spanned<T>, message: String) {
        self.meant(value.span().start, path, message);
    }

    /// About a key, whatever its value.
    pub(super) fn key(&mut self, path: &[&str], key: &Spanned<Cow<'_, str>>, message: String) {
        self.meant(key.span().start, path, message);
    }

    /// About a key of a policy that is not known.
    pub(super) fn unknown_key(&mut self, path: &[&str], key: &Spanned<Cow<'_, str>>, known: &[&str]) {
        self.key(path, key, unknown("key", key.get_ref(), known));
    }

    /// About a table that is not known.
    pub(super) fn unknown_table(&mut self, path: &[&str], key: &Spanned<Cow<'_, str>>, known: &[&str]) {
        self.key(path, key, unknown("table", key.get_ref(), known));
    }

    /// Fails with everything that was found.
    pub(super) fn none(mut self, file: &str) -> Result<(), PolicyFileError> {
        if self.found.is_empty() {
            return Ok(());
        }
        self.found.sort_by_key(|(at, _)| *at);
        let complaints = self.found.into_iter().map(|(_, complaint)| complaint).collect();
        Err(PolicyFileError::wrong(file, complaints))
    }

    /// About what a line means; where it is no TOML, that is what there is to say of it.
    fn meant(&mut self, at: usize, path: &[&str], message: String) {
        if !self.broken.contains(&self.place(at).0) {
            self.push(at, dotted(path), message);
        }
    }

    fn push(&mut self, at: usize, key: String, message: String) {
        let (line, column) = self.place(at);
        self.found.push((at, Complaint { line, column, key, message }));
    }

    /// Line and column, from 1.
    fn place(&self, at: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|start| *start <= at);
        let start = self.lines.get(line - 1).copied().unwrap_or_default();
        let before = self.text.get(start..at).unwrap_or_default();
        (line, 1 + before.chars().count())
    }

    /// The key of the line in which the text is broken, as far as it can be read: the table, and what stands before
    /// the `=`; nothing where there is no end to it.
    fn key_at(&self, at: usize, heads: &[(usize, &str)]) -> String {
        let start = self.before(at).rfind('\n').map_or(0, |end| end + 1);
        let line = self.text.get(start..).unwrap_or_default().lines().next().unwrap_or_default().trim();
        // As YAML has it, a `:` ends a key too.
        let (key, above) = if line.starts_with('[') {
            (head(line), None)
        } else {
            let above = heads.partition_point(|(head, _)| *head < start).checked_sub(1);
            (until(line, &['=', '#', ':']), above.and_then(|nth| heads.get(nth)))
        };
        let key = if key.len() > LONGEST || key.contains(char::is_control) { "" } else { key };
        match above {
            Some((_, table)) if !key.is_empty() => format!("{table}.{key}"),
            Some((_, table)) => (*table).to_owned(),
            None => key.to_owned(),
        }
    }

    fn before(&self, at: usize) -> &'t str {
        self.text.get(..at).unwrap_or(self.text)
    }
}

/// Where each line begins that names a table, and the name.
fn heads(text: &str) -> Vec<(usize, &str)> {
    let mut start = 0;
    let mut heads = Vec::new();
    for line in text.split_inclusive('\n') {
        let head = Some(line.trim()).filter(|line| line.starts_with('[')).map(head);
        heads.extend(head.filter(|head| head.len() <= LONGEST).map(|head| (start, head)));
        start += line.len();
    }
    heads
}

/// The name of a table, in the line that names it.
fn head(line: &str) -> &str {
    until(line.trim_start_matches('['), &[']', '#'])
}

/// What is said of broken TOML, where that does not say what was expected.
fn expected(message: &str) -> String {
    let expected = if message == "duplicate key" { "; expected each key once" } else { "" };
    message.to_owned() + expected
}

fn unknown(what: &str, word: &str, known: &[&str]) -> String {
    let message = format!("unknown {what}; expected one of {}", known.join(", "));
    suggest::with(message, word, known.iter().copied())
}

/// What stands before the first of these characters that is not in quotes. Where a quote is left open, that is what
/// is broken, and it means nothing.
fn until<'t>(line: &'t str, stops: &[char]) -> &'t str {
    let mut open = None;
    let mut stops_here = |char| match open {
        Some(quote) => {
            open = Some(quote).filter(|quote| *quote != char);
            false
        }
        None => {
            open = Some(char).filter(|char| matches!(char, '"' | '\''));
            stops.contains(&char)
        }
    };
    let end = line.find(&mut stops_here).or_else(|| line.find(stops));
    line[..end.unwrap_or(line.len())].trim()
}

/// A key as it would be written in one line.
fn dotted(path: &[&str]) -> String {
    let is_bare =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let mut key = String::new();
    for part in path {
        let separator = if key.is_empty() { "" } else { "." };
        // Writing to a string does not fail.
        let _ = if is_bare(part) { write!(key, "{separator}{part}") } else { write!(key, "{separator}{part:?}") };
    }
    key
}
