//! What the proxy tells an operator as it happens, on standard error.
//!
//! Covers what changes (a certificate, an endpoint's health), what fails, requests that are refused or stopped, and, where
//! that is wanted, what is decided of each request. What becomes of requests is counted, all of it; here some are told.

use std::env;
use std::io::{IsTerminal, Write, stderr};

use tracing::Subscriber;
use tracing_subscriber::filter::{Directive, FilterExt, LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt, registry};

use crate::explain::{Lines, TARGET};
use crate::traces::Traces;

mod told;

pub(crate) use self::told::{failed, no_proxy_header, refused, tried_in_vain};

/// The variable that has every decision told.
const EXPLAIN: &str = "DEADLINE_EXPLAIN";

/// The target of the spans of requests.
const SPANS: &str = "tower_deadline";

/// Writes events from here on. `RUST_LOG` chooses which, `info` and above by default; what it has of bad directives is
/// passed over. With `DEADLINE_EXPLAIN=1`, or `explain=debug` among the directives, each decision about a request is a
/// line of its own.
///
/// The spans of requests go to `traces` alone, whatever `RUST_LOG` says: a line of the log does not repeat them.
pub(crate) fn install(traces: Option<&Traces>) {
    // Somebody else in this process has installed theirs, which then is the one.
    drop(subscriber(traces).try_init());
}

/// Each of its parts has a filter of its own: what one does not take costs nothing where no other does.
fn subscriber(traces: Option<&Traces>) -> impl Subscriber + Send + Sync + use<> {
    let events = fmt::layer().with_writer(stderr).with_ansi(stderr().is_terminal()).with_target(false);
    let is_event = filter_fn(|metadata| !Lines::concern(metadata) && metadata.target() != SPANS);
    let lines = Lines::to(write).with_filter(filter().and(filter_fn(Lines::concern)));
    registry().with(events.with_filter(filter().and(is_event))).with(lines).with(Traces::layer(traces))
}

fn filter() -> EnvFilter {
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).from_env_lossy();
    let is_wanted = env::var_os(EXPLAIN).is_some_and(|wanted| !wanted.is_empty() && wanted != "0");
    let directive = is_wanted.then(|| format!("{TARGET}=debug").parse::<Directive>().ok()).flatten();
    directive.into_iter().fold(filter, EnvFilter::add_directive)
}

fn write(id: Option<&str>, line: &str) {
    // Serving does not depend on somebody reading this.
    let _ = writeln!(stderr(), "{TARGET} {} {line}", id.unwrap_or("-"));
}

#[cfg(feature = "otlp")]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::traces::Settings;
    use tower_deadline::trace::is_wanted;
    use tracing::subscriber::with_default;

    #[test]
    fn no_request_has_a_span_unless_somebody_takes_it_whatever_the_log_takes() {
        let settings = Settings::new("http://127.0.0.1:9".parse().unwrap());
        let traces = Traces::start(Some(&settings)).unwrap();
        for (traces, wanted) in [(None, false), (traces.as_ref(), true)] {
            with_default(subscriber(traces), || {
                assert_eq!(is_wanted(), wanted);
                assert!(tracing::enabled!(tracing::Level::INFO) && !tracing::enabled!(tracing::Level::DEBUG));
            });
        }
    }
}
