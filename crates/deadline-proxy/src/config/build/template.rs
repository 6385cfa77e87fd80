//! One upstream of a file, but for the host where its targets are by host.

use http::{HeaderName, HeaderValue};

use super::{Context, fields};
use crate::config::file::{self, Balancing, Http};
use crate::config::path::Path;
use crate::config::value::{File, Limit, Share, TargetText, Text};
use crate::upstream::{Balance, ClientTls, Ejection, Error, HealthCheck, Protocol, Settings, Target};

/// The upstream that needs no table.
pub(super) const DIRECT: &str = "direct";

/// An upstream, but for the host.
pub(super) struct Template {
    settings: Settings,
    targets: Vec<TargetText>,
}

impl Template {
    /// Without anything but a name.
    pub(super) fn new(name: &str) -> Self {
        Self { settings: Settings { name: name.to_owned(), ..Settings::default() }, targets: Vec::new() }
    }

    /// The one that needs no table.
    pub(super) fn direct() -> Self {
        Self { targets: vec![TargetText::direct()], ..Self::new(DIRECT) }
    }

    /// What a table says.
    pub(super) fn read(name: &str, table: &file::Upstream, path: &Path<'_>, context: Context<'_>) -> Self {
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
        Self { settings, targets }
    }

    /// Whether it is another one for each host.
    pub(super) fn is_by_host(&self) -> bool {
        self.targets.iter().any(TargetText::is_by_host)
    }

    /// The one for this host.
    ///
    /// # Errors
    ///
    /// What a target is with this host in it, and is not.
    pub(super) fn at(&self, host: &str) -> Result<Settings, String> {
        let targets: Result<Vec<Target>, String> = self.targets.iter().map(|target| target.of(host)).collect();
        let name = format!("{} ({host})", self.settings.name);
        Ok(Settings { name, targets: targets?, ..self.settings.clone() })
    }

    /// The one for every host.
    pub(super) fn settings(&self) -> Settings {
        self.settings.clone()
    }
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
        idle_limit: Limit::of(&table.idle_timeout, base.idle_limit),
        connect_limit: Limit::of(&table.connect_timeout, base.connect_limit),
        resolve_every: Limit::of(&table.resolve_every, base.resolve_every),
        ejection: ejection(table, base.ejection),
        health: health(table),
        fields: own_fields(table, path, context),
        ..base
    }
}

fn tls(table: &file::Upstream, path: &Path<'_>, context: Context<'_>) -> ClientTls {
    let Some(tls) = table.tls.get() else { return ClientTls::default() };
    let above = path.key("tls");
    let file = |file: &Text<File>| file.0.path().to_owned();
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
    ClientTls { ca: tls.ca.get().map(file), certificate, name: tls.name.get().map(|Text(name)| name.0.clone()) }
}

fn ejection(table: &file::Upstream, base: Ejection) -> Ejection {
    let Some(table) = table.ejection.get() else { return base };
    Ejection {
        failures: table.failures.get().map_or(base.failures, |failures| failures.get()),
        base: Limit::of(&table.base, base.base),
        max_share: table.max_share.get().map_or(base.max_share, |Share(share)| *share),
    }
}

fn health(table: &file::Upstream) -> Option<HealthCheck> {
    let (table, base) = (table.health.get()?, HealthCheck::default());
    Some(HealthCheck {
        path: table.path.get().cloned().unwrap_or(base.path),
        every: Limit::of(&table.every, base.every),
        limit: Limit::of(&table.timeout, base.limit),
        failures: table.failures.get().map_or(base.failures, |failures| failures.get()),
        successes: table.successes.get().map_or(base.successes, |successes| successes.get()),
    })
}

/// The fields that are set on every request that goes there: not to be shown, whatever they say.
fn own_fields(table: &file::Upstream, path: &Path<'_>, context: Context<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let above = path.key("headers");
    let mut own: Vec<(HeaderName, HeaderValue)> = Vec::new();
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
