//! How a transaction begins.

use tokio_postgres::IsolationLevel;

/// Its modes.
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
}
