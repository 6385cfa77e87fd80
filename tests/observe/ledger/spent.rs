//! The entry of the proxy, beside its own access log: both tell of the same stages.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_deadline::Stage;
use http_deadline::dialect::server_timing::{Entry, entries};
use serde_json::Value;

use crate::support::{Act, Answer, Folder, MS, Mirror, Proxy, Then, curl, eventually};

/// What may lie between two looks at the clock, on a machine that is busy.
const APART: Duration = Duration::from_millis(100);

/// Takes its time for everything, and fails where it is asked for what is flaky, but not twice.
fn upstream() -> Mirror {
    let has_failed = AtomicBool::new(false);
    Mirror::start(move |visit, _| match visit.head.path() {
        "/flaky" if !has_failed.swap(true, Ordering::Relaxed) => Act::answer(503, "", ""),
        "/slow" => Act { after: 400 * MS, ..Act::answer(200, "", "slow") },
        "/never" => Act::now(Then::Stall),
        _ => Act { after: 200 * MS, ..Act::answer(200, "", "ok") },
    })
}

struct Logged {
    proxy: Proxy,
    path: String,
    _folder: Folder,
}

impl Logged {
    async fn start(upstream: &Mirror) -> Self {
        let folder = Folder::new();
        let path = folder.of("access.log");
        let text = format!(
            "admin = \"127.0.0.1:0\"\nworkers = 1\n[[listener]]\naddress = \"127.0.0.1:0\"\n\
             [forwarding]\ntrust = \"127.0.0.1\"\n\
             [access_log]\nrequests = \"full\"\nformat = \"json\"\noutput = \"{path}\"\n\
             [upstream.app]\ntargets = [\"http://{}\"]\nconnections = 1\n\
             [policy.default]\nledger = \"inside\"\nretries = 1\nbackoff = \"200ms\"\n[[route]]\nupstream = \"app\"\n",
            upstream.address
        );
        Self { proxy: Proxy::configured(&text).await, path, _folder: folder }
    }

    /// The line of a request for this.
    async fn line(&self, asked: &str) -> Value {
        let line = || {
            let text = std::fs::read_to_string(&self.path).unwrap_or_default();
            let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            lines.into_iter().find(|line| line["path"] == asked)
        };
        eventually("a line", || line().is_some()).await;
        line().expect("it is there")
    }
}

fn entry(answer: &Answer) -> Entry {
    let mut entries = entries(&answer.headers);
    assert_eq!(entries.len(), 1, "{answer:?}");
    entries.remove(0)
}

/// What both tell of a stage; nothing is no time.
fn in_both(entry: &Entry, line: &Value, stage: Stage) -> [Duration; 2] {
    let told = entry.stages().iter().find(|(of, _)| *of == stage).map(|(_, time)| *time);
    let spent = line["spent"][stage.as_str()].as_f64().unwrap_or_default();
    [told.unwrap_or_default(), Duration::from_secs_f64(spent / 1_000.0)]
}

#[tokio::test]
async fn the_ledger_and_the_access_log_tell_of_the_same_times() {
    let upstream = upstream();
    let logged = Logged::start(&upstream).await;
    // The second waits for the only connection.
    let (slow, waits) = tokio::join!(async { curl(&[&logged.proxy.url("/slow")]).await }, async {
        eventually("the first one", || !upstream.visits().is_empty()).await;
        curl(&[&logged.proxy.url("/waits")]).await
    });
    let flaky = curl(&[&logged.proxy.url("/flaky")]).await;
    #[expect(clippy::disallowed_methods, reason = "a stamp is an instant of the wall clock")]
    let stamp = std::time::SystemTime::now() - Duration::from_secs(5);
    let stamp = stamp.duration_since(std::time::UNIX_EPOCH).expect("it is later").as_millis();
    let queued = curl(&["-H", &format!("X-Request-Start: t={stamp}"), &logged.proxy.url("/queued")]).await;
    let never = curl(&["-H", "X-Request-Timeout: 300ms", &logged.proxy.url("/never")]).await;
    for (answer, path, least) in [
        (&slow, "/slow", &[(Stage::Upstream, 400 * MS)][..]),
        (&waits, "/waits", &[(Stage::Pool, MS), (Stage::Upstream, 200 * MS)]),
        // By chance, a wait is as short as half of what is set.
        (&flaky, "/flaky", &[(Stage::Backoff, 100 * MS), (Stage::Upstream, 200 * MS)]),
        (&queued, "/queued", &[(Stage::Queue, 5_000 * MS), (Stage::Upstream, 200 * MS)]),
        (&never, "/never", &[(Stage::Upstream, 250 * MS)]),
    ] {
        let (entry, line) = (entry(answer), logged.line(path).await);
        let case = format!("{path}: {entry} {line}");
        for stage in [Stage::Queue, Stage::Pool, Stage::Connect, Stage::Upstream, Stage::Backoff] {
            let [told, logged] = in_both(&entry, &line, stage);
            assert!(told.abs_diff(logged) < APART, "{stage}: {case}");
        }
        for (stage, least) in least {
            assert!(in_both(&entry, &line, *stage).into_iter().all(|time| time >= *least), "{stage}: {case}");
        }
        assert!(entry.own() < APART, "{case}");
        let stopped = (line["stage"].as_str(), line["cause"].as_str(), line["hop"].as_str());
        let told = entry.stop().map(|(stage, cause)| (stage.as_str(), cause.as_str()));
        let expected = (path == "/never").then_some(("upstream", "deadline"));
        assert_eq!(
            (told, stopped),
            (expected, (expected.map(|it| it.0), expected.map(|it| it.1), expected.map(|_| "proxy"))),
            "{case}"
        );
        assert_eq!(entry.granted(), (path == "/never").then_some(300 * MS), "{case}");
    }
}
