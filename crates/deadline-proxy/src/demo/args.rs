//! What the demo is told on the command line.

use std::time::Duration;

use super::Hop;
use crate::duration::duration;
use clap::Args;

/// Below it, what a busy machine adds is as long as what is shown.
const SHORTEST: Duration = Duration::from_millis(200);

/// One request takes the whole timeout, and a demo should end.
const LONGEST: Duration = Duration::from_secs(60);

const EXAMPLES: &str = "\
Examples:
  deadline-proxy demo                       five requests, five endings
  deadline-proxy demo --timeout 300ms       the same in a hurry
  deadline-proxy demo --slow payments=2s    one hop is slow for every request
  deadline-proxy demo --stop payments       one port is closed, and nothing is foretold
  deadline-proxy demo --json                one JSON object per request

Exits with 0 if every request ended as foretold, with 1 and the difference if not.";

/// How the demo is run.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
#[command(after_help = EXAMPLES)]
pub struct DemoArgs {
    /// What the clients ask for: 200ms to 60s.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = timeout)]
    pub timeout: Duration,

    /// Adds work to a hop: orders, payments or database. Can be repeated.
    #[arg(long, value_name = "HOP=DURATION", value_parser = slow)]
    pub slow: Vec<Slow>,

    /// Leaves the port of a hop closed: proxy, orders, payments or database. Can be repeated.
    #[arg(long, value_name = "HOP", value_parser = stop)]
    pub stop: Vec<Hop>,

    /// Prints one JSON object per request and line.
    #[arg(long)]
    pub json: bool,
}

/// Work that is added to a hop, for every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slow {
    /// Where: any hop but the proxy.
    pub hop: Hop,
    /// How much.
    pub work: Duration,
}

fn timeout(text: &str) -> Result<Duration, String> {
    let timeout = duration(text)?;
    if (SHORTEST..=LONGEST).contains(&timeout) {
        return Ok(timeout);
    }
    Err(format!("the demo shows timeouts from {SHORTEST:?} to {LONGEST:?}"))
}

fn slow(text: &str) -> Result<Slow, String> {
    let Some((name, work)) = text.split_once('=') else {
        return Err("HOP=DURATION is expected, such as payments=2s".to_owned());
    };
    let work = duration(work)?;
    match Hop::from_name(name) {
        Some(Hop::Proxy) => Err("the proxy only passes on; slow down orders, payments or database".to_owned()),
        Some(hop) => Ok(Slow { hop, work }),
        None => Err(format!("there is no hop \"{name}\"; slow down orders, payments or database")),
    }
}

fn stop(text: &str) -> Result<Hop, String> {
    Hop::from_name(text).ok_or_else(|| format!("there is no hop \"{text}\"; stop proxy, orders, payments or database"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        demo: DemoArgs,
    }

    fn parsed(words: &[&str]) -> Result<DemoArgs, String> {
        let words = ["demo"].iter().chain(words);
        Command::try_parse_from(words).map(|command| command.demo).map_err(|error| error.to_string())
    }

    #[test]
    fn says_nothing_and_gets_a_second() {
        let plain = DemoArgs { timeout: Duration::from_secs(1), slow: Vec::new(), stop: Vec::new(), json: false };
        assert_eq!(parsed(&[]), Ok(plain));
    }

    #[test]
    fn durations_are_written_as_in_the_header() {
        for (text, millis) in [("300", 300), ("300ms", 300), ("1.5s", 1_500), ("60s", 60_000), ("200ms", 200)] {
            let timeout = parsed(&["--timeout", text]).map(|args| args.timeout);
            assert_eq!(timeout, Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn hops_are_slowed_and_stopped_by_name() {
        let args = parsed(&["--slow", "payments=2s", "--slow", "orders=1", "--stop", "proxy", "--json"]).unwrap();
        let slow = [(Hop::Payments, 2_000), (Hop::Orders, 1)];
        assert_eq!(args.slow, slow.map(|(hop, millis)| Slow { hop, work: Duration::from_millis(millis) }));
        assert_eq!((args.stop, args.json), (vec![Hop::Proxy], true));
    }

    #[test]
    fn an_error_names_the_argument_and_what_is_expected() {
        for (words, argument, expected) in [
            (["--timeout", "abc"], "--timeout <DURATION>", "a duration such as 300ms, 1.5s or 1h30m is expected"),
            (["--timeout", "0"], "--timeout <DURATION>", "from 200ms to 60s"),
            (["--timeout", "61s"], "--timeout <DURATION>", "from 200ms to 60s"),
            (["--slow", "2s"], "--slow <HOP=DURATION>", "such as payments=2s"),
            (["--slow", "orders=-2s"], "--slow <HOP=DURATION>", "a duration such as"),
            (["--slow", "proxy=2s"], "--slow <HOP=DURATION>", "slow down orders, payments or database"),
            (["--slow", "basket=2s"], "--slow <HOP=DURATION>", "no hop \"basket\"; slow down orders, payments"),
            (["--stop", "basket"], "--stop <HOP>", "no hop \"basket\"; stop proxy, orders, payments"),
        ] {
            let error = parsed(&words).unwrap_err();
            assert!(error.contains(argument) && error.contains(expected), "{words:?}: {error}");
        }
    }
}
