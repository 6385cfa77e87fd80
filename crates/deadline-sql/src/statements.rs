//! The statements that keep and end transactions, and what can be read from those of others.

use crate::adapter::Open;

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
    statements.split(|c: char| !c.is_ascii_alphanumeric()).any(is_begin)
}

/// Whether this one statement, as the extended protocol takes it, leaves a transaction open.
#[cfg(feature = "deadpool-postgres")]
pub(crate) fn begins(statement: &str) -> bool {
    let first = statement.split(|c: char| !c.is_ascii_alphanumeric()).find(|word| !word.is_empty());
    first.is_some_and(is_begin)
}

fn is_begin(word: &str) -> bool {
    word.eq_ignore_ascii_case("begin") || word.eq_ignore_ascii_case("start")
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[cfg(feature = "deadpool-postgres")]
    #[test]
    fn a_statement_by_itself_begins_one_by_its_first_word() {
        for (statement, begins) in
            [(" BEGIN READ ONLY", true), ("start transaction", true), ("SELECT start FROM t", false), ("", false)]
        {
            assert_eq!(super::begins(statement), begins, "{statement}");
        }
    }
}
