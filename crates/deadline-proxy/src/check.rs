//! `check`: everything that can be known of settings without a network.
//!
//! Covers certificates, keys and authorities, the limits, and the proxy itself, which is made ready as for
//! [`run`](mod@crate::run). Opens no listener, asks for no name and calls nobody.

use std::collections::HashSet;
use std::fmt;

use crate::error::Error;
use crate::limits::Limits;
use crate::listen::{self, Certificates};
use crate::proxy::{self, Proxy};
use crate::settings::Settings;
use crate::upstream::Cluster;

/// What settings are made of, once nothing is wrong with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    listeners: usize,
    routes: usize,
    upstreams: usize,
    policies: usize,
}

/// Makes ready what needs no network.
///
/// # Errors
///
/// All that is wrong.
pub fn check(settings: &Settings) -> Result<Summary, Vec<Error>> {
    let mut wrong = Vec::new();
    for tls in settings.listeners.iter().filter_map(|listener| listener.tls.as_ref()) {
        wrong.extend(Certificates::load(tls).err().map(|error| Error::Listen(listen::Error::Certificates(error))));
    }
    for upstream in &settings.proxy.upstreams {
        wrong.extend(Cluster::new(upstream.clone()).err().map(|error| Error::Proxy(proxy::Error::Upstream(error))));
    }
    match Limits::new(settings.limits.clone()) {
        Err(error) => wrong.push(Error::Limits(error)),
        // What is wrong with an upstream was told.
        Ok(limits) if wrong.is_empty() => wrong.extend(Proxy::new(&settings.proxy, &limits).err().map(Error::Proxy)),
        Ok(_) => {}
    }
    if wrong.is_empty() { Ok(Summary::of(settings)) } else { Err(wrong) }
}

impl Summary {
    fn of(settings: &Settings) -> Self {
        let proxy = &settings.proxy;
        let policies: HashSet<_> = proxy.routes.iter().map(|route| route.policy.name().to_string()).collect();
        Self {
            listeners: settings.listeners.len(),
            routes: proxy.routes.len(),
            upstreams: proxy.upstreams.len(),
            policies: policies.len(),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { listeners, routes, upstreams, policies } = *self;
        let counts = [(listeners, "listener"), (routes, "route"), (upstreams, "upstream")];
        for (count, what) in counts {
            write!(f, "{count} {what}{}, ", if count == 1 { "" } else { "s" })?;
        }
        write!(f, "{policies} {}", if policies == 1 { "policy" } else { "policies" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listen::ServerTls;
    use crate::settings::tests::settings;

    fn wrong(settings: &Settings) -> Vec<String> {
        check(settings).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_well_is_counted() {
        let mut settings = settings();
        let told = |settings: &Settings| check(settings).map(|summary| summary.to_string()).unwrap();
        assert_eq!(told(&settings), "1 listener, 1 route, 1 upstream, 1 policy");
        let mut other = settings.proxy.routes[0].clone();
        other.policy = other.policy.named("payment");
        settings.proxy.routes.extend([other.clone(), other]);
        assert_eq!(told(&settings), "1 listener, 3 routes, 1 upstream, 2 policies");
    }

    #[test]
    fn all_that_is_wrong_is_told() {
        let mut settings = settings();
        let missing = || "/nowhere.pem".into();
        settings.listeners[0].tls = Some(ServerTls { certificate: missing(), key: missing(), client_ca: None });
        settings.limits.head_bytes = 1;
        settings.proxy.upstreams[0].tls.ca = Some(missing());
        settings.proxy.upstreams[0].targets = vec!["https://orders.internal".parse().unwrap()];
        let wrong = wrong(&settings);
        assert_eq!(wrong.len(), 3, "{wrong:?}");
        assert!(wrong[0].contains("/nowhere.pem") && wrong[1].contains("/nowhere.pem"), "{wrong:?}");
        assert!(wrong[2].starts_with("limits.head_bytes: "), "{wrong:?}");
    }

    #[test]
    fn what_only_the_whole_proxy_knows_is_told() {
        let mut settings = settings();
        settings.proxy.hop = "my edge".to_owned();
        let wrong = wrong(&settings);
        assert!(wrong.len() == 1 && wrong[0].starts_with("via: \"my edge\""), "{wrong:?}");
    }
}
