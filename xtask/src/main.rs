//! `cargo xtask`: what this workspace does for itself, without a dependency.
//!
//! Covers setting a machine up for the tests and running all of them, and the same for the counts of instructions and
//! for the suites of others. The checks that need no running code (form, lints, floors, documentation) are in `.ci/run`.

use std::env;
use std::process::ExitCode;
use std::time::Instant;

mod bench;
mod features;
mod machine;
mod step;
mod suites;
mod test;

/// What went wrong, in words for people.
type Outcome<T = ()> = Result<T, String>;

/// Something to be done.
struct Verb {
    name: &'static str,
    does: &'static str,
    run: Run,
}

enum Run {
    /// It takes no argument.
    Alone(fn() -> Outcome),
    /// It takes names, each of which has to be among the first; without any it takes all.
    Names(fn() -> Vec<&'static str>, fn(&[&str]) -> Outcome),
    /// It takes words that it looks at itself.
    Words(fn(&[&str]) -> Outcome),
}

const VERBS: [Verb; 3] = [
    Verb {
        name: "test",
        does: "install what the tests need, build everything, run every test",
        run: Run::Alone(test::run),
    },
    Verb {
        name: "bench",
        does: "print what each layer costs; `--check`: hold it to the baseline; `bench proxy`: the proxy beside others",
        run: Run::Words(bench::run),
    },
    Verb {
        name: "suites",
        does: "run real clients and the suites of others through the proxy; all, or those named",
        run: Run::Names(suites::names, suites::run),
    },
];

/// What the command line asks for.
enum Asked<'a> {
    Usage,
    Verb(&'static Verb, Vec<&'a str>),
}

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    match asked(&args) {
        Ok(Asked::Usage) => {
            print!("{}", usage());
            ExitCode::SUCCESS
        }
        Ok(Asked::Verb(verb, names)) => run(verb, &names),
        Err(wrong) => {
            eprint!("cargo xtask: {wrong}\n\n{}", usage());
            ExitCode::from(2)
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "tells a person how long it took; no test pauses this clock")]
fn run(verb: &Verb, names: &[&str]) -> ExitCode {
    let start = Instant::now();
    let outcome = match verb.run {
        Run::Alone(run) => run(),
        Run::Names(_, run) | Run::Words(run) => run(names),
    };
    let seconds = start.elapsed().as_secs();
    match outcome {
        Ok(()) => {
            println!("\ncargo xtask {}: passed in {seconds} s", verb.name);
            ExitCode::SUCCESS
        }
        Err(wrong) => {
            eprintln!("\ncargo xtask {}: failed after {seconds} s: {wrong}", verb.name);
            ExitCode::FAILURE
        }
    }
}

fn asked(args: &[String]) -> Outcome<Asked<'_>> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        [] | ["help" | "-h" | "--help", ..] | [_, "-h" | "--help"] => Ok(Asked::Usage),
        [name, ref rest @ ..] => {
            let verb = VERBS.iter().find(|verb| verb.name == name);
            let verb = verb.ok_or_else(|| format!("there is no verb `{name}`"))?;
            verb.takes(rest)?;
            Ok(Asked::Verb(verb, rest.to_vec()))
        }
    }
}

impl Verb {
    fn takes(&self, args: &[&str]) -> Outcome {
        let Self { name, run, .. } = self;
        let known = match run {
            Run::Alone(_) => Vec::new(),
            Run::Names(names, _) => names(),
            Run::Words(_) => return Ok(()),
        };
        match args.iter().find(|arg| !known.contains(arg)) {
            None => Ok(()),
            Some(argument) if known.is_empty() => Err(format!("`{name}` takes no argument, such as `{argument}`")),
            Some(argument) => Err(format!("`{name}` knows no `{argument}`, but {}", known.join(", "))),
        }
    }
}

fn usage() -> String {
    let verbs: String = VERBS.iter().map(|verb| format!("  {:<8} {}\n", verb.name, verb.does)).collect();
    format!("Usage: cargo xtask VERB [NAME]...\n\nVerbs:\n{verbs}\nSuites: {}\n", suites::names().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(args: &[&str]) -> Outcome<String> {
        let args: Vec<String> = args.iter().copied().map(str::to_owned).collect();
        asked(&args).map(|asked| match asked {
            Asked::Usage => usage(),
            Asked::Verb(verb, names) => [&[verb.name], &names[..]].concat().join(" "),
        })
    }

    #[test]
    fn a_verb_is_found_by_its_name_and_all_are_in_the_usage() {
        for verb in &VERBS {
            assert_eq!(asks(&[verb.name]).as_deref(), Ok(verb.name));
            assert!(usage().contains(verb.name) && usage().contains(verb.does));
        }
        for help in [&[][..], &["-h"], &["--help"], &["help", "test"], &["test", "--help"]] {
            assert_eq!(asks(help), Ok(usage()), "{help:?}");
        }
    }

    #[test]
    fn what_is_no_verb_is_named_in_the_error() {
        assert!(asks(&["tset"]).is_err_and(|wrong| wrong.contains("`tset`")));
        assert!(asks(&["test", "--all"]).is_err_and(|wrong| wrong.contains("`--all`")));
        let known = suites::names()[0];
        let wrong = asks(&["suites", known, "grcp"]).unwrap_err();
        assert!(wrong.contains("`grcp`") && wrong.contains(known), "{wrong}");
    }

    #[test]
    fn suites_may_be_named() {
        for name in suites::names() {
            assert_eq!(asks(&["suites", name]), Ok(format!("suites {name}")));
            assert!(usage().contains(name));
        }
    }
}
