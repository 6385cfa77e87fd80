//! What it says of itself at its start.

use std::io::Write;

use tokio::net::TcpListener;

use crate::proxy;
use crate::settings::Settings;

/// Says where it listens, and where requests go.
pub(super) fn announce(places: &[&str], admin: &TcpListener, settings: &Settings) {
    say(places, settings);
    let admin = admin.local_addr().map(|address| address.to_string()).unwrap_or_default();
    let _ = writeln!(
        anstream::stdout(),
        "deadline-proxy: admin on http://{admin} (/ /healthz /readyz /metrics /config /upstreams /expired)"
    );
}

/// Says where it listens.
pub(super) fn say(places: &[&str], settings: &Settings) {
    let (ways, mut out) = (ways(&settings.proxy), anstream::stdout());
    // Serving does not depend on somebody reading this.
    for place in places {
        let _ = writeln!(out, "deadline-proxy: {place} -> {ways}");
    }
}

/// Where requests go, in a few words.
fn ways(settings: &proxy::Settings) -> String {
    match settings.upstreams.as_slice() {
        [upstream] if settings.routes.len() == 1 => {
            upstream.targets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        }
        upstreams => format!("routes: {}, upstreams: {}", settings.routes.len(), upstreams.len()),
    }
}
