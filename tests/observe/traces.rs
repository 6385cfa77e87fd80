//! Spans of real proxies, as a real collector has them: `rotel`, in a process of its own, over gRPC and over HTTP.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::Command;

use crate::support::{Folder, Head, MS, Proxy, Upstream, curl, eventually, own_place, soon};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A collector that writes what it takes into a file.
pub(super) struct Collector {
    pub(super) grpc: String,
    http: String,
    folder: Folder,
    _program: tokio::process::Child,
}

/// One span, as the collector tells it.
#[derive(Clone, Debug, Default)]
pub(super) struct Span {
    pub(super) trace: String,
    pub(super) parent: String,
    pub(super) id: String,
    name: String,
    kind: String,
    pub(super) attributes: BTreeMap<String, String>,
    events: Vec<String>,
}

/// Where it is: what `ROTEL` names, or where `cargo xtask test` has put it.
fn rotel() -> PathBuf {
    let installed = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tools/rotel/bin/rotel");
    let program = std::env::var_os("ROTEL").map_or_else(|| installed.into(), PathBuf::from);
    assert!(
        program.is_file(),
        "a collector of traces is missing: no rotel at {}; run `cargo xtask test`, or name it in ROTEL",
        program.display()
    );
    program
}

impl Collector {
    /// At a place of this test's own.
    pub(super) async fn start(port: u16) -> Self {
        let (folder, grpc, http) = (Folder::new(), own_place(port), own_place(port + 1));
        let out = fs::File::create(folder.of("told")).expect("a file can be made");
        let mut command = Command::new(rotel());
        command.args([
            "start",
            "--exporter",
            "blackhole",
            "--debug-log",
            "traces",
            "--debug-log-verbosity",
            "detailed",
        ]);
        command.args(["--otlp-grpc-endpoint", &grpc, "--otlp-http-endpoint", &http, "--pid-file", &folder.of("pid")]);
        command.args(["--log-file", &folder.of("log")]);
        let errors = out.try_clone().expect("a file can be shared");
        let program = command.stdin(Stdio::null()).stdout(out).stderr(errors).kill_on_drop(true).spawn();
        let collector = Self { grpc, http, folder, _program: program.expect("rotel can be run") };
        let is_open = |place: &str| TcpStream::connect(place).is_ok();
        eventually("a collector", || is_open(&collector.grpc) && is_open(&collector.http)).await;
        collector
    }

    /// What it has taken so far.
    pub(super) fn spans(&self) -> Vec<Span> {
        let files = ["told", "log"].map(|name| fs::read_to_string(self.folder.of(name)).unwrap_or_default());
        files.iter().flat_map(|text| spans(text)).collect()
    }

    /// All that there are, once there are so many.
    async fn of(&self, number: usize) -> Vec<Span> {
        eventually("spans", || self.spans().len() >= number).await;
        let spans = self.spans();
        assert_eq!(spans.len(), number, "{spans:#?}");
        spans
    }
}

/// The spans in the words of the collector: a line for each thing that it tells.
fn spans(text: &str) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let (mut is_event, mut is_span) = (false, false);
    for line in text.lines().map(str::trim) {
        if line.starts_with("Span #") {
            spans.push(Span::default());
            (is_event, is_span) = (false, true);
        }
        // What follows is of the service.
        is_span &= !line.starts_with("ResourceSpans #");
        let Some(span) = spans.last_mut().filter(|_| is_span) else { continue };
        is_event |= line.starts_with("SpanEvent #");
        if let Some((key, value)) = line.strip_prefix("-> ").and_then(|told| told.split_once(": ")) {
            let bare = value.split_once('(').map_or(value, |(_, value)| value.trim_end_matches(')')).to_owned();
            match key {
                "Name" if is_event => span.events.push(bare),
                "stage" | "edge" if is_event => {
                    let last = span.events.last_mut().expect("an event has a name first");
                    *last = format!("{last} {bare}");
                }
                _ if !is_event => drop(span.attributes.insert(key.to_owned(), bare)),
                _ => {}
            }
        } else if let Some((key, value)) = line.split_once(':') {
            let field = match key.trim() {
                "Trace ID" => &mut span.trace,
                "Parent ID" => &mut span.parent,
                "ID" => &mut span.id,
                "Name" => &mut span.name,
                "Kind" => &mut span.kind,
                _ => continue,
            };
            *field = value.trim().to_owned();
        }
    }
    spans
}

/// A proxy of this name in front of this address, which tells the collector.
async fn hop(name: &str, upstream: std::net::SocketAddr, more: &[&str]) -> Proxy {
    let named = ["--hop", name, "--traces-service", name];
    Proxy::with(upstream, &[&named, more].concat()).await
}

#[track_caller]
fn find<'s>(spans: &'s [Span], kind: &str, parent: &str) -> &'s Span {
    let found = spans.iter().find(|span| span.kind == format!("SPAN_KIND_{kind}") && span.parent == parent);
    found.unwrap_or_else(|| panic!("no {kind} below {parent}: {spans:#?}"))
}

#[track_caller]
fn assert_tells(span: &Span, told: &[(&str, &str)]) {
    for (key, value) in told {
        assert_eq!(span.attributes.get(*key).map(String::as_str), Some(*value), "{key}: {span:#?}");
    }
}

fn field<'h>(head: &'h Head, name: &str) -> Option<&'h str> {
    head.headers.get(name).map(|value| value.to_str().expect("a value is text"))
}

fn parent_of(head: &Head) -> String {
    field(head, "traceparent").expect("a call carries its trace").to_owned()
}

async fn shows_an_expiry_over_two_hops(collector: &Collector, endpoint: &str, protocol: &str) {
    let mut upstream = Upstream::start().await;
    let way = ["--traces-endpoint", endpoint, "--traces-protocol", protocol];
    let inner = hop("inner", upstream.address, &way).await;
    // What is kept back is for the one behind to stop first, however late it comes to its turn.
    let rest = format!(
        "[traces]\nendpoint = \"{endpoint}\"\nprotocol = \"{protocol}\"\n\
         [policy.default]\ntimeout = \"4s\"\nreserve = \"2s\"\n[[route]]\nname = \"default\"\nupstream = \"inner\"\n"
    );
    let outer = Proxy::of(&[("inner", inner.address)], &rest).await;
    let answer = curl(&["--header", PARENT, &outer.url("/never")]).await;
    assert_eq!(answer.status, 504);
    let sent = parent_of(&upstream.request().await);
    let spans = collector.of(4).await;
    assert!(spans.iter().all(|span| span.trace == TRACE), "{spans:#?}");

    // Who asked, the front, its call, the service behind it, and its call: each below the one before.
    let front = find(&spans, "SERVER", "00f067aa0ba902b7");
    let call = find(&spans, "CLIENT", &front.id);
    let behind = find(&spans, "SERVER", &call.id);
    let last = find(&spans, "CLIENT", &behind.id);
    assert_eq!(sent, format!("00-{TRACE}-{}-01", last.id), "the upstream is told of the call that it is asked by");
    // Who set the limit: the front, by its policy; the one behind has it from a field.
    assert_tells(front, &[("deadline.origin", "policy"), ("deadline.budget_ms", "4000"), ("http.route", "default")]);
    assert_tells(behind, &[("deadline.origin", "header"), ("deadline.origin_detail", "x-request-timeout")]);
    // Where it ended.
    let ended = [("deadline.stage", "upstream"), ("deadline.cause", "deadline"), ("error.type", "timeout")];
    for span in [front, behind, last] {
        assert_tells(span, &ended);
    }
    assert_tells(front, &[("http.response.status_code", "504"), ("url.path", "/never")]);
    let stages = ["stage connect entered", "connect_start", "connect_end", "stage connect left", "connected"];
    assert_eq!(last.events[..5], stages, "{last:#?}");
    assert!(last.events.contains(&"request_written".to_owned()) && !last.events.contains(&"first_byte".to_owned()));
    assert!(last.attributes.contains_key("peer.service"), "{last:#?}");
    assert_eq!((front.name.as_str(), last.name.as_str()), ("GET default", "GET"));
}

#[tokio::test]
async fn a_real_collector_is_told_of_an_expiry_over_grpc_hop_by_hop() {
    let collector = Collector::start(24_317).await;
    let endpoint = format!("http://{}", collector.grpc);
    shows_an_expiry_over_two_hops(&collector, &endpoint, "grpc").await;
}

#[tokio::test]
async fn a_real_collector_is_told_of_an_expiry_over_http_hop_by_hop() {
    let collector = Collector::start(24_327).await;
    let endpoint = format!("http://{}", collector.http);
    shows_an_expiry_over_two_hops(&collector, &endpoint, "http").await;
}

#[tokio::test]
async fn a_stop_exports_what_there_is_and_the_log_has_no_span() {
    let collector = Collector::start(24_337).await;
    let upstream = Upstream::start().await;
    let endpoint = format!("http://{}", collector.grpc);
    let proxy = hop("edge", upstream.address, &["--traces-endpoint", &endpoint, "--timeout", "5s"]).await;
    let Proxy { program, address, .. } = proxy;
    assert_eq!(curl(&[&format!("http://{address}/ok")]).await.status, 200);
    program.terminate().await;
    let finished = soon("the end of a proxy", program.finish()).await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(!finished.stderr.contains("http.route") && !finished.stderr.contains("request{"), "{}", finished.stderr);
    let spans = collector.of(2).await;
    let request = find(&spans, "SERVER", "");
    assert_tells(request, &[("http.response.status_code", "200"), ("deadline.policy", "default")]);
    assert!(!request.attributes.contains_key("deadline.stage") && !request.attributes.contains_key("error.type"));
}

#[tokio::test]
async fn nobody_waits_for_a_collector_that_is_not_there_and_it_is_told_once() {
    let upstream = Upstream::start().await;
    let nobody = format!("http://{}", own_place(24_347));
    let proxy = hop("edge", upstream.address, &["--traces-endpoint", &nobody]).await;
    for _ in 0..20 {
        assert_eq!(curl(&[&proxy.url("/ok")]).await.status, 200);
    }
    let lost = async {
        while proxy.metric("deadline_proxy_spans_dropped_total", &["reason=\"failed\""]).await < 40.0 {
            tokio::time::sleep(50 * MS).await;
        }
    };
    soon("spans that are given up", lost).await;
    proxy.program.terminate().await;
    let finished = soon("the end of a proxy", proxy.program.finish()).await;
    let told = finished.stderr.matches("the collector does not take spans").count();
    assert_eq!(told, 1, "{}", finished.stderr);
}

#[tokio::test]
async fn without_traces_a_parent_passes_as_it_came_and_a_share_of_none_begins_none() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::to(upstream.address).await;
    curl(&["--header", "traceparent: whatever", "--header", "tracestate: a=1", &proxy.url("/ok")]).await;
    let sent = upstream.request().await;
    assert_eq!((field(&sent, "traceparent"), field(&sent, "tracestate")), (Some("whatever"), Some("a=1")));
    let nobody = format!("http://{}", own_place(24_357));
    let proxy = hop("edge", upstream.address, &["--traces-endpoint", &nobody, "--traces-sample", "0"]).await;
    curl(&[&proxy.url("/ok")]).await;
    assert!(parent_of(&upstream.request().await).ends_with("-00"));
    curl(&["--header", PARENT, &proxy.url("/ok")]).await;
    let kept = parent_of(&upstream.request().await);
    assert!(kept.starts_with(&format!("00-{TRACE}-")) && kept.ends_with("-01"), "{kept}");
}

#[tokio::test]
async fn a_reload_changes_the_share_and_not_the_way() {
    let mut upstream = Upstream::start().await;
    let (nobody, app) = (own_place(24_367), upstream.address);
    let file = |traces: &str| {
        format!(
            "admin = \"127.0.0.1:0\"\n[[listener]]\naddress = \"127.0.0.1:0\"\n[upstream.app]\ntargets = \"http://{app}\"\n{traces}"
        )
    };
    let traces = |host: &str, share: u8| format!("[traces]\nendpoint = \"http://{host}\"\nsample = {share}\n");
    let none = file(&traces(&nobody, 0));
    let (all, elsewhere, off) = (file(&traces(&nobody, 1)), file(&traces("127.0.0.1:1", 1)), file(""));
    let proxy = Proxy::configured(&none).await;
    curl(&[&proxy.url("/ok")]).await;
    assert!(parent_of(&upstream.request().await).ends_with("-00"));
    for (text, now) in [(elsewhere, "grpc to http://127.0.0.1:1 as"), (off, "traces: off: it is grpc to")] {
        proxy.rewrite(&text);
        let (status, told) = proxy.reload().await;
        assert!(
            status != 200 && told.contains(now) && told.contains("as long as this process lives"),
            "{status} {told}"
        );
    }
    proxy.rewrite(&all);
    assert_eq!(proxy.reload().await.0, 200);
    curl(&[&proxy.url("/ok")]).await;
    assert!(parent_of(&upstream.request().await).ends_with("-01"));
}

#[test]
fn what_the_collector_tells_is_read() {
    let told = "Resource\n  Span #0\n    Trace ID       : t\n    Parent ID      : p\n    ID             : i\n    Name           : GET a\n    \
                Kind           : SPAN_KIND_CLIENT\nAttributes:\n     -> a.b: Str(c d)\n     -> n: Int(3)\nEvents:\nSpanEvent #0\n     -> Name: stage\n          \
                -> stage: Str(pool)\n          -> edge: Str(left)\nResourceSpans #1\n     -> x: Str(y)\nSpan #1\n    ID : j\n";
    let [first, second] = spans(told).try_into().unwrap();
    assert_eq!((first.trace.as_str(), first.parent.as_str(), first.id.as_str()), ("t", "p", "i"));
    assert_eq!((first.name.as_str(), first.kind.as_str()), ("GET a", "SPAN_KIND_CLIENT"));
    assert_tells(&first, &[("a.b", "c d"), ("n", "3")]);
    assert_eq!((first.events.as_slice(), second.id.as_str()), (&["stage pool left".to_owned()][..], "j"));
}
