//! Routes, and what they are held to.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tower_deadline::Policy;

use super::chain::{Chain, chain};
use super::matches::{Taken, matches};
use super::terms::Retrying;
use super::upstreams::Upstreams;
use super::{Context, terms};
use crate::attempt::{self, Link};
use crate::config::file::{self, File};
use crate::config::path::Path;
use crate::route::{Host, Named, Route};
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

impl<'c> Routes<'c> {
    fn of(file: &'c File, context: Context<'c>) -> Self {
        Self {
            context,
            retrying: terms::retrying(file, context),
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
        } else if name.contains(char::is_control) {
            let message = format!("{name:?} would break a line of what is told; expected a name of one line");
            complaints.value(&path.key("name"), message);
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
        // What a route was meant to match is not known where that is wrong.
        let by = if is_read(path, context) { self.taken.before(name, &matches) } else { None };
        if let Some(by) = by {
            let message =
                format!("no request can take it: `{by}` matches the same, and comes first; expected a difference");
            context.complaints.key(path, message);
        }
        let (policy, retrying) = self.policy(table, path);
        if chain.as_ref().is_some_and(|chain| chain.links.len() == 1) && retrying.retries.is_none() {
            self.check_replay(table, path);
        }
        let mut route = Route::new(name, attempt::Settings::once(0));
        route.matches = matches;
        route.named = if table.name.get().is_some() { Named::Given } else { Named::ByPlace };
        route.policy = policy;
        route.tunnel = terms::tunnel(table, path, context);
        route.in_flight = table.max_in_flight.get().map(|most| most.size());
        route.rewrite = terms::rewrite(table, path, context);
        route.attempts.retries = retrying.retries.unwrap_or(0);
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

    /// Complains of a body that is kept where nothing is sent again.
    fn check_replay(&self, table: &file::Route, path: &Path<'_>) {
        let complaints = self.context.complaints;
        let (policies, name) = (Path::Root.key("policy"), table.policy.get().map_or(DEFAULT, String::as_str));
        let is_wrong = complaints.is_within(&policies.key(name)) || complaints.is_within(&path.key("policy"));
        if table.replay.get().is_some() && !is_wrong {
            let message = "means nothing where nothing is sent again; expected a chain, or a policy with `retries`";
            complaints.key(&path.key("replay"), message);
        }
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

/// Whether nothing is wrong with what a route matches.
fn is_read(path: &Path<'_>, context: Context<'_>) -> bool {
    !["host", "path", "prefix", "method", "headers"]
        .iter()
        .any(|key| context.complaints.is_within(&path.key(key)))
        && !context.complaints.is_misspelt(path)
}

fn exact(host: &Host) -> Option<String> {
    match host {
        Host::Exact(host) => Some(host.clone()),
        Host::Under(_) => None,
    }
}
