//! What the process was told, as `/config` shows it: everything, with what holds by default.
//!
//! Covers what concerns the process as a whole. Keys are named as those of a configuration file are. No secret is in it:
//! the value of a field that is set towards an upstream, or that came from the environment, reads `***`; of certificates
//! there are the paths. Does not tell how it goes: that is what `/metrics` does.

mod route;
mod upstream;

use std::time::Duration;

use serde_json::{Value, json};

use crate::access::{self, Format, Output, What};
use crate::client::{Side, Strangers};
use crate::forward::{self, Fields};
use crate::limits;
use crate::listen;
use crate::proxy;
use crate::settings::Settings;
use crate::traces;

/// In the place of what nobody shall read.
const SECRET: &str = "***";

/// All of it.
pub(super) fn config(settings: &Settings) -> Value {
    let Settings { listeners, admin, workers, limits, drain_limit, access, expired, traces, proxy } = settings;
    let proxy::Settings { upstreams, routes, retry_budget, forwarding, hop, expose_origin } = proxy;
    json!({
        "hop": hop,
        "expose_origin": expose_origin,
        "admin": admin,
        "workers": workers,
        "drain_timeout": time(*drain_limit),
        "listeners": listeners.iter().map(listener).collect::<Vec<_>>(),
        "limits": of_limits(limits),
        "forwarding": of_forwarding(forwarding, hop),
        "access_log": of_access(access),
        "expired": expired,
        "traces": traces.as_ref().map(of_traces),
        "retry_budget": { "ratio": retry_budget.ratio, "min_per_second": retry_budget.min_per_second },
        "upstreams": upstreams.iter().map(upstream::upstream).collect::<Vec<_>>(),
        "routes": routes.iter().map(|route| route::route(route, upstreams, limits)).collect::<Vec<_>>(),
    })
}

/// In the grammar of a configuration file.
fn time(duration: Duration) -> String {
    format!("{duration:?}")
}

fn listener(listener: &listen::Settings) -> Value {
    let listen::Settings { address, tls, proxy_protocol, side } = listener;
    let (side, strangers) = match side {
        Side::Internal => ("internal", None),
        Side::Edge(Strangers::Cap) => ("edge", Some("cap")),
        Side::Edge(Strangers::Drop) => ("edge", Some("drop")),
    };
    let tls = tls
        .as_ref()
        .map(|tls| json!({ "cert": tls.certificate, "key": tls.key, "client_ca": tls.client_ca }));
    json!({
        "address": address.to_string(),
        "tls": tls,
        "proxy_protocol_from": proxy_protocol.as_ref().map(ToString::to_string),
        "side": side,
        "strangers": strangers,
    })
}

fn of_limits(limits: &limits::Settings) -> Value {
    json!({
        "max_headers": limits.head_count,
        "max_header_bytes": limits.head_bytes,
        "idle_timeout": time(limits.head_limit),
        "head_timeout": time(limits.started_head_limit),
        "write_timeout": time(limits.write_stall),
        "min_body_rate": limits.body_rate.map_or(json!("off"), |rate| json!(rate.bytes)),
        "max_connections": limits.connections,
        "max_streams": limits.streams,
        "max_in_flight": limits.in_flight,
    })
}

fn of_forwarding(forwarding: &forward::Settings, hop: &str) -> Value {
    let forwarded = match forwarding.fields {
        Fields::XForwarded => "x-forwarded",
        Fields::Forwarded => "forwarded",
        Fields::Both => "both",
        Fields::Off => "off",
    };
    json!({
        "trust": forwarding.trust.to_string(),
        "forwarded": forwarded,
        "via": forwarding.via.as_deref().unwrap_or(hop),
        "request_id": forwarding.request_id,
        "request_start": forwarding.request_start,
    })
}

fn of_access(access: &access::Settings) -> Value {
    let (requests, sample) = match access.what {
        What::Off => ("off", None),
        What::Sampled(share) => ("sampled", Some(share)),
        What::Full => ("full", None),
    };
    let format = match access.format {
        Format::Text => "text",
        Format::Json => "json",
    };
    let output = match &access.output {
        Output::Stdout => "stdout".into(),
        Output::Stderr => "stderr".into(),
        Output::File(path) => path.display().to_string(),
    };
    json!({ "requests": requests, "sample": sample, "format": format, "output": output })
}

fn of_traces(traces: &traces::Settings) -> Value {
    let traces::Settings { endpoint, protocol, sample, service } = traces;
    json!({ "endpoint": endpoint.to_string(), "protocol": protocol.as_str(), "sample": sample, "service": service })
}

#[cfg(test)]
mod tests;
