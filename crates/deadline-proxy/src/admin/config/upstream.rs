//! What an upstream was told.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{SECRET, time};
use crate::upstream::{Balance, ClientTls, Ejection, HealthCheck, Protocol, Settings};

/// All of it; of the fields that are set there only the names.
pub(super) fn upstream(upstream: &Settings) -> Value {
    let http = match upstream.http {
        Protocol::Auto => "auto",
        Protocol::Http1 => "1.1",
        Protocol::Http2 => "2",
    };
    let balance = match upstream.balance {
        Balance::RoundRobin => "round-robin",
        Balance::LeastLoaded => "least-loaded",
    };
    let headers: BTreeMap<_, _> = upstream.fields.iter().map(|(name, _)| (name.as_str(), SECRET)).collect();
    json!({
        "name": upstream.name,
        "targets": upstream.targets.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "http": http,
        "balance": balance,
        "tls": tls(&upstream.tls),
        "connections": upstream.connections,
        "streams": upstream.streams,
        "waiting": upstream.waiting,
        "idle_timeout": time(upstream.idle_limit),
        "connect_timeout": time(upstream.connect_limit),
        "resolve_every": time(upstream.resolve_every),
        "ejection": ejection(&upstream.ejection),
        "health": upstream.health.as_ref().map(health),
        "headers": headers,
    })
}

fn tls(tls: &ClientTls) -> Value {
    let (cert, key) = tls.certificate.as_ref().map(|(cert, key)| (cert, key)).unzip();
    json!({ "ca": tls.ca, "cert": cert, "key": key, "name": tls.name })
}

fn ejection(ejection: &Ejection) -> Value {
    json!({ "failures": ejection.failures, "base": time(ejection.base), "max_share": ejection.max_share })
}

fn health(health: &HealthCheck) -> Value {
    json!({
        "path": health.path,
        "every": time(health.every),
        "timeout": time(health.limit),
        "failures": health.failures,
        "successes": health.successes,
    })
}
