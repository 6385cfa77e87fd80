//! Soaks, after which is held what was held before: by the proxy, and by a pool of connections to a database.

use std::time::Duration;

use super::Suite;
use super::script::{Build, Script};
use crate::Outcome;
use crate::machine::{self, CURL, POSTGRES, PYTHON};

/// Half an hour as a rule, and the build of the tests before it.
const LIMIT: Duration = Duration::from_secs(3 * 3_600);

/// Bad days of the proxy.
pub(super) const SUITE: Suite = Suite {
    name: "soak",
    prepare: || prepare().and_then(|()| machine::prepare(&CURL)),
    script: Script {
        command: "python3 tests/suites/soak/run.py proxy::bad_days::soak::a_long_life_leaves_nothing_behind \
                  DEADLINE_SOAK_SECONDS",
        limit: LIMIT,
        build: Build::Release,
    },
};

/// Statements that are dropped at any point.
pub(super) const SQL: Suite = Suite {
    name: "sql-soak",
    prepare: || prepare().and_then(|()| machine::prepare(&POSTGRES)),
    script: Script {
        command: "python3 tests/suites/soak/run.py \
                  sql::deadpool_postgres::soak::whatever_is_dropped_nobody_else_notices DEADLINE_SQL_SOAK_SECONDS",
        limit: LIMIT,
        build: Build::Release,
    },
};

fn prepare() -> Outcome {
    machine::prepare(&PYTHON)
}
