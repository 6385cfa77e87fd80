use super::*;
use crate::config::parse;

/// What stands in the environment.
fn variable(_: &str) -> Option<String> {
    Some("s3cret".to_owned())
}

fn told(text: &str) -> Value {
    config(&parse("f", text, &variable).unwrap_or_else(|error| panic!("{error}")))
}

const FULL: &str = r#"
hop = "edge"
workers = 2
drain_timeout = "1m30s"
[[listener]]
address = "0.0.0.0:8443"
tls = { cert = "c.pem", key = "k.pem" }
proxy_protocol_from = ["10.0.0.0/8", "unix"]
side = "edge"
strangers = "drop"
[limits]
min_body_rate = "off"
max_in_flight = 7
[forwarding]
trust = ["10.0.0.1", "unix"]
forwarded = "both"
[access_log]
requests = "sampled"
output = "/var/log/a"
[traces]
endpoint = "http://127.0.0.1:4317"
sample = 0.5
[upstream.a]
targets = ["https://a:8443", "https://b"]
tls = { name = "a.internal" }
health = {}
headers = { authorization = "Bearer ${TOKEN}", x-plain = "plain-but-hidden" }
[upstream.b]
targets = "http://b"
[policy.default]
timeout = "3s"
max = "30s"
covers = "head"
status = 503
mode = "observe"
on_invalid = "ignore"
retries = 2
[[route]]
name = "orders"
host = ["*.shop.example", "shop.example"]
prefix = "/orders"
method = "GET"
headers = { x-key = "${TOKEN}", x-tenant = "blue", x-old = false }
chain = [{ upstream = "a", on = ["404", "connect"] }, { upstream = "b", on = "any", timeout = "5s" }, { upstream = "off" }]
upgrade = ["websocket"]
rewrite = { prefix = "/v2", original = "x-original-path" }
"#;

#[test]
fn everything_of_a_file_is_told_as_it_is_written_there() {
    let told = told(FULL);
    assert_eq!((&told["hop"], &told["workers"], &told["drain_timeout"]), (&json!("edge"), &json!(2), &json!("90s")));
    let tls = json!({ "cert": "c.pem", "key": "k.pem", "client_ca": null });
    assert_eq!(
        told["listeners"],
        json!([{
            "address": "0.0.0.0:8443", "tls": tls, "proxy_protocol_from": "10.0.0.0/8,unix", "side": "edge", "strangers": "drop",
        }])
    );
    assert_eq!((&told["limits"]["min_body_rate"], &told["limits"]["idle_timeout"]), (&json!("off"), &json!("75s")));
    let forwarding = json!({ "trust": "10.0.0.1/32,unix", "forwarded": "both", "via": "edge", "request_id": true, "request_start": false });
    assert_eq!(told["forwarding"], forwarding);
    let access = json!({ "requests": "sampled", "sample": 0.01, "format": "text", "output": "/var/log/a" });
    assert_eq!((&told["access_log"], &told["retry_budget"]["ratio"]), (&access, &json!(0.2)));
    let traces =
        json!({ "endpoint": "http://127.0.0.1:4317", "protocol": "grpc", "sample": 0.5, "service": "deadline-proxy" });
    assert_eq!(told["traces"], traces);
    let upstream = &told["upstreams"][0];
    assert_eq!(
        (&upstream["targets"], &upstream["tls"]["name"]),
        (&json!(["https://a:8443", "https://b"]), &json!("a.internal"))
    );
    assert_eq!((&upstream["health"]["path"], &upstream["ejection"]["failures"]), (&json!("/healthz"), &json!(5)));
    assert_eq!(told["upstreams"][1]["health"], Value::Null);
}

#[test]
fn a_route_is_told_with_its_policy_and_its_chain() {
    let told = &told(FULL)["routes"][0];
    let matched = json!([["*.shop.example", "shop.example"], "/orders/…", ["GET"]]);
    assert_eq!(json!([told["host"], told["path"], told["method"]]), matched);
    let chain = json!([
        { "upstream": "a", "on": ["404", "connect"], "timeout": "30s" },
        { "upstream": "b", "on": ["any"], "timeout": "5s" },
        { "upstream": "off" },
    ]);
    assert_eq!(told["chain"], chain);
    let policy = json!({
        "name": "default", "timeout": "3s", "max": "30s", "min": "0ns", "reserve": "0ns", "covers": "head", "status": 503,
        "pool_status": 503, "mode": "observe", "on_invalid": "ignore", "on_missing": "allow", "ledger": "off",
        "outgoing": "allow",
        "retries": 2, "backoff": "25ms",
    });
    assert_eq!((&told["policy"], &told["max_in_flight"]), (&policy, &json!(7)));
    assert_eq!(told["tunnel"], json!({ "idle": "300s", "lifetime": null, "max": 16384 }));
    assert_eq!((&told["upgrade"], &told["replay"]), (&json!(["websocket"]), &json!(65536)));
    assert_eq!(told["rewrite"], json!({ "prefix": "/v2", "original": "x-original-path" }));
}

#[test]
fn no_secret_is_told() {
    let told = told(FULL);
    assert_eq!(told["upstreams"][0]["headers"], json!({ "authorization": "***", "x-plain": "***" }));
    assert_eq!(told["routes"][0]["headers"], json!({ "x-key": "***", "x-tenant": "blue", "x-old": false }));
    let text = told.to_string();
    assert!(!text.contains("s3cret") && !text.contains("hidden"), "{text}");
}
