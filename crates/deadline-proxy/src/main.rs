//! `deadline-proxy`: read the command line, do what it says, tell how it went.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use deadline_proxy::check::check;
use deadline_proxy::cli::{CheckArgs, Cli, ExplainArgs, RunArgs, Verb};
use deadline_proxy::config;
use deadline_proxy::demo::{self, DemoArgs, DemoError, Outcome};
use deadline_proxy::dry_run::dry_run;
use deadline_proxy::error::Error;
use deadline_proxy::run::run;

/// The system's own keeps what a crowd has used: after 5 000 idle connections have closed, 69 MiB of 70, and 10 of 70 with
/// this one. Without huge pages, which would cost each idle connection 8 KiB more.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// It ran and failed.
const FAILED: u8 = 1;

/// What it was told is wrong. The same as clap's.
const WRONG: u8 = 2;

fn main() -> ExitCode {
    let mut out = anstream::stdout();
    match Cli::parse().verb {
        Verb::Run(args) => serve(&args),
        Verb::Check(args) => look(&args, &mut out),
        Verb::Explain(args) => explain(&args, &mut out),
        Verb::Schema(args) => written(args.write(&mut out)),
        Verb::Demo(args) => show(&args).map_or_else(|error| told(FAILED, &error), shown),
        Verb::Completions(args) => written(args.write(&mut out)),
        Verb::Man(args) => written(args.write(&mut out)),
    }
}

fn serve(args: &RunArgs) -> ExitCode {
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error @ Error::Unready(_)) => {
            let file = args.config.as_ref().map(|file| file.display().to_string());
            let whose = file.as_deref().unwrap_or("deadline-proxy");
            error.to_string().lines().for_each(|line| anstream::eprintln!("{whose}: {line}"));
            code(&error).into()
        }
        Err(error) => failed(&error),
    }
}

fn look(args: &CheckArgs, out: &mut dyn Write) -> ExitCode {
    let settings = match config::read(&args.config) {
        Ok(settings) => settings,
        Err(error) => return failed(&Error::Config(error)),
    };
    let file = args.config.display();
    match check(&settings) {
        Ok(summary) => written(writeln!(out, "{file}: ok: {summary}")),
        Err(errors) => {
            errors.iter().for_each(|error| anstream::eprintln!("{file}: {error}"));
            WRONG.into()
        }
    }
}

fn explain(args: &ExplainArgs, out: &mut dyn Write) -> ExitCode {
    let settings = match args.proxy.settings() {
        Ok(settings) => settings,
        Err(error) => return failed(&error),
    };
    match dry_run(&settings, &args.ask()) {
        Ok(lines) => written(lines.iter().try_for_each(|line| writeln!(out, "{line}"))),
        Err(error) => told(if error.is_of_input() { WRONG } else { FAILED }, &error),
    }
}

#[tokio::main]
async fn show(args: &DemoArgs) -> Result<Outcome, DemoError> {
    demo::run(args, &mut anstream::stdout()).await
}

/// The difference, where there is one, was written.
fn shown(outcome: Outcome) -> ExitCode {
    match outcome {
        Outcome::AllForetold => ExitCode::SUCCESS,
        Outcome::Differs => FAILED.into(),
    }
}

/// Whoever reads and has seen enough has not been failed.
fn written(outcome: io::Result<()>) -> ExitCode {
    match outcome {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => told(FAILED, &error),
        _ => ExitCode::SUCCESS,
    }
}

fn failed(error: &Error) -> ExitCode {
    match error {
        // It names the file, in each of its lines.
        Error::Config(error) => {
            anstream::eprintln!("{error}");
            WRONG.into()
        }
        _ => told(code(error), error),
    }
}

fn code(error: &Error) -> u8 {
    if error.is_of_input() { WRONG } else { FAILED }
}

fn told(code: u8, error: &dyn Display) -> ExitCode {
    anstream::eprintln!("deadline-proxy: {error}");
    code.into()
}
