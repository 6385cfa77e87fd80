//! The demo: a deadline shrinks over three hops, is enforced, and is answered for.
//!
//! Covers starting proxy → `orders` → `payments` in this process, sending real requests over loopback sockets,
//! and comparing what came with what a model foretells. The services are made of the public layers, as a
//! user's would be. Nothing is faked: stop a hop, and what is shown changes accordingly.

use std::fmt;
use std::io::{self, Write};

mod args;
mod cases;
mod chain;
mod client;
mod foretell;
mod hop;
mod json;
mod ledger;
mod record;
mod report;
mod service;
mod trace;
mod waterfall;

pub use self::args::{DemoArgs, Slow};
use self::cases::{Case, Terms};
use self::chain::Chain;
use self::foretell::{Ending, foretell};
pub use self::hop::Hop;
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
    let terms = Terms::new(args);
    let chain = Chain::start(terms.clone(), args.stop.clone()).await.map_err(DemoError::Start)?;
    let shown = show(args, &terms, &chain, out).await;
    chain.stop().await;
    match shown {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Outcome::AllForetold),
        shown => shown.map_err(DemoError::Write),
    }
}

async fn show(args: &DemoArgs, terms: &Terms, chain: &Chain, out: &mut dyn Write) -> io::Result<Outcome> {
    if !args.json {
        out.write_all(report::header().as_bytes())?;
    }
    let mut right = 0;
    for (index, case) in Case::ALL.into_iter().enumerate() {
        let foretold = foretell(case, terms);
        let trace = Trace::of(case, terms, chain).await;
        right += usize::from(foretold.contains(&trace.ending()));
        let text = if args.json { line(&trace, &foretold)? } else { report::block(index + 1, &trace, &foretold) };
        out.write_all(text.as_bytes())?;
        out.flush()?;
    }
    if !args.json {
        out.write_all(report::footer(right, Case::ALL.len(), !args.stop.is_empty()).as_bytes())?;
    }
    out.flush()?;
    Ok(if right == Case::ALL.len() { Outcome::AllForetold } else { Outcome::Differs })
}

fn line(trace: &Trace, foretold: &[Ending]) -> io::Result<String> {
    Ok(serde_json::to_string(&json::Object::new(trace, foretold))? + "\n")
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
