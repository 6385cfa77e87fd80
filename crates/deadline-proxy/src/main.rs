//! `deadline-proxy`: read the command line, run, tell how it went.

use std::process::ExitCode;

use clap::Parser;
use deadline_proxy::cli::{Cli, Verb};
use deadline_proxy::run::run;

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Cli::parse().verb {
        Verb::Run(args) => run(&args).await.map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|error| {
        anstream::eprintln!("deadline-proxy: {error}");
        ExitCode::from(2)
    })
}
