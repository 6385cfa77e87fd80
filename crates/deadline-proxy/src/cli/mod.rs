//! The command line.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use http::Uri;
use http::uri::Authority;
use tower_deadline::{Dialect, Policy};

use crate::demo::DemoArgs;
use crate::duration::duration;
use crate::error::Error;
use crate::proxy::Settings;

/// The field that the help shows in its examples.
const FIELD: Dialect = Dialect::XRequestTimeout;

fn examples() -> String {
    format!(
        "\
Examples:
  deadline-proxy demo
      See a deadline shrink over three hops, be enforced, and be answered for.
  deadline-proxy run --upstream http://127.0.0.1:3000 --timeout 3s --max 30s
      Stand in front of a service: 3 s by default, up to 30 s for who asks.
  curl -i -H '{FIELD}: 300ms' http://127.0.0.1:8080/
      Ask for 300 ms through it."
    )
}

fn run_examples() -> String {
    format!(
        "\
Examples:
  deadline-proxy run --upstream http://127.0.0.1:3000
  deadline-proxy run --upstream http://127.0.0.1:3000 --listen 0.0.0.0:8080 --timeout 3s --max 30s

Durations are written as in {FIELD}: 300ms, 1.5s, 1h30m; bare digits are milliseconds.
SIGTERM and SIGINT stop accepting and give what is under way 30 s to finish; a second one ends it at once."
    )
}

/// A reverse proxy that makes deadlines real: it reads them, keeps them, passes on what is left, and answers why it
/// stopped.
#[derive(Debug, Parser)]
#[command(name = "deadline-proxy", version, about, after_help = examples())]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Proxy every request to one upstream.
    #[command(after_help = run_examples())]
    Run(RunArgs),

    /// See it: three hops on loopback sockets in one process, five requests, a picture of each.
    Demo(DemoArgs),
}

/// How to proxy.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// Where requests go: http://HOST:PORT. gRPC goes there over HTTP/2, everything else over HTTP/1.1.
    #[arg(long, value_name = "URL", value_parser = upstream)]
    pub upstream: Uri,

    /// Where requests come in: HTTP/1.1, and HTTP/2 with prior knowledge.
    #[arg(long, value_name = "ADDR", value_parser = address, default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// Where /healthz, /readyz and /config are served.
    #[arg(long, value_name = "ADDR", value_parser = address, default_value = "127.0.0.1:9901")]
    pub admin: SocketAddr,

    /// The budget of a request that asks for none. Without it, such a request takes as long as its upstream does.
    #[arg(long, value_name = "DURATION", value_parser = limit)]
    pub timeout: Option<Duration>,

    /// The most that a request can ask for; without it, --timeout is the most.
    #[arg(long, value_name = "DURATION", value_parser = limit)]
    pub max: Option<Duration>,

    /// The name of this hop, in answers.
    #[arg(long, value_name = "NAME", default_value = "proxy")]
    pub hop: String,
}

impl RunArgs {
    /// What the proxy is told.
    ///
    /// # Errors
    ///
    /// Where two arguments contradict each other.
    pub fn settings(&self) -> Result<Settings, Error> {
        let mut policy = Policy::new();
        if let (Some(timeout), Some(max)) = (self.timeout, self.max) {
            if timeout > max {
                return Err(Error::TimeoutOverMax { timeout, max });
            }
        }
        if let Some(timeout) = self.timeout {
            policy = policy.default_timeout(timeout);
        }
        if let Some(max) = self.max {
            policy = policy.max(max);
        }
        Ok(Settings { upstream: self.upstream.clone(), policy, hop: self.hop.clone() })
    }
}

fn upstream(text: &str) -> Result<Uri, String> {
    let expected = "http://HOST:PORT is expected";
    let uri: Uri = text.parse().map_err(|error| format!("{error}; {expected}"))?;
    match (uri.scheme_str(), uri.authority(), uri.path()) {
        (Some("http"), Some(authority), "/") if uri.query().is_none() && is_host_and_port(authority) => Ok(uri),
        (Some("https"), ..) => Err(format!("TLS to the upstream is not supported yet; {expected}")),
        _ => Err(format!("{expected}, without user, path and query")),
    }
}

/// `http` takes a port that is none, an empty host, and user information.
fn is_host_and_port(authority: &Authority) -> bool {
    let (host, text) = (authority.host(), authority.as_str());
    let port = authority.port_u16().filter(|port| *port != 0).map(|port| format!("{host}:{port}"));
    !host.is_empty() && (text == host || port.is_some_and(|whole| text == whole))
}

fn limit(text: &str) -> Result<Duration, String> {
    let limit = duration(text)?;
    if limit.is_zero() { Err("a duration above zero is expected, such as 300ms or 1.5s".to_owned()) } else { Ok(limit) }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "IP:PORT is expected, such as 127.0.0.1:8080, 0.0.0.0:8080 or [::]:8080".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn settings(arguments: &str) -> Result<Settings, String> {
        let words = ["deadline-proxy", "run"].into_iter().chain(arguments.split_whitespace());
        let Cli { verb } = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
        match verb {
            Verb::Run(args) => args.settings().map_err(|error| error.to_string()),
            Verb::Demo(_) => Err("another verb".to_owned()),
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn one_argument_is_enough() {
        let settings = settings("--upstream http://127.0.0.1:3000").unwrap();
        assert_eq!(settings.upstream, "http://127.0.0.1:3000/");
        assert_eq!(settings.hop, "proxy");
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_expected() {
        for (arguments, named) in [
            ("", "--upstream <URL>"),
            ("--upstream 127.0.0.1:3000", "http://HOST:PORT is expected"),
            ("--upstream https://example.com", "TLS to the upstream is not supported yet"),
            ("--upstream http://a/b", "without user, path and query"),
            ("--upstream http://a@b", "without user, path and query"),
            ("--upstream http://a --timeout soon", "'--timeout <DURATION>': a duration such as 300ms"),
            ("--upstream http://a --timeout 0", "a duration above zero"),
            ("--upstream http://a:99999", "http://HOST:PORT is expected"),
            ("--upstream http://:3000", "http://HOST:PORT is expected"),
            ("--upstream http://a --listen :8080", "IP:PORT is expected, such as 127.0.0.1:8080"),
            ("--upstream http://a --timeout 5s --max 3s", "--timeout (5s) is longer than --max (3s)"),
        ] {
            let error = settings(arguments).err().unwrap_or_default();
            assert!(error.contains(named), "{arguments}: {error}");
        }
    }

    #[test]
    fn durations_are_written_as_in_the_header() {
        assert_eq!(limit("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(limit("250"), Ok(Duration::from_millis(250)));
    }
}
