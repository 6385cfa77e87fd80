//! The complaints about one text, as they are found.
//!
//! Covers their places, and keeps what follows from broken TOML to itself. Does not judge values.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashSet};
use std::string::FromUtf8Error;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use tower_deadline::policies::{Complaint, PolicyFileError};

use super::path::Path;

/// What was found. Shared by all who look, so that each can go on.
pub(super) struct Complaints<'t> {
    text: &'t str,
    root: Spanned<DeValue<'t>>,
    /// Where each line begins.
    lines: Vec<usize>,
    /// The lines that are no TOML, from 1.
    broken: HashSet<usize>,
    found: RefCell<Vec<Complaint>>,
    /// Tables in which a key is not known: what is missing there has been written otherwise.
    misspelt: RefCell<HashSet<String>>,
    /// The keys of what was found.
    keys: RefCell<BTreeSet<String>>,
    /// Whether anything was said of a route, or of what one needs to be understood.
    any: Cell<bool>,
}

impl<'t> Complaints<'t> {
    /// About this text, of which what is no TOML is complained of elsewhere.
    pub(super) fn of(text: &'t str) -> Self {
        let (root, broken) = DeTable::parse_recoverable(text);
        let root = Spanned::new(root.span(), DeValue::Table(root.into_inner()));
        let lines = [0].into_iter().chain(text.match_indices('\n').map(|(end, _)| end + 1)).collect();
        let mut complaints = Self {
            text,
            root,
            lines,
            broken: HashSet::new(),
            found: RefCell::default(),
            misspelt: RefCell::default(),
            keys: RefCell::default(),
            any: Cell::new(!broken.is_empty()),
        };
        let starts = broken.iter().map(|error| error.span().map_or(0, |span| span.start));
        complaints.broken = starts.map(|at| complaints.line_and_column(at).0).collect();
        complaints
    }

    /// What the text says.
    pub(super) fn root(&self) -> &Spanned<DeValue<'t>> {
        &self.root
    }

    /// Whether the text is no TOML.
    pub(super) fn is_broken(&self) -> bool {
        !self.broken.is_empty()
    }

    /// Whether there is nothing to complain of so far.
    pub(super) fn is_none(&self) -> bool {
        !self.any.get()
    }

    /// Whether there is anything to complain of in this key, or in what stands in it.
    pub(super) fn is_within(&self, path: &Path<'_>) -> bool {
        let path = path.to_string();
        let ends = |rest: &str| rest.is_empty() || rest.starts_with(['.', '[']);
        let keys = self.keys.borrow();
        let mut from = keys.range(path.clone()..).map_while(|key| key.strip_prefix(path.as_str()));
        from.any(ends)
    }

    /// Whether a key of this table is not known.
    pub(super) fn is_misspelt(&self, table: &Path<'_>) -> bool {
        self.misspelt.borrow().contains(&table.to_string())
    }

    /// About the value of a key.
    pub(super) fn value(&self, path: &Path<'_>, message: impl Into<String>) {
        self.at(path.place(&self.root).value.start, path.to_string(), message.into());
    }

    /// About a key, whatever its value.
    pub(super) fn key(&self, path: &Path<'_>, message: impl Into<String>) {
        self.at(path.place(&self.root).key.start, path.to_string(), message.into());
    }

    /// About the value of a key, with the known word that it was meant to be.
    pub(super) fn word<'k>(
        &self,
        path: &Path<'_>,
        message: String,
        unknown: (&str, impl IntoIterator<Item = &'k str>),
    ) {
        self.at_word(path.place(&self.root).value.start, path.to_string(), message, unknown);
    }

    /// About a key that is not known.
    pub(super) fn unknown_key(&self, path: &Path<'_>, (word, known): (&str, &[&str])) {
        let Path::Key(above, _) = path else { return };
        self.misspelt.borrow_mut().insert(above.to_string());
        // What stands below a table whose head is broken seems to stand outside of all.
        if !(self.is_broken() && matches!(above, Path::Root)) {
            let at = path.place(&self.root).key.start;
            let message = format!("unknown key; expected one of {}", known.join(", "));
            self.at_word(at, path.to_string(), message, (word, known.iter().copied()));
        }
    }

    /// About a key that is not there, though it has to be; nothing if it is there, or may be so by another name.
    pub(super) fn missing(&self, table: &Path<'_>, key: &str, message: &str) {
        if !table.key(key).is_in(&self.root) && !self.is_misspelt(table) {
            let key = table.key(key).to_string();
            self.at(table.place(&self.root).key.start, key, message.to_owned());
        }
    }

    /// About what stands at this byte.
    pub(super) fn at(&self, at: usize, key: String, message: String) {
        self.meant(at, |line, column| Complaint::new(line, column, key, one_line(&message)));
    }

    /// About a word at this byte, with the known one that it was meant to be.
    pub(super) fn at_word<'k>(
        &self,
        at: usize,
        key: String,
        message: String,
        (word, known): (&str, impl IntoIterator<Item = &'k str>),
    ) {
        let known = known.into_iter().filter(|known| !known.contains(char::is_control));
        self.meant(at, |line, column| Complaint::new(line, column, key, one_line(&message)).or_meant(word, known));
    }

    /// Everything that was found, with what others found, in the order of the text.
    pub(super) fn into_all(self, others: Option<&PolicyFileError>) -> Vec<Complaint> {
        let mut all = self.found.into_inner();
        all.extend(others.into_iter().flat_map(|error| error.complaints().iter().cloned()));
        all.sort_by_key(|complaint| (complaint.line(), complaint.column()));
        all.dedup();
        all
    }

    /// About what a line means; where it is no TOML, that is what there is to say of it.
    fn meant(&self, at: usize, complaint: impl FnOnce(usize, usize) -> Complaint) {
        self.any.set(true);
        let (line, column) = self.line_and_column(at);
        if !self.broken.contains(&line) {
            let complaint = complaint(line, column);
            self.keys.borrow_mut().insert(complaint.key().to_owned());
            self.found.borrow_mut().push(complaint);
        }
    }

    /// From 1; the column in characters.
    fn line_and_column(&self, at: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|start| *start <= at);
        let start = self.lines.get(line - 1).copied().unwrap_or(0);
        let before = self.text.get(start..at).unwrap_or_default();
        (line, 1 + before.chars().count())
    }
}

/// What is said, with what the text says in it: a name with a line break in it breaks no line here.
fn one_line(message: &str) -> String {
    let mut line = String::with_capacity(message.len());
    for char in message.chars() {
        if char.is_control() { line.extend(char.escape_default()) } else { line.push(char) }
    }
    line
}

/// About bytes that are no text.
pub(super) fn no_text(error: &FromUtf8Error) -> Complaint {
    let good = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
    let good = String::from_utf8_lossy(good);
    let last = good.rsplit('\n').next().unwrap_or_default();
    let (line, column) = (1 + good.matches('\n').count(), 1 + last.chars().count());
    Complaint::new(line, column, "", "is not UTF-8; expected text in UTF-8")
}
