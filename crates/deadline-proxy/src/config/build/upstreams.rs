//! Upstreams, by name, and those that are another for each host.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use http::HeaderName;

use super::process::limit;
use super::{Context, fields};
use crate::config::file::{self, Balancing, File, Http};
use crate::config::path::Path;
use crate::config::value::{Share, TargetText, Text};
use crate::upstream::{Balance, ClientTls, Ejection, Error, HealthCheck, Protocol, Settings, Target};

/// The upstream that needs no table.
const DIRECT: &str = "direct";

/// The end of a chain, which is no upstream.
pub(super) const OFF: &str = "off";

/// Every upstream that a route can name, and those that were.
pub(super) struct Upstreams<'c> {
    known: BTreeMap<String, Template>,
    /// Those that go to the proxy, with their place there.
    made: Vec<Settings>,
    places: HashMap<(String, Option<String>), usize>,
    used: BTreeSet<String>,
    context: Context<'c>,
}

/// An upstream, but for the host.
struct Template {
    settings: Settings,
    targets: Vec<TargetText>,
}

impl Template {
    fn new(name: &str) -> Self {
        Self { settings: Settings { name: name.to_owned(), ..Settings::default() }, targets: Vec::new() }
    }

    fn is_by_host(&self) -> bool {
        self.targets.iter().any(TargetText::is_by_host)
    }

    /// For this host.
    fn of(&self, host: &str) -> Result<Settings, String> {
        let targets: Result<Vec<Target>, String> = self.targets.iter().map(|target| target.of(host)).collect();
        let name = format!("{} ({host})", self.settings.name);
        Ok(Settings { name, targets: targets?, ..self.settings.clone() })
    }
}

impl<'c> Upstreams<'c> {
    /// Those of a file.
    pub(super) fn of(file: &File, context: Context<'c>) -> Self {
        let mut known = BTreeMap::new();
        for (name, table) in file.upstream.get().into_iter().flatten() {
            let above = Path::Root.key("upstream");
            let path = above.key(name);
            check_name(name, &path, context);
            let template = table.get().map(|table| template(name, table, &path, context));
            // One that is no table has a name all the same.
            known.insert(name.clone(), template.unwrap_or_else(|| Template::new(name)));
        }
        let direct = || Template { targets: vec![TargetText::direct()], ..Template::new(DIRECT) };
        known.entry(DIRECT.to_owned()).or_insert_with(direct);
        Self { known, made: Vec::new(), places: HashMap::new(), used: BTreeSet::new(), context }
    }

    /// The one that has a table, where there is only one.
    pub(super) fn only(&self, file: &File) -> Option<String> {
        let mut names = file.upstream.get()?.keys();
        names.next().filter(|_| names.next().is_none()).cloned()
    }

    /// Whether there is one of this name; complains where there is none. Whoever asks uses it.
    pub(super) fn is_known(&mut self, name: &str, path: &Path<'_>) -> bool {
        if self.known.contains_key(name) {
            self.used.insert(name.to_owned());
            return true;
        }
        let message = format!("there is no upstream `{name}`; expected the name of a table [upstream.NAME]");
        self.context.complaints.word(path, message, (name, self.known.keys().map(String::as_str)));
        false
    }

    /// Whether it is another one for each host.
    pub(super) fn is_by_host(&self, name: &str) -> bool {
        self.known.get(name).is_some_and(Template::is_by_host)
    }

    /// Its place among those of the proxy, for requests to this host.
    pub(super) fn place(&mut self, name: &str, host: Option<&str>, path: &Path<'_>) -> Option<usize> {
        let template = self.known.get(name)?;
        let host = host.filter(|_| template.is_by_host());
        let key = (name.to_owned(), host.map(str::to_owned));
        if let Some(place) = self.places.get(&key) {
            return Some(*place);
        }
        let settings = match host.map(|host| template.of(host)) {
            Some(Ok(settings)) => settings,
            Some(Err(message)) => {
                self.context.complaints.value(path, message);
                return None;
            }
            None => template.settings.clone(),
        };
        self.made.push(settings);
        self.places.insert(key, self.made.len() - 1);
        Some(self.made.len() - 1)
    }

    /// Complains of those that no route uses.
    pub(super) fn check_used(&self, file: &File) {
        let tables = file.upstream.get().into_iter().flat_map(BTreeMap::keys);
        for name in tables.filter(|name| !self.used.contains(*name)) {
            let path = Path::Root;
            let message = "no route uses it; expected a route with it, or no such table";
            self.context.complaints.key(&path.key("upstream").key(name), message);
        }
    }

    /// Those that go to the proxy.
    pub(super) fn into_made(self) -> Vec<Settings> {
        self.made
    }
}

fn check_name(name: &str, path: &Path<'_>, context: Context<'_>) {
    if name == OFF {
        context.complaints.key(path, "`off` is the end of a chain; expected another name");
    } else if name.is_empty()
        || name.contains(|char: char| ",|".contains(char) || char.is_whitespace() || char.is_control())
    {
        context
            .complaints
            .key(path, format!("{name:?} cannot stand in a chain; expected a name without blank, `,` and `|`"));
    }
}

fn template(name: &str, table: &file::Upstream, path: &Path<'_>, context: Context<'_>) -> Template {
    let targets: Vec<_> = match table.targets.get() {
        Some(targets) => targets.iter().map(|(_, target)| target.clone()).collect(),
        None if name == DIRECT => vec![TargetText::direct()],
        None => {
            let message = "an upstream without a target; expected one such as \"http://10.0.0.7:3000\"";
            context.complaints.missing(path, "targets", message);
            Vec::new()
        }
    };
    let mut settings = settings(name, table, path, context);
    settings.targets = targets.iter().filter_map(|target| target.sample().ok()).collect();
    check(&settings, table, path, context);
    Template { settings, targets }
}

/// What can be said before there is a host.
fn check(sample: &Settings, table: &file::Upstream, path: &Path<'_>, context: Context<'_>) {
    let complaints = context.complaints;
    let is_tls = |target: &Target| matches!(target, Target::Host { tls: true, .. });
    let is_read = !sample.targets.is_empty() && !context.is_wrong(&table.targets, &path.key("targets"));
    if sample.tls != ClientTls::default() && is_read && !sample.targets.iter().any(is_tls) {
        complaints.key(&path.key("tls"), "means nothing here; expected a target by https://");
    }
    if let (Err(Error::Invalid { setting: "health.path", expected, .. }), Some(health)) =
        (sample.validate(), &sample.health)
    {
        complaints.value(&path.key("health").key("path"), format!("{:?}: {expected}", health.path));
    }
}

fn settings(name: &str, table: &file::Upstream, path: &Path<'_>, context: Context<'_>) -> Settings {
    let base = Settings::default();
    let http = table.http.get().map(|http| match http {
        Http::Auto => Protocol::Auto,
        Http::Http1 => Protocol::Http1,
        Http::Http2 => Protocol::Http2,
    });
    let balance = table.balance.get().map(|how| match how {
        Balancing::RoundRobin => Balance::RoundRobin,
        Balancing::LeastLoaded => Balance::LeastLoaded,
    });
    Settings {
        name: name.to_owned(),
        http: http.unwrap_or_default(),
        balance: balance.unwrap_or_default(),
        tls: tls(table, path, context),
        connections: table.connections.get().map_or(base.connections, |most| most.size()),
        streams: table.streams.get().map_or(base.streams, |most| most.size()),
        waiting: table.waiting.get().map_or(base.waiting, |most| most.size()),
        idle_limit: limit(&table.idle_timeout, base.idle_limit),
        connect_limit: limit(&table.connect_timeout, base.connect_limit),
        resolve_every: limit(&table.resolve_every, base.resolve_every),
        ejection: ejection(table, base.ejection),
        health: health(table),
        fields: own_fields(table, path, context),
        ..base
    }
}

fn tls(table: &file::Upstream, path: &Path<'_>, context: Context<'_>) -> ClientTls {
    let Some(tls) = table.tls.get() else { return ClientTls::default() };
    let above = path.key("tls");
    let file = |file: &Text<crate::config::value::File>| file.0.path().to_owned();
    if tls.cert.get().is_some() {
        context
            .complaints
            .missing(&above, "key", "a certificate without its key; expected the path of a PEM file");
    }
    if tls.key.get().is_some() {
        context
            .complaints
            .missing(&above, "cert", "a key without its certificate; expected the path of a PEM file");
    }
    let certificate = tls.cert.get().map(file).zip(tls.key.get().map(file));
    ClientTls { ca: tls.ca.get().map(file), certificate, name: tls.name.get().cloned() }
}

fn ejection(table: &file::Upstream, base: Ejection) -> Ejection {
    let Some(table) = table.ejection.get() else { return base };
    Ejection {
        failures: table.failures.get().map_or(base.failures, |failures| failures.get()),
        base: limit(&table.base, base.base),
        max_share: table.max_share.get().map_or(base.max_share, |Share(share)| *share),
    }
}

fn health(table: &file::Upstream) -> Option<HealthCheck> {
    let (table, base) = (table.health.get()?, HealthCheck::default());
    Some(HealthCheck {
        path: table.path.get().cloned().unwrap_or(base.path),
        every: limit(&table.every, base.every),
        limit: limit(&table.timeout, base.limit),
        failures: table.failures.get().map_or(base.failures, |failures| failures.get()),
        successes: table.successes.get().map_or(base.successes, |successes| successes.get()),
    })
}

/// The fields that are set on every request that goes there: not to be shown, whatever they say.
fn own_fields(table: &file::Upstream, path: &Path<'_>, context: Context<'_>) -> Vec<(HeaderName, http::HeaderValue)> {
    let above = path.key("headers");
    let mut own: Vec<(HeaderName, http::HeaderValue)> = Vec::new();
    for (key, value) in table.headers.get().into_iter().flatten() {
        let path = above.key(key);
        let Some(name) = fields::name(key, &path, context) else { continue };
        if let Some(why) = fields::why_not(&name) {
            context
                .complaints
                .key(&path, format!("cannot be set towards an upstream: {why}; expected another field"));
        } else if own.iter().any(|(other, _)| *other == name) {
            context.complaints.key(&path, "stands there twice, in other letters; expected each field once");
        }
        let Some(mut value) = value.get().and_then(|Text(value)| fields::value(value, &path, context)) else {
            continue;
        };
        value.set_sensitive(true);
        own.push((name, value));
    }
    own
}
