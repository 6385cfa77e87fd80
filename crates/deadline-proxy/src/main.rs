//! `deadline-proxy`: read the command line, run, tell how it went.

use std::fmt::Display;
use std::process::ExitCode;

use clap::Parser;
use deadline_proxy::cli::{Cli, Verb};
use deadline_proxy::demo::{self, Outcome};
use deadline_proxy::run::run;

#[tokio::main]
async fn main() -> ExitCode {
    match Cli::parse().verb {
        Verb::Run(args) => told(run(&args).await.map(|()| ExitCode::SUCCESS)),
        Verb::Demo(args) => told(demo::run(&args, &mut anstream::stdout()).await.map(shown)),
    }
}

/// The difference, where there is one, was written.
fn shown(outcome: Outcome) -> ExitCode {
    match outcome {
        Outcome::AllForetold => ExitCode::SUCCESS,
        Outcome::Differs => ExitCode::FAILURE,
    }
}

fn told<E: Display>(outcome: Result<ExitCode, E>) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        anstream::eprintln!("deadline-proxy: {error}");
        ExitCode::from(2)
    })
}
