//! What is wrong with a file.
//!
//! Covers how it reads: a line for each complaint, as compilers write them. Does not find anything wrong.

use std::error::Error;
use std::fmt;
use std::io;

use super::suggest;

/// Why a file makes no [`PolicySet`](crate::PolicySet): it cannot be read, or there are complaints.
///
/// It reads as one line for each complaint, in the order of the text: file, line, column, key, and what was
/// expected.
#[derive(Debug)]
pub struct PolicyFileError {
    file: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Unread(io::Error),
    Complaints(Vec<Complaint>),
}

/// One thing that is wrong in a file, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) key: String,
    pub(super) message: String,
}

impl PolicyFileError {
    pub(super) fn unread(file: &str, error: io::Error) -> Self {
        Self { file: file.to_owned(), kind: Kind::Unread(error) }
    }

    pub(super) fn wrong(file: &str, complaints: Vec<Complaint>) -> Self {
        Self { file: file.to_owned(), kind: Kind::Complaints(complaints) }
    }

    /// The name of the file; `<toml>` for a text without one.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Everything that is wrong, in the order of the text; nothing where the file could not be read.
    #[must_use]
    pub fn complaints(&self) -> &[Complaint] {
        match &self.kind {
            Kind::Unread(_) => &[],
            Kind::Complaints(complaints) => complaints,
        }
    }
}

impl Complaint {
    /// A complaint about this place, both counted from 1: for whoever reads more of a file than its policies, and
    /// tells everything that is wrong with it alike.
    #[must_use]
    pub fn new(line: usize, column: usize, key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { line, column, key: key.into(), message: message.into() }
    }

    /// With the known word that an unknown one was meant to be, if one is a slip or two away.
    ///
    /// ```
    /// use tower_deadline::policies::Complaint;
    ///
    /// let complaint = Complaint::new(3, 1, "timeot", "unknown key").or_meant("timeot", ["timeout", "max"]);
    /// assert_eq!(complaint.to_string(), "3:1: timeot: unknown key; did you mean `timeout`?");
    /// ```
    #[must_use]
    pub fn or_meant<'k>(mut self, unknown: &str, known: impl IntoIterator<Item = &'k str>) -> Self {
        self.message = suggest::with(self.message, unknown, known);
        self
    }

    /// The line, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// The column, from 1, in characters.
    #[must_use]
    pub fn column(&self) -> usize {
        self.column
    }

    /// The key with the tables that it stands in, such as `policy.report.timeout`; empty where the text breaks off
    /// outside of any.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What is wrong, and what was expected.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for PolicyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, kind } = self;
        let complaints = match kind {
            Kind::Unread(error) => return write!(f, "{file}: cannot be read: {error}"),
            Kind::Complaints(complaints) => complaints,
        };
        for (nth, complaint) in complaints.iter().enumerate() {
            let separator = if nth == 0 { "" } else { "\n" };
            write!(f, "{separator}{file}:{complaint}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, key, message } = self;
        let separator = if key.is_empty() { "" } else { ": " };
        write!(f, "{line}:{column}: {key}{separator}{message}")
    }
}

impl Error for PolicyFileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            Kind::Unread(error) => Some(error),
            Kind::Complaints(_) => None,
        }
    }
}
