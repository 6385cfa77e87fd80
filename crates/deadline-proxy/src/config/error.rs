//! What is wrong with a file.
//!
//! Covers how it reads: a line for each complaint, as compilers write them. Does not find anything wrong.

use std::fmt;
use std::io;

use tower_deadline::policies::Complaint;

/// Why a file makes no [`Settings`](crate::settings::Settings): it cannot be read, or there are complaints.
///
/// It reads as one line for each complaint, in the order of the text: file, line, column, key, what is wrong, and what
/// was expected. Elements of a list are counted from 1, as lines are: `route[2].policy` is of the second `[[route]]`.
#[derive(Debug)]
pub struct Error {
    file: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Unread(io::Error),
    Complaints(Vec<Complaint>),
}

impl Error {
    pub(super) fn unread(file: &str, error: io::Error) -> Self {
        Self { file: file.to_owned(), kind: Kind::Unread(error) }
    }

    pub(super) fn wrong(file: &str, complaints: Vec<Complaint>) -> Self {
        Self { file: file.to_owned(), kind: Kind::Complaints(complaints) }
    }

    /// The name of the file, as it was given.
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

impl fmt::Display for Error {
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

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            Kind::Unread(error) => Some(error),
            Kind::Complaints(_) => None,
        }
    }
}
