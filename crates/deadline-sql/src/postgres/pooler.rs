//! What stands between us and the server.
//!
//! Covers the mode of a pooler that changes how statements are sent, and finding out which version of PgBouncer it is.
//! Does not configure a pooler.

use std::fmt;
use std::str::FromStr;

use tokio_postgres::{Config, Error, SimpleQueryMessage};

use super::tls::Tls;

/// Whether the connections of a pool have a process of the server each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pooler {
    /// Each has its own, for as long as it lasts: there is no pooler, or it pools sessions.
    #[default]
    None,
    /// A process is lent for one transaction, as by PgBouncer with `pool_mode = transaction`. What a session is told
    /// would be found by somebody else there: so it is told nothing.
    Transaction,
}

/// A version of PgBouncer. It matters here for what its cancels do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PoolerVersion([u16; 3]);

/// Before it, a cancel could hit the statement of another client (pgbouncer pull request 717).
const OWN_CANCELS: PoolerVersion = PoolerVersion::new(1, 18, 0);
/// Before it, from 1.18 on, the process died of some cancels whose sender closed first (issues 801, 822 and 904).
const SURVIVES_CANCELS: PoolerVersion = PoolerVersion::new(1, 21, 0);
/// The first that knows prepared statements in transaction mode, if its `max_prepared_statements` is above zero.
const PREPARED_STATEMENTS: PoolerVersion = PoolerVersion::new(1, 21, 0);

impl PoolerVersion {
    /// 1.18.0 is `PoolerVersion::new(1, 18, 0)`.
    #[must_use]
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self([major, minor, patch])
    }

    /// Asks the pooler that this configuration leads to, in its database `pgbouncer`, and logs a warning for each of its
    /// [`flaws`](Self::flaws). Only who is named in its `admin_users` or `stats_users` is told. Done once, where a
    /// program starts; dropping the future closes the connection.
    ///
    /// `None` where somebody answers who is not PgBouncer.
    ///
    /// # Errors
    ///
    /// What tokio-postgres says: the pooler cannot be reached, or tells this user nothing.
    pub async fn ask(config: &Config, tls: impl Tls) -> Result<Option<Self>, Error> {
        let mut console = config.clone();
        let (client, _driven) = tls.connect(console.dbname("pgbouncer")).await?;
        let messages = client.simple_query("SHOW VERSION").await?;
        let told = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0)?.parse::<Self>().ok(),
            _ => None,
        });
        for flaw in told.iter().flat_map(|version| version.flaws()) {
            // WARN: cancels through this pooler can go wrong until it is renewed.
            tracing::warn!(target: "deadline_sql", version = ?told, flaw, "the pooler has a known flaw");
        }
        Ok(told)
    }

    /// What is wrong with its cancels, in words for a log. None from 1.21 on.
    pub fn flaws(self) -> impl Iterator<Item = &'static str> {
        let others = (self < OWN_CANCELS).then_some("a cancel can hit the statement of another client");
        let dies = (OWN_CANCELS..SURVIVES_CANCELS).contains(&self);
        let dies = dies.then_some("it can die of a cancel whose sender closes before it is answered; ours do not");
        others.into_iter().chain(dies)
    }

    /// Whether a prepared statement can be used outside of the transaction that prepared it.
    #[must_use]
    pub fn knows_prepared_statements(self) -> bool {
        self >= PREPARED_STATEMENTS
    }
}

/// As it calls itself: `PgBouncer 1.18.0`, perhaps with more behind it.
impl FromStr for PoolerVersion {
    type Err = NoVersion;

    fn from_str(told: &str) -> Result<Self, NoVersion> {
        let words = told.strip_prefix("PgBouncer ").unwrap_or(told);
        let word = words.split_whitespace().next().ok_or(NoVersion)?;
        let mut numbers = word.split('.').map(|number| number.parse().map_err(|_| NoVersion));
        let mut number = || numbers.next().unwrap_or(Err(NoVersion));
        Ok(Self::new(number()?, number()?, number()?))
    }
}

impl fmt::Display for PoolerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "PgBouncer {major}.{minor}.{patch}")
    }
}

/// It is no version of PgBouncer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoVersion;

impl fmt::Display for NoVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a version of PgBouncer, such as `PgBouncer 1.21.0`")
    }
}

impl std::error::Error for NoVersion {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_as_it_calls_itself() {
        for (told, version) in [
            ("PgBouncer 1.18.0", Ok(PoolerVersion::new(1, 18, 0))),
            ("1.24.1", Ok(PoolerVersion::new(1, 24, 1))),
            ("PgBouncer 1.21.0 (built by somebody)", Ok(PoolerVersion::new(1, 21, 0))),
            ("PgBouncer", Err(NoVersion)),
            ("PgBouncer 1.x.0", Err(NoVersion)),
            ("PgBouncer 1.18", Err(NoVersion)),
            ("PgBouncer 1.-1.0", Err(NoVersion)),
            ("", Err(NoVersion)),
        ] {
            assert_eq!(told.parse(), version, "{told}");
        }
        assert_eq!(PoolerVersion::new(1, 18, 0).to_string(), "PgBouncer 1.18.0");
        assert!(NoVersion.to_string().contains("1.21.0"));
    }

    #[test]
    fn each_version_has_the_flaws_that_are_known_of_it() {
        let flaws = |minor, patch| PoolerVersion::new(1, minor, patch).flaws().collect::<Vec<_>>().join("; ");
        for (minor, patch) in [(17, 0), (9, 0)] {
            assert!(flaws(minor, patch).contains("another client"), "1.{minor}.{patch}");
        }
        for (minor, patch) in [(18, 0), (19, 0), (20, 1)] {
            assert!(flaws(minor, patch).starts_with("it can die"), "1.{minor}.{patch}");
        }
        assert_eq!((flaws(21, 0), flaws(24, 1)), (String::new(), String::new()));
        let known = |minor, patch| PoolerVersion::new(1, minor, patch).knows_prepared_statements();
        assert_eq!([known(20, 9), known(21, 0)], [false, true]);
    }
}
