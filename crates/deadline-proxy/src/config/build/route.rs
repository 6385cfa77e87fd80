//! Routes, and what they are held to.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use tower_deadline::hop_by_hop::{Protocol, ProtocolError};
use tower_deadline::{Policy, UpgradePolicy};

use super::chain::{Chain, chain};
use super::matches::{Taken, matches};
use super::process::limit;
use super::upstreams::Upstreams;
use super::{Context, fields};
use crate::attempt::{self, Link};
use crate::config::file::{self, File, Upgrade};
use crate::config::path::Path;
use crate::config::value::{Limit, Text};
use crate::proxy::tunnel;
use crate::route::{Host, PathMatch, Rewrite, Route};
use crate::upstream;

const DEFAULT: &str = "default";

/// The upstreams and the routes of a proxy.
pub(super) fn all(file: &File, context: Context<'_>) -> (Vec<upstream::Settings>, Vec<Route>) {
    let mut routes = Routes::of(file, context);
    match file.route.get().filter(|tables| !tables.is_empty()) {
        Some(tables) => {
            for (nth, table) in tables.iter().enumerate() {
                let above = Path::Root.key("route");
                let Some(table) = table.get() else { continue };
                routes.add(nth, table, &above.element(nth));
            }
            // What is wrong with a route may be why it uses nothing.
            if context.complaints.is_none() && context.policies.is_some() {
                routes.upstreams.check_used(file);
                routes.check_used(file);
            }
        }
        None => routes.add_only(file),
    }
    (routes.upstreams.into_made(), routes.routes)
}

/// The routes that were built so far.
struct Routes<'c> {
    context: Context<'c>,
    retrying: HashMap<&'c str, Retrying>,
    upstreams: Upstreams<'c>,
    routes: Vec<Route>,
    names: HashMap<String, usize>,
    taken: Taken,
    used: BTreeSet<String>,
}

/// What a policy says of retries.
#[derive(Clone, Copy, Default)]
struct Retrying {
    retries: u32,
    backoff: Option<Duration>,
}

impl<'c> Routes<'c> {
    fn of(file: &'c File, context: Context<'c>) -> Self {
        let mut retrying = HashMap::new();
        for (name, table) in file.policy.get().into_iter().flatten() {
            let Some(table) = table.get() else {
                retrying.insert(name.as_str(), Retrying::default());
                continue;
            };
            if table.backoff.get().is_some() {
                let above = Path::Root.key("policy");
                let path = above.key(name);
                if !path.key("retries").is_in(context.complaints.root()) {
                    let message = "means nothing without retries; expected `retries` beside it";
                    context.complaints.key(&path.key("backoff"), message);
                }
            }
            let retries = table.retries.get().map_or(0, |retries| retries.get());
            let backoff = table.backoff.get().map(|Limit(backoff)| *backoff);
            retrying.insert(name.as_str(), Retrying { retries, backoff });
        }
        Self {
            context,
            retrying,
            upstreams: Upstreams::of(file, context),
            routes: Vec::new(),
            names: HashMap::new(),
            taken: Taken::default(),
            used: BTreeSet::from([DEFAULT.to_owned()]),
        }
    }

    /// The route for everything, where a file has none.
    fn add_only(&mut self, file: &File) {
        let complaints = self.context.complaints;
        let count = file.upstream.get().map_or(0, BTreeMap::len);
        match self.upstreams.only(file) {
            None if count == 0 => {
                let message = "there is nowhere to go; expected a table [upstream.NAME] with targets";
                complaints.missing(&Path::Root, "upstream", message);
            }
            None => {
                let message = format!(
                    "there are {count} upstreams and no route; expected tables [[route]] that say which is whose"
                );
                complaints.key(&Path::Root.key("upstream"), message);
            }
            Some(only) => {
                let above = Path::Root.key("upstream");
                self.upstreams.is_known(&only, &above.key(&only));
                self.build(DEFAULT, &file::Route::default(), Some(Chain::only(&only)), &above.key(&only));
            }
        }
    }

    /// One of the routes of a file.
    fn add(&mut self, nth: usize, table: &file::Route, path: &Path<'_>) {
        let name = table.name.get().cloned().unwrap_or_else(|| format!("route {}", nth + 1));
        let complaints = self.context.complaints;
        if name.trim().is_empty() {
            complaints.value(&path.key("name"), "a route without a name; expected one, or no such key");
        } else if let Some(before) = self.names.insert(name.clone(), nth) {
            let message = format!("`{name}` is the name of route[{}] too; expected another one for each", before + 1);
            complaints.value(&path.key("name"), message);
        }
        let chain = chain(table, path, &mut self.upstreams, self.context);
        self.build(&name, table, chain, path);
    }

    fn build(&mut self, name: &str, table: &file::Route, chain: Option<Chain>, path: &Path<'_>) {
        let context = self.context;
        let matches = matches(table, path, context);
        if let Some(before) = self.taken.before(self.routes.len(), &matches) {
            let by = self.routes.get(before).map_or("another", |route| route.name.as_str());
            let message =
                format!("no request can take it: `{by}` matches the same, and comes first; expected a difference");
            context.complaints.key(path, message);
        }
        let (policy, retrying) = self.policy(table, path);
        let mut route = Route::new(name, attempt::Settings::once(0));
        route.matches = matches;
        route.policy = policy;
        route.tunnel = tunnel(table, path, context);
        route.in_flight = table.max_in_flight.get().map(|most| most.size());
        route.rewrite = rewrite(table, path, context);
        route.attempts.retries = retrying.retries;
        route.attempts.backoff = retrying.backoff.unwrap_or(route.attempts.backoff);
        route.attempts.replay = table.replay.get().map_or(route.attempts.replay, |most| most.size());
        if let Some(chain) = chain {
            self.lead(route, &chain, path);
        }
    }

    fn policy(&mut self, table: &file::Route, path: &Path<'_>) -> (Policy, Retrying) {
        let name = table.policy.get().map_or(DEFAULT, String::as_str);
        self.used.insert(name.to_owned());
        let retrying = self.retrying.get(name).copied().unwrap_or_default();
        if let Some(policy) = self.context.policies.and_then(|set| set.named(name)) {
            return (Policy::clone(policy), retrying);
        }
        if name == DEFAULT || self.retrying.contains_key(name) {
            return (Policy::new(), retrying);
        }
        let known: Vec<_> = self.retrying.keys().copied().chain([DEFAULT]).collect();
        let message = format!("there is no policy `{name}`; expected the name of a table [policy.NAME]");
        self.context.complaints.word(&path.key("policy"), message, (name, known));
        (Policy::new(), retrying)
    }

    /// Adds a route with this chain; one for each host, where an upstream of it is another for each.
    fn lead(&mut self, route: Route, chain: &Chain, path: &Path<'_>) {
        let by_host = chain.links.iter().find(|link| self.upstreams.is_by_host(&link.upstream));
        let Some(by_host) = by_host else {
            return self.push(route, chain, None, path);
        };
        let exact: Vec<_> = route.matches.hosts.iter().filter_map(exact).collect();
        if exact.is_empty() || exact.len() < route.matches.hosts.len() {
            let message = format!(
                "`{}` goes wherever the request says, which makes an open proxy; expected `host` with exact names beside it",
                by_host.upstream
            );
            return by_host.with_path(path, |path| self.context.complaints.value(path, message));
        }
        for host in exact {
            let mut route = route.clone();
            route.matches.hosts = vec![Host::Exact(host.clone())];
            self.push(route, chain, Some(&host), path);
        }
    }

    fn push(&mut self, mut route: Route, chain: &Chain, host: Option<&str>, path: &Path<'_>) {
        let mut links = Vec::new();
        for link in &chain.links {
            let place = link.with_path(path, |path| self.upstreams.place(&link.upstream, host, path));
            let Some(upstream) = place else { return };
            links.push(Link { upstream, limit: link.limit, on: link.on.clone() });
        }
        route.attempts.chain = links;
        route.attempts.end = chain.end;
        self.routes.push(route);
    }

    /// Complains of policies that no route names.
    fn check_used(&self, file: &File) {
        let tables = file.policy.get().into_iter().flat_map(BTreeMap::keys);
        for name in tables.filter(|name| !self.used.contains(*name)) {
            let message = "no route uses it; expected a route with it, or no such table";
            self.context.complaints.key(&Path::Root.key("policy").key(name), message);
        }
    }
}

fn exact(host: &Host) -> Option<String> {
    match host {
        Host::Exact(host) => Some(host.clone()),
        Host::Under(_) => None,
    }
}

fn tunnel(table: &file::Route, path: &Path<'_>, context: Context<'_>) -> tunnel::Settings {
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
        idle_limit: limit(&tunnel.idle, base.idle_limit),
        lifetime_limit: tunnel.lifetime.get().map(|Limit(lifetime)| *lifetime),
        most: tunnel.max.get().map_or(base.most, |most| most.size()),
    }
}

fn rewrite(table: &file::Route, path: &Path<'_>, context: Context<'_>) -> Option<Rewrite> {
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
        Ok(path) if path.segments.iter().any(|part| matches!(part, crate::route::Segment::Any(_))) => {
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
