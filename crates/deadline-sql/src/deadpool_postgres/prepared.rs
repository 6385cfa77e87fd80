//! Statements that a connection keeps.
//!
//! deadpool-postgres keeps them too, but does not tell whether it has one. That has to be known before the server is told
//! the time: for a statement that is there nothing is sent, and no round trip is paid.

use std::collections::HashMap;

use tokio_postgres::Statement;
use tokio_postgres::types::Type;

/// By their text, and the types of their parameters.
#[derive(Debug, Default)]
pub(super) struct Prepared(HashMap<String, Vec<(Vec<Type>, Statement)>>);

impl Prepared {
    pub(super) fn find(&self, text: &str, types: &[Type]) -> Option<Statement> {
        let named = self.0.get(text)?;
        named.iter().find(|(known, _)| known == types).map(|(_, statement)| statement.clone())
    }

    pub(super) fn keep(&mut self, text: &str, types: &[Type], statement: Statement) {
        self.0.entry(text.to_owned()).or_default().push((types.to_vec(), statement));
    }
}
