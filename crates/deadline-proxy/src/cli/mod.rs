//! The command line.

mod check;
mod deadline;
mod explain;
mod forwarding;
mod limits;
mod listening;
mod logging;
mod pages;
mod run;
mod schema;
mod tracing;
mod tunnels;
mod upstreams;
mod value;

use clap::{Parser, Subcommand};
use tower_deadline::Dialect;

pub use self::check::CheckArgs;
pub use self::deadline::DeadlineArgs;
pub use self::explain::ExplainArgs;
pub use self::forwarding::{ForwardArgs, ForwardedFields};
pub use self::limits::LimitArgs;
pub use self::listening::{Edge, ListenArgs};
pub use self::logging::{LogArgs, LogFormat, Logged};
pub use self::pages::{CompletionsArgs, ManArgs};
pub use self::run::RunArgs;
pub use self::schema::SchemaArgs;
pub use self::tracing::{Protocol, TraceArgs};
pub use self::tunnels::TunnelArgs;
pub use self::upstreams::{Balancing, HttpVersion, UpstreamArgs};
pub use self::value::OrOff;
use crate::demo::DemoArgs;

/// The version, and the revision that it was built of.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("DEADLINE_PROXY_REVISION"), ")");

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
      Ask for 300 ms through it.
  deadline-proxy explain --config proxy.toml GET /orders/7 -H '{FIELD}: 300ms'
      See what would become of it, and why, without sending it.

Exit codes:
  0  It did what it was asked to.
  1  It ran and failed: a port is in use, the demo went otherwise than foretold.
  2  The command line or the configuration is wrong; nothing was started."
    )
}

fn run_examples() -> String {
    format!(
        "\
Examples:
  deadline-proxy run --config /etc/deadline-proxy.toml
  deadline-proxy run --upstream http://127.0.0.1:3000
  deadline-proxy run --upstream http://127.0.0.1:3000 --listen 0.0.0.0:8080 --timeout 3s --max 30s
  deadline-proxy run --upstream https://orders.internal --upgrade websocket \\
      --listen-tls 0.0.0.0:8443 --tls-cert chain.pem --tls-key key.pem --trust 10.0.0.0/8
  systemd-socket-activate -l 8080 --fdname=http deadline-proxy run --upstream unix:/run/app.sock --listen fd:http

Durations are written as in {FIELD}: 300ms, 1.5s, 1h30m; bare digits are milliseconds.
SIGTERM and SIGINT stop accepting and give what is under way --drain-timeout to finish; a second one ends it at once.
SIGHUP has the file of --config read again, as a change of it does, and the access log opened anew.
SIGUSR2 starts the program that lies there now, hands every socket over to it, and then stops as above.
RUST_LOG chooses what is written to standard error: error, warn, info (the default), debug.
DEADLINE_EXPLAIN=1 adds every decision about every request, a line each, after the id of the request."
    )
}

fn explain_examples() -> String {
    format!(
        "\
Examples:
  deadline-proxy explain --config proxy.toml GET /orders/7?x=1 --host shop.example -H '{FIELD}: 5s'
  deadline-proxy explain --config proxy.toml POST /upload --from 192.0.2.1 --listener 0.0.0.0:8443 --body-bytes 70000
  deadline-proxy explain --upstream http://127.0.0.1:3000 --timeout 3s GET / -H 'connection: x-private' -H 'x-private: 1'

The request is put to the very proxy that `run` would start, and to nobody outside: whoever stands in for the upstreams
answers 200. Each line is a decision, TOPIC: words. Which proxy, --config or the other flags of `run` say."
    )
}

fn check_examples() -> &'static str {
    "\
Examples:
  deadline-proxy check --config proxy.toml
      proxy.toml: ok: 2 listeners, 5 routes, 3 upstreams, 2 policies

Reads the files that it names too: certificates, keys, authorities. Opens no port, asks for no name, calls nobody.
Exits with 0 if nothing is wrong, with 2 and a line for each mistake if something is."
}

fn schema_examples() -> &'static str {
    "\
Examples:
  deadline-proxy schema > deadline-proxy.schema.json
      For editors: with `#:schema ./deadline-proxy.schema.json` at its top, a file is completed and checked as it is written.
  deadline-proxy schema --markdown > configuration.md
      Every table and every key, with its kind, its default and its meaning."
}

/// A reverse proxy that makes deadlines real: it reads them, keeps them, passes on what is left, and answers why it
/// stopped.
#[derive(Debug, Parser)]
#[command(name = "deadline-proxy", version = VERSION, about, after_help = examples())]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Proxy requests to an upstream, or to several by routes.
    #[command(after_help = run_examples(), mut_args = run::alone)]
    Run(Box<RunArgs>),

    /// Look for what is wrong with a configuration, and start nothing.
    #[command(after_help = check_examples())]
    Check(CheckArgs),

    /// Tell what would become of one request, and why, without sending it.
    #[command(after_help = explain_examples(), mut_args = run::alone)]
    Explain(Box<ExplainArgs>),

    /// Print what a configuration can say, as a JSON schema or as a page to read.
    #[command(after_help = schema_examples())]
    Schema(SchemaArgs),

    /// See it: three hops on loopback sockets in one process, five requests, a picture of each.
    Demo(DemoArgs),

    /// Print the script by which a shell completes this command line.
    Completions(CompletionsArgs),

    /// Print the manual, as man reads it.
    Man(ManArgs),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Side, Strangers};
    use crate::settings::Settings;
    use crate::{access, proxy, upstream};
    use clap::CommandFactory;

    fn settings(arguments: &str) -> Result<Settings, String> {
        let words = ["deadline-proxy", "run"].into_iter().chain(arguments.split_whitespace());
        let Cli { verb } = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
        match verb {
            Verb::Run(args) => args.settings().map_err(|error| error.to_string()),
            _ => Err("another verb".to_owned()),
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn one_argument_is_enough() {
        let settings = settings("--upstream http://127.0.0.1:3000").unwrap();
        assert_eq!(
            settings.proxy.upstreams[0].targets.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["http://127.0.0.1:3000"]
        );
        assert_eq!(
            settings.listeners.iter().map(|listener| listener.address.to_string()).collect::<Vec<_>>(),
            ["127.0.0.1:8080"]
        );
        assert_eq!(settings.proxy.hop, "proxy");
        assert_eq!(settings.listeners[0].side, Side::Internal);
    }

    #[test]
    fn strangers_come_in_at_the_edge() {
        for (how, strangers) in [("cap", Strangers::Cap), ("drop", Strangers::Drop)] {
            let settings = settings(&format!("--upstream http://a --edge {how}")).unwrap();
            assert_eq!(settings.listeners[0].side, Side::Edge(strangers));
        }
    }

    /// They stand in the help, and where they are explained.
    #[test]
    fn defaults_are_those_of_the_parts() {
        let told = settings("--upstream http://a --health-path /healthz").unwrap();
        let mut upstream = upstream::Settings::new(["http://a".parse().unwrap()]);
        upstream.health = Some(upstream::HealthCheck::default());
        assert_eq!(format!("{:?}", told.proxy.upstreams[0]), format!("{upstream:?}"));
        assert_eq!(told.limits, crate::limits::Settings::default());
        assert_eq!(told.access, access::Settings::default());
        assert_eq!(told.proxy.forwarding, crate::forward::Settings::default());
        assert_eq!(format!("{:?}", told.proxy.routes[0].tunnel), format!("{:?}", proxy::tunnel::Settings::default()));
    }

    #[test]
    fn an_access_log_is_chosen_in_the_words_of_its_settings() {
        let access = |arguments: &str| settings(&format!("--upstream http://a {arguments}")).unwrap().access;
        assert_eq!(access("--access-log full").what, access::What::Full);
        assert_eq!(access("--access-log sampled").what, access::What::Sampled(access::SAMPLE));
        assert_eq!(access("--access-log sampled --access-log-sample 0.5").what, access::What::Sampled(0.5));
        let told = access("--access-log full --access-log-format json --access-log-output /var/log/a.log");
        assert_eq!(told.format, access::Format::Json);
        assert_eq!(told.output, access::Output::File("/var/log/a.log".into()));
        assert_eq!(access("--access-log full --access-log-output stderr").output, access::Output::Stderr);
    }

    #[cfg(feature = "otlp")]
    #[test]
    fn traces_go_to_a_collector_that_is_named() {
        use crate::traces::{Endpoint, Protocol, Settings};
        let traces = |arguments: &str| settings(&format!("--upstream http://a {arguments}")).unwrap().traces;
        let endpoint: Endpoint = "http://127.0.0.1:4317".parse().unwrap();
        assert_eq!(traces(""), None);
        assert_eq!(traces("--traces-endpoint http://127.0.0.1:4317"), Some(Settings::new(endpoint.clone())));
        let told =
            "--traces-endpoint http://127.0.0.1:4317 --traces-protocol http --traces-sample 0.1 --traces-service edge";
        let service = "edge".to_owned();
        assert_eq!(traces(told), Some(Settings { endpoint, protocol: Protocol::Http, sample: 0.1, service }));
    }

    #[test]
    fn requests_that_were_stopped_are_kept_unless_nobody_wants_them() {
        let kept = |arguments: &str| settings(&format!("--upstream http://a {arguments}")).map(|told| told.expired);
        assert_eq!((kept("").unwrap(), kept("--expired 0").unwrap(), kept("--expired 1000").unwrap()), (50, 0, 1000));
        assert!(kept("--expired 1001").is_err());
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_expected() {
        for (arguments, named) in [
            ("", "<--config <FILE>|--upstream <URL>>"),
            ("--upstream 127.0.0.1:3000", "http://HOST[:PORT], https://HOST[:PORT] or unix:/PATH is expected"),
            ("--upstream http://a/b", "without user, path and query"),
            ("--upstream http://a@b", "without user, path and query"),
            ("--upstream http://a --timeout soon", "'--timeout <DURATION>': a duration such as 300ms"),
            ("--upstream http://a --timeout 0", "a duration above zero"),
            ("--upstream http://a:99999", "http://HOST[:PORT]"),
            ("--upstream http://:3000", "http://HOST[:PORT]"),
            ("--upstream http://a --admin :8080", "IP:PORT is expected, such as 127.0.0.1:8080"),
            ("--upstream http://a --listen :8080", "'--listen <ADDR>'"),
            ("--upstream http://a --listen 1.2.3.4:5 --listen 1.2.3.4:5", "1.2.3.4:5 is given twice"),
            ("--upstream http://a --listen-tls 1.2.3.4:5", "--tls-cert <FILE>"),
            ("--upstream http://a --tls-cert a.pem", "--tls-key <FILE>"),
            ("--upstream http://a --upstream-cert a.pem", "--upstream-key <FILE>"),
            ("--upstream http://a --upgrade h2c", "--upgrade: "),
            ("--upstream http://a --tunnel-idle 1s", "--upgrade <PROTOCOL>"),
            ("--upstream http://a --trust everybody", "a network such as 10.0.0.0/8"),
            ("--upstream http://a --eject-after 0", "a whole number above zero, or `off`"),
            ("--upstream http://a --min-body-rate slow", "a number of bytes above zero, or `off`"),
            ("--upstream http://a --access-log all", "[possible values: off, sampled, full]"),
            ("--upstream http://a --access-log sampled --access-log-sample 2", "a share above 0, and 1 at most"),
            ("--upstream http://a --access-log sampled --access-log-sample NaN", "a share above 0, and 1 at most"),
            ("--upstream http://a --access-log full --access-log-sample 0.5", "only with --access-log sampled"),
            ("--upstream http://a --access-log-format json", "--access-log <REQUESTS>"),
            ("--upstream http://a --access-log full --access-log-output a.log", "stdout, stderr or /PATH"),
            ("--upstream http://a --traces-endpoint https://b:4317", "https is not spoken to a collector"),
            ("--upstream http://a --traces-endpoint b:4317", "http://HOST[:PORT] is expected"),
            ("--upstream http://a --traces-endpoint http://b/c", "--traces-protocol http"),
            ("--upstream http://a --traces-endpoint http://b:99999", "http://HOST[:PORT] is expected"),
            ("--upstream http://a --traces-endpoint http://b --traces-service=", "a name is expected"),
            ("--upstream http://a --traces-endpoint http://b --traces-sample 2", "a share from 0 to 1"),
            ("--upstream http://a --traces-sample 0.5", "--traces-endpoint <URL>"),
            ("--upstream http://a --workers 0", "a number of threads from 1 to 1024"),
            ("--upstream http://a --timeout 5s --max 3s", "--timeout (5s) is longer than --max (3s)"),
        ] {
            let error = settings(arguments).err().unwrap_or_default();
            assert!(error.contains(named), "{arguments}: {error}");
        }
    }

    /// A value that this argument takes.
    fn value(argument: &clap::Arg) -> Option<&'static str> {
        argument.get_action().takes_values().then(|| match argument.get_long().unwrap_or_default() {
            "upstream" => "http://a",
            "upstream-http" => "2",
            "balance" => "least-loaded",
            "listen" | "listen-tls" | "admin" => "127.0.0.1:0",
            "proxy-protocol-from" | "trust" => "10.0.0.1",
            "forwarded" => "both",
            "edge" => "cap",
            "access-log" => "full",
            "access-log-format" => "json",
            "access-log-output" => "stderr",
            "traces-endpoint" => "http://a",
            "traces-protocol" => "http",
            _ => "1",
        })
    }

    #[test]
    fn a_file_stands_alone() {
        let mut flags = 0;
        for verb in ["run", "explain"] {
            let command = Cli::command().find_subcommand(verb).cloned().unwrap();
            let request: &[_] = if verb == "explain" { &["GET", "/"] } else { &[] };
            let parts =
                command.get_arguments().filter(|arg| arg.get_help_heading().is_some_and(|of| of != run::REQUEST));
            for part in parts {
                flags += 1;
                let flag = format!("--{}", part.get_long().unwrap());
                let words = ["deadline-proxy", verb, "--config", "a.toml", &flag].into_iter().chain(value(part));
                let error = Cli::try_parse_from(words.chain(request.iter().copied())).unwrap_err().to_string();
                assert!(error.contains("'--config <FILE>' cannot be used with") && error.contains(&flag), "{error}");
            }
        }
        assert!(flags > 80, "{flags}");
        let request = ["explain", "--config", "a", "GET", "/", "--http2", "-H", "a: b"];
        assert!(Cli::try_parse_from(["deadline-proxy"].iter().chain(&request)).is_ok());
    }

    #[test]
    fn each_verb_tells_what_it_wants() {
        for (arguments, told) in [
            ("", "Usage: deadline-proxy <COMMAND>"),
            ("chek", "'check'"),
            ("check", "--config <FILE>"),
            ("check proxy.toml", "unexpected argument 'proxy.toml'"),
            ("explain --config a", "<METHOD>"),
            ("schema --html", "unexpected argument '--html'"),
            ("schema toml", "unexpected argument 'toml'"),
            ("completions", "<SHELL>"),
            ("completions tcsh", "[possible values: bash, elvish, fish, powershell, zsh]"),
            ("man --out", "a value is required for '--out <DIR>'"),
        ] {
            let words = ["deadline-proxy"].into_iter().chain(arguments.split_whitespace());
            let error = Cli::try_parse_from(words).unwrap_err();
            assert!(error.to_string().contains(told), "{arguments}: {error}");
            assert_eq!(error.exit_code(), 2, "{arguments}");
        }
    }

    /// Read aloud: nothing but the names of flags and files is written otherwise than a sentence.
    #[test]
    fn each_argument_is_told_in_a_sentence() {
        let mut command = Cli::command();
        command.build();
        for verb in command.get_subcommands() {
            let about = verb.get_about().unwrap().to_string();
            assert!(about.starts_with(char::is_uppercase) && !about.ends_with('.'), "{about}");
            for argument in verb.get_arguments().filter(|argument| !argument.is_hide_set()) {
                let help = argument.get_help().unwrap_or_else(|| panic!("{argument}")).to_string();
                assert!(help.starts_with(char::is_uppercase), "{argument}: {help}");
            }
        }
    }

    #[test]
    fn the_version_has_a_revision() {
        let (number, revision) = VERSION.split_once(" (").unwrap();
        let revision = revision.strip_suffix(')').unwrap();
        let commit = revision.strip_suffix("-dirty").unwrap_or(revision);
        assert_eq!(number, env!("CARGO_PKG_VERSION"));
        let is_commit = commit.len() == 12 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert!(is_commit || commit == "unknown", "{VERSION}");
    }
}
