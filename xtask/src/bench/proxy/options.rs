//! What the command line asks for.

use std::path::{Path, PathBuf};

use super::cases::{self, Case};
use crate::Outcome;

/// How the bench is run.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) peers: Vec<String>,
    pub(super) cases: Vec<Case>,
    /// Rounds of which a ratio is the median.
    pub(super) rounds: usize,
    /// How long one load lasts.
    pub(super) seconds: u64,
    pub(super) connections: usize,
    /// The first port: a few hundred after it have to be free, and for `growth` two thousand.
    pub(super) port: u16,
    /// Builds of ours, by name; none where it is to be built here.
    pub(super) proxies: Vec<(String, PathBuf)>,
    /// Whether the paper is written anew.
    pub(super) write: bool,
}

pub(super) const USAGE: &str = "cargo xtask bench proxy [--peers nginx,haproxy,caddy] [--rounds 8] [--seconds 2]
    [--cases NAME,...] [--proxy [NAME=]PATH]... [--connections 64] [--port 4500] [--write]";

impl Options {
    pub(super) fn parse(args: &[&str]) -> Outcome<Self> {
        let mut options = Self {
            peers: ["nginx", "haproxy"].map(str::to_owned).into(),
            cases: cases::ALL.to_vec(),
            rounds: 8,
            seconds: 2,
            connections: 64,
            port: 4500,
            proxies: Vec::new(),
            write: false,
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let (flag, value) = match arg.split_once('=') {
                Some((flag, value)) => (flag, Some(value)),
                None => (*arg, None),
            };
            if flag == "--write" {
                options.write = true;
                continue;
            }
            let value = value.or_else(|| args.next().copied());
            let value = value.ok_or_else(|| format!("`{flag}` wants a value, or is none of:\n{USAGE}"))?;
            options.set(flag, value)?;
        }
        Ok(options)
    }

    /// The command line that asks for the same, without what is of one machine alone.
    pub(super) fn line(&self) -> String {
        let Self { peers, cases, rounds, seconds, connections, .. } = self;
        let numbers = format!("--rounds {rounds} --seconds {seconds} --connections {connections}");
        let mut line = format!("cargo xtask bench proxy --peers {} {numbers}", peers.join(","));
        if cases.len() < cases::ALL.len() {
            let cases: Vec<&str> = cases.iter().map(|case| case.name).collect();
            line.push_str(&format!(" --cases {}", cases.join(",")));
        }
        line + if self.write { " --write" } else { "" }
    }

    fn set(&mut self, flag: &str, value: &str) -> Outcome {
        match flag {
            "--peers" => self.peers = words(value).map(str::to_owned).collect(),
            "--cases" => self.cases = words(value).map(Case::parse).collect::<Outcome<_>>()?,
            "--rounds" => self.rounds = number::<usize>(flag, value)?.max(1),
            "--seconds" => self.seconds = number::<u64>(flag, value)?.max(1),
            "--connections" => self.connections = number::<usize>(flag, value)?.max(1),
            "--port" => self.port = number(flag, value)?,
            "--proxy" => self.proxy(value),
            _ => return Err(format!("there is no `{flag}`:\n{USAGE}")),
        }
        Ok(())
    }

    fn proxy(&mut self, value: &str) {
        let (name, path) = match value.split_once('=') {
            Some((name, path)) => (name.to_owned(), path),
            None if self.proxies.is_empty() => ("deadline-proxy".to_owned(), value),
            None => (format!("deadline-proxy {}", self.proxies.len() + 1), value),
        };
        self.proxies.push((name, Path::new(path).to_owned()));
    }
}

fn words(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|word| !word.is_empty())
}

fn number<N: std::str::FromStr>(flag: &str, value: &str) -> Outcome<N> {
    value.parse().map_err(|_| format!("`{flag} {value}`: a whole number is wanted"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_has_a_default_and_can_be_said_in_two_ways() {
        let options = Options::parse(&[]).unwrap();
        assert_eq!((options.rounds, options.seconds, options.connections, options.write), (8, 2, 64, false));
        assert_eq!(options.cases.len(), cases::ALL.len());
        assert_eq!(options.peers, ["nginx", "haproxy"]);
        let options = Options::parse(&["--peers=", "--rounds", "3", "--cases=get-128,floor", "--write"]).unwrap();
        assert_eq!((options.peers.len(), options.rounds, options.cases.len(), options.write), (0, 3, 2, true));
        let line =
            "cargo xtask bench proxy --peers  --rounds 3 --seconds 2 --connections 64 --cases get-128,floor --write";
        assert_eq!(options.line(), line);
    }

    #[test]
    fn two_builds_have_two_names() {
        let options = Options::parse(&["--proxy", "a/b", "--proxy", "c", "--proxy=old=d"]).unwrap();
        let names: Vec<&str> = options.proxies.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["deadline-proxy", "deadline-proxy 2", "old"]);
        assert_eq!(options.proxies[2].1, Path::new("d"));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (args, named) in [
            (&["--rounds", "few"][..], "`--rounds few`"),
            (&["--rounds"], "`--rounds`"),
            (&["--round", "1"], "`--round`"),
            (&["--cases", "get-1"], "`get-1`"),
            (&["get-128"], "`get-128`"),
        ] {
            let wrong = Options::parse(args).unwrap_err();
            assert!(wrong.contains(named), "{wrong}");
        }
    }
}
