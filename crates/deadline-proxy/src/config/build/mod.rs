//! From what a file says to what a process is told.
//!
//! Covers what the parts of a file mean together: names that refer to each other, keys that need one another, and what
//! two may not both have. Does not look at shapes, and touches neither files nor the network.

mod chain;
mod fields;
mod listeners;
mod matches;
mod process;
mod route;
mod template;
mod terms;
mod traces;
mod upstreams;

use tower_deadline::PolicySet;

use super::complaints::Complaints;
use super::de::Key;
use super::file;
use super::path::Path;
use crate::client::{Side, Strangers};
use crate::listen;
use crate::proxy;
use crate::route::Route;
use crate::settings::Settings;

/// What everything here is built by.
#[derive(Clone, Copy)]
pub(super) struct Context<'c> {
    /// The policies of the file; none where one of them is wrong.
    pub(super) policies: Option<&'c PolicySet>,
    /// The variables of the environment.
    pub(super) env: &'c dyn Fn(&str) -> Option<String>,
    /// What is wrong.
    pub(super) complaints: &'c Complaints<'c>,
}

impl Context<'_> {
    /// Whether this key stands in the file, and is wrong: whatever depends on it cannot be judged.
    fn is_wrong<T>(self, key: &Key<T>, path: &Path<'_>) -> bool {
        key.get().is_none() && path.is_in(self.complaints.root())
    }
}

/// What the process is told. Worth nothing where there are complaints.
pub(super) fn settings(file: &file::File, context: Context<'_>) -> Settings {
    let hop = file.hop.get().map_or("proxy", String::as_str).to_owned();
    let forwarding = process::forwarding(file, &hop, context);
    let (upstreams, routes) = route::all(file, context);
    let listeners = listeners::all(file, context);
    let is_deaf = |listener: &listen::Settings| listener.side == Side::Edge(Strangers::Drop);
    if context.complaints.is_none() && forwarding.trust.is_empty() && listeners.iter().all(is_deaf) {
        check_missing(&routes, context);
    }
    Settings {
        listeners,
        admin: process::admin(file),
        workers: process::workers(file),
        limits: process::limits(file, context),
        drain_limit: process::drain_limit(file),
        access: process::access(file, context),
        expired: process::expired(file),
        traces: traces::settings(file, context),
        proxy: proxy::Settings {
            upstreams,
            routes,
            retry_budget: process::retry_budget(file),
            forwarding,
            hop,
            expose_origin: file.expose_origin.get().copied().unwrap_or_default(),
        },
    }
}

/// Complains of policies that want a field where each is removed before it is read.
fn check_missing(routes: &[Route], context: Context<'_>) {
    for policy in routes.iter().map(|route| &route.policy).filter(|policy| policy.rejects_missing()) {
        let (policies, name) = (Path::Root.key("policy"), policy.name());
        let message = "refuses every request: each listener has strangers = \"drop\", and nobody is trusted; expected \"allow\", or strangers = \"cap\"";
        context.complaints.value(&policies.key(name.as_str()).key("on_missing"), message);
    }
}
