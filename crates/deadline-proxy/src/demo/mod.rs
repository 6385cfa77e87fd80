//! The demo: a deadline shrinks from hop to hop, is enforced, and is answered for.
//!
//! Covers starting proxy → `orders` → `payments` in this process, with a PostgreSQL behind them where there is one, sending
//! real requests over loopback sockets, and comparing what came with what a model foretells. The services are made of the
//! public layers, as a user's would be. Nothing is faked: stop a hop, and what is shown changes accordingly. The waterfalls
//! are drawn from the `Server-Timing` of the answers, where there is one.

use std::fmt;
use std::io::{self, Write};

mod args;
mod cases;
mod chain;
mod client;
mod database;
mod foretell;
mod hop;
mod json;
mod ledger;
mod record;
mod report;
mod service;
mod told;
mod trace;
mod waterfall;

pub use self::args::{DemoArgs, Slow};
use self::cases::{Case, Terms};
use self::chain::Chain;
use self::database::Database;
use self::foretell::{Ending, foretell};
pub use self::hop::Hop;
use self::ledger::Ledger;
use self::trace::Trace;

/// How a demo went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every request ended as foretold.
    AllForetold,
    /// At least one did not; the difference was written.
    Differs,
}

/// Why a demo could not be shown.
#[derive(Debug)]
#[non_exhaustive]
pub enum DemoError {
    /// A loopback port could not be opened.
    Start(io::Error),
    /// Its output could not be written.
    Write(io::Error),
}

/// Starts the chain, sends the requests one after the other, and writes what became of each to `out`.
///
/// The report is written with colours: hand in a stream that removes them where they are not wanted, such as
/// `anstream::stdout()`.
///
/// # Errors
///
/// [`DemoError`] where no port can be opened, or `out` takes nothing more.
pub async fn run(args: &DemoArgs, out: &mut dyn Write) -> Result<Outcome, DemoError> {
    let (database, skipped) = match Database::find(args.stop.contains(&Hop::Database)).await {
        Ok(database) => (Some(database), None),
        Err(why) => (None, Some(why)),
    };
    let (terms, ledger) = (Terms::new(args, database.is_some()), Ledger::new());
    let statements = database.as_ref().map(|database| database.statements(&ledger));
    let chain = Chain::start(terms.clone(), args.stop.clone(), ledger, statements).await.map_err(DemoError::Start)?;
    let run = Run { args, terms: &terms, chain: &chain, skipped: skipped.as_deref() };
    let shown = run.show(out).await;
    chain.stop().await;
    if let Some(database) = database {
        database.stop().await;
    }
    match shown {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Outcome::AllForetold),
        shown => shown.map_err(DemoError::Write),
    }
}

/// What is there to be shown.
struct Run<'a> {
    args: &'a DemoArgs,
    terms: &'a Terms,
    chain: &'a Chain,
    /// Why there is no database, if there is none.
    skipped: Option<&'a str>,
}

impl Run<'_> {
    async fn show(&self, out: &mut dyn Write) -> io::Result<Outcome> {
        let Self { args, terms, chain, skipped } = *self;
        if !args.json {
            out.write_all(report::header(skipped).as_bytes())?;
        }
        let mut right = 0;
        for (index, case) in Case::ALL.into_iter().enumerate() {
            let foretold = foretell(case, terms);
            let trace = Trace::of(case, terms, chain).await;
            right += usize::from(foretold.contains(&trace.ending()));
            let text =
                if args.json { self.line(&trace, &foretold)? } else { report::block(index + 1, &trace, &foretold) };
            out.write_all(text.as_bytes())?;
            out.flush()?;
        }
        if !args.json {
            out.write_all(report::footer(right, Case::ALL.len(), !args.stop.is_empty()).as_bytes())?;
        }
        out.flush()?;
        Ok(if right == Case::ALL.len() { Outcome::AllForetold } else { Outcome::Differs })
    }

    fn line(&self, trace: &Trace, foretold: &[Ending]) -> io::Result<String> {
        Ok(serde_json::to_string(&json::Object::new(trace, foretold, self.skipped))? + "\n")
    }
}

impl fmt::Display for DemoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => write!(f, "no port could be opened on 127.0.0.1: {error}; is loopback up?"),
            Self::Write(error) => write!(f, "the output could not be written: {error}"),
        }
    }
}

impl std::error::Error for DemoError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Start(error) | Self::Write(error) => Some(error),
        }
    }
}
