//! The statements that we send ourselves, and what can be read from those of others.

use tokio_postgres::IsolationLevel;

use crate::adapter::Open;

/// How a transaction begins.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manner {
    pub(crate) isolation: Option<IsolationLevel>,
    pub(crate) read_only: Option<bool>,
    pub(crate) deferrable: Option<bool>,
}

impl Manner {
    pub(crate) fn begin(self) -> String {
        let isolation = self.isolation.map(|level| match level {
            IsolationLevel::ReadUncommitted => "ISOLATION LEVEL READ UNCOMMITTED",
            IsolationLevel::ReadCommitted => "ISOLATION LEVEL READ COMMITTED",
            IsolationLevel::RepeatableRead => "ISOLATION LEVEL REPEATABLE READ",
            _ => "ISOLATION LEVEL SERIALIZABLE",
        });
        let read_only = self.read_only.map(|only| if only { "READ ONLY" } else { "READ WRITE" });
        let deferrable = self.deferrable.map(|can| if can { "DEFERRABLE" } else { "NOT DEFERRABLE" });
        let modes: Vec<&str> = [isolation, read_only, deferrable].into_iter().flatten().collect();
        format!("BEGIN {}", modes.join(", ")).trim_end().to_owned()
    }
}

/// The name of the savepoint in so many transactions.
pub(crate) fn savepoint(depth: usize) -> String {
    format!("deadline_{depth}")
}

/// Keeps what was done in the innermost of so many transactions.
pub(crate) fn commit(depth: usize) -> String {
    match depth {
        0 | 1 => "COMMIT".to_owned(),
        depth => format!("RELEASE SAVEPOINT {}", savepoint(depth - 1)),
    }
}

/// Ends what is open, whatever state it is in.
pub(crate) fn roll_back(open: &Open) -> String {
    match open {
        Open::Transaction => "ROLLBACK".to_owned(),
        Open::Savepoint(depth) => {
            let name = savepoint(*depth);
            format!("ROLLBACK TO SAVEPOINT {name}; RELEASE SAVEPOINT {name}")
        }
    }
}

/// Whether these statements could leave a transaction open.
pub(crate) fn may_begin(statements: &str) -> bool {
    let word = |word: &str| word.eq_ignore_ascii_case("begin") || word.eq_ignore_ascii_case("start");
    statements.split(|c: char| !c.is_ascii_alphanumeric()).any(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_begins_in_its_manner() {
        let all =
            Manner { isolation: Some(IsolationLevel::RepeatableRead), read_only: Some(true), deferrable: Some(false) };
        assert_eq!(Manner::default().begin(), "BEGIN");
        assert_eq!(all.begin(), "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY, NOT DEFERRABLE");
        let serializable = Manner { isolation: Some(IsolationLevel::Serializable), ..Manner::default() };
        assert_eq!(serializable.begin(), "BEGIN ISOLATION LEVEL SERIALIZABLE");
    }

    #[test]
    fn who_may_have_begun_one_is_suspected() {
        for (statements, may) in [
            ("BEGIN", true),
            ("select 1;begin;", true),
            ("START TRANSACTION", true),
            ("SELECT beginning FROM starts", false),
            ("VACUUM", false),
        ] {
            assert_eq!(may_begin(statements), may, "{statements}");
        }
    }
}
