//! What requests are held to once they have a route.

use std::collections::HashMap;
use std::time::Duration;

use tower_deadline::UpgradePolicy;
use tower_deadline::hop_by_hop::{Protocol, ProtocolError};

use super::{Context, fields};
use crate::config::de::Key;
use crate::config::file::{self, File, Upgrade};
use crate::config::path::Path;
use crate::config::value::{Limit, Text};
use crate::proxy::tunnel;
use crate::route::{PathMatch, Rewrite, Segment};

/// What a policy says of retries.
#[derive(Clone, Copy, Default)]
pub(super) struct Retrying {
    /// `None` where it says nothing.
    pub(super) retries: Option<u32>,
    pub(super) backoff: Option<Duration>,
}

/// What each policy says of them, by its name.
pub(super) fn retrying<'f>(file: &'f File, context: Context<'_>) -> HashMap<&'f str, Retrying> {
    let of = |(name, table): (&'f String, &'f Key<file::Policy>)| {
        let policies = Path::Root.key("policy");
        let read = table.get().map(|table| of_policy(table, &policies.key(name), context));
        (name.as_str(), read.unwrap_or_default())
    };
    file.policy.get().into_iter().flatten().map(of).collect()
}

fn of_policy(table: &file::Policy, path: &Path<'_>, context: Context<'_>) -> Retrying {
    if table.backoff.get().is_some() && !path.key("retries").is_in(context.complaints.root()) {
        let message = "means nothing without retries; expected `retries` beside it";
        context.complaints.key(&path.key("backoff"), message);
    }
    let retries = table.retries.get().map(|retries| retries.get());
    let backoff = table.backoff.get().map(|Limit(backoff)| *backoff);
    Retrying { retries, backoff }
}

/// What tunnels are held to.
pub(super) fn tunnel(table: &file::Route, path: &Path<'_>, context: Context<'_>) -> tunnel::Settings {
    let base = tunnel::Settings::default();
    let upgrades = match table.upgrade.get() {
        None | Some(Upgrade::Strip) => UpgradePolicy::Strip,
        Some(Upgrade::Reject) => UpgradePolicy::Reject,
        Some(Upgrade::Allow(protocols)) => {
            let parsed = protocols.iter().enumerate().filter_map(|(nth, protocol)| {
                let complain = |error: ProtocolError| {
                    context.complaints.value(&path.key("upgrade").element(nth), error.to_string());
                };
                protocol.get()?.parse::<Protocol>().map_err(complain).ok()
            });
            UpgradePolicy::Allow(parsed.collect())
        }
    };
    let Some(tunnel) = table.tunnel.get() else { return tunnel::Settings { upgrades, ..base } };
    if !matches!(upgrades, UpgradePolicy::Allow(_)) && !context.is_wrong(&table.upgrade, &path.key("upgrade")) {
        let message =
            "means nothing where there are no tunnels; expected upgrade = [\"websocket\"] or the like beside it";
        context.complaints.key(&path.key("tunnel"), message);
    }
    tunnel::Settings {
        upgrades,
        idle_limit: Limit::of(&tunnel.idle, base.idle_limit),
        lifetime_limit: tunnel.lifetime.get().map(|Limit(lifetime)| *lifetime),
        most: tunnel.max.get().map_or(base.most, |most| most.size()),
    }
}

/// What becomes of the path.
pub(super) fn rewrite(table: &file::Route, path: &Path<'_>, context: Context<'_>) -> Option<Rewrite> {
    let (complaints, rewrite) = (context.complaints, table.rewrite.get()?);
    let above = path.key("rewrite");
    if !path.key("prefix").is_in(complaints.root()) {
        complaints.key(&above, "there is no prefix to replace; expected `prefix` beside it");
    }
    complaints.missing(
        &above,
        "prefix",
        "nothing to put in the place of the prefix; expected a path such as \"/v2\", or \"\"",
    );
    let original = rewrite.original.get().map(|Text(name)| name.clone());
    if let Some(why) = original.as_ref().and_then(fields::why_not) {
        complaints
            .value(&above.key("original"), format!("cannot be set towards an upstream: {why}; expected another field"));
    }
    let prefix = rewrite.prefix.get()?.clone();
    match PathMatch::prefix(if prefix.is_empty() { "/" } else { &prefix }) {
        Ok(path) if path.segments.iter().any(|part| matches!(part, Segment::Any(_))) => {
            complaints.value(
                &above.key("prefix"),
                "has a parameter, which has no value there; expected a path such as \"/v2\"",
            );
        }
        Ok(_) => {}
        Err(error) => complaints.value(&above.key("prefix"), error.to_string()),
    }
    Some(Rewrite { prefix, original })
}
