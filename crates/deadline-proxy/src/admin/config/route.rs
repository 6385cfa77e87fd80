//! What a route was told.

use std::collections::BTreeMap;

use http::HeaderName;
use serde_json::{Value, json};
use tower_deadline::{Covers, Ledger, Policy, UpgradePolicy};

use super::{SECRET, time};
use crate::attempt::{self, End};
use crate::limits;
use crate::proxy::tunnel;
use crate::route::{FieldMatch, Matches, Rewrite, Route};
use crate::upstream;

/// All of it. What a route matches stands beside its name, as in a file.
pub(super) fn route(route: &Route, upstreams: &[upstream::Settings], limits: &limits::Settings) -> Value {
    let Matches { hosts, path, methods, fields } = &route.matches;
    json!({
        "name": route.name,
        "host": hosts.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "path": path.to_string(),
        "method": methods.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "headers": fields.iter().map(field).collect::<BTreeMap<_, _>>(),
        "policy": policy(&route.policy, &route.attempts),
        "chain": chain(&route.attempts, upstreams),
        "replay": route.attempts.replay,
        "upgrade": upgrade(&route.tunnel.upgrades),
        "tunnel": of_tunnel(&route.tunnel),
        "max_in_flight": route.in_flight.or(limits.in_flight),
        "rewrite": route.rewrite.as_ref().map(rewrite),
    })
}

fn field((name, field): &(HeaderName, FieldMatch)) -> (&str, Value) {
    let told = match field {
        FieldMatch::Is(value) if value.is_sensitive() => json!(SECRET),
        FieldMatch::Is(value) => json!(String::from_utf8_lossy(value.as_bytes())),
        FieldMatch::Present => json!(true),
        FieldMatch::Absent => json!(false),
    };
    (name.as_str(), told)
}

fn policy(policy: &Policy, attempts: &attempt::Settings) -> Value {
    let word = |rejects: bool, otherwise: &'static str| if rejects { "reject" } else { otherwise };
    let covers = policy.covered().map(|covers| if covers == Covers::Head { "head" } else { "body" });
    json!({
        "name": policy.name().as_str(),
        "timeout": policy.timeout().map(time),
        "max": policy.cap().map(time),
        "min": time(policy.least()),
        "reserve": time(policy.reserved()),
        "covers": covers,
        "status": policy.status_code().as_u16(),
        "pool_status": policy.pool_status_code().as_u16(),
        "mode": if policy.is_observed() { "observe" } else { "enforce" },
        "on_invalid": word(policy.rejects_invalid(), "ignore"),
        "on_missing": word(policy.rejects_missing(), "allow"),
        "ledger": ledger(policy.ledgered()),
        "outgoing": if policy.requires_outgoing() { "require" } else { "allow" },
        "retries": attempts.retries,
        "backoff": time(attempts.backoff),
    })
}

fn ledger(ledger: Ledger) -> &'static str {
    match ledger {
        Ledger::Inside => "inside",
        Ledger::Public => "public",
        _ => "off",
    }
}

fn chain(attempts: &attempt::Settings, upstreams: &[upstream::Settings]) -> Vec<Value> {
    let links = attempts.chain.iter().map(|link| {
        json!({
            "upstream": upstreams.get(link.upstream).map(|upstream| upstream.name.as_str()),
            "on": link.on.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "timeout": link.limit.map(time),
        })
    });
    let end = (attempts.end == End::Off).then(|| json!({ "upstream": "off" }));
    links.chain(end).collect()
}

fn upgrade(upgrades: &UpgradePolicy) -> Value {
    match upgrades {
        UpgradePolicy::Reject => json!("reject"),
        UpgradePolicy::Allow(protocols) => json!(protocols.iter().map(ToString::to_string).collect::<Vec<_>>()),
        _ => json!("strip"),
    }
}

fn of_tunnel(tunnel: &tunnel::Settings) -> Option<Value> {
    let is_open = matches!(tunnel.upgrades, UpgradePolicy::Allow(_));
    is_open.then(|| {
        json!({
            "idle": time(tunnel.idle_limit),
            "lifetime": tunnel.lifetime_limit.map(time),
            "max": tunnel.most,
        })
    })
}

fn rewrite(rewrite: &Rewrite) -> Value {
    json!({ "prefix": rewrite.prefix, "original": rewrite.original.as_ref().map(HeaderName::as_str) })
}
