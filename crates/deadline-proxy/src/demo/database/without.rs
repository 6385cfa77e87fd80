//! A build without databases.

use std::time::Duration;

use tower_deadline::BoxError;

use crate::demo::ledger::Ledger;

/// There is none.
pub(in crate::demo) enum Database {}

/// There is none to send them to.
#[derive(Clone)]
pub(in crate::demo) enum Statements {}

impl Database {
    pub(in crate::demo) async fn find(_: bool) -> Result<Self, String> {
        Err("this program was built without the feature demo-database".to_owned())
    }

    pub(in crate::demo) fn statements(&self, _: &Ledger) -> Statements {
        match *self {}
    }

    pub(in crate::demo) async fn stop(self) {
        match self {}
    }
}

impl Statements {
    pub(in crate::demo) async fn work(self, _: Duration) -> Result<(), BoxError> {
        match self {}
    }
}
