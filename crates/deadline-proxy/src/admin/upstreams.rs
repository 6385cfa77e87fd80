//! How the upstreams are just now, as `/upstreams` shows it.
//!
//! Covers each endpoint that is known. An upstream without endpoints has a name that nobody has found. Does not tell
//! what they were told (that is `/config`), nor how it went so far (`/metrics`).

use std::time::Duration;

use serde_json::{Value, json};

use crate::proxy::Proxy;
use crate::upstream::{Health, Status};

/// All of them, in the order of the settings.
pub(super) fn upstreams(proxy: &Proxy) -> Value {
    let upstream = |(name, endpoints): (&str, Vec<Status>)| {
        let endpoints: Vec<_> = endpoints.iter().map(endpoint).collect();
        json!({ "name": name, "endpoints": endpoints })
    };
    json!({ "upstreams": proxy.statuses().map(upstream).collect::<Vec<_>>() })
}

fn endpoint(status: &Status) -> Value {
    let health = match status.health {
        Health::Unknown => "unknown",
        Health::Healthy => "healthy",
        Health::Unhealthy => "unhealthy",
    };
    json!({
        "address": status.address,
        "target": status.target,
        "health": health,
        "ejected_for": status.ejected_for.map(time),
        "ejections": status.ejections,
        "failures": status.failures,
        "connections": status.connections,
    })
}

/// In the grammar of a configuration file, to the millisecond.
fn time(left: Duration) -> String {
    format!("{}ms", left.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::proxy::Settings;
    use crate::upstream;

    #[test]
    fn every_upstream_is_told_with_its_endpoints() {
        let named = |name: &str, targets: &[&str]| {
            let targets = targets.iter().map(|target| target.parse().unwrap());
            upstream::Settings { name: name.to_owned(), ..upstream::Settings::new(targets) }
        };
        let upstreams =
            vec![named("a", &["http://10.0.0.1:3000", "unix:/run/a.sock"]), named("b", &["http://b.example"])];
        let settings = Settings { upstreams, ..Settings::new(named("", &[])) };
        let told = super::upstreams(&Proxy::new(&settings, &Limits::default()).unwrap());
        let fresh = |address: &str, target: &str| {
            json!({
                "address": address, "target": target, "health": "unknown", "ejected_for": null, "ejections": 0,
                "failures": 0, "connections": 0,
            })
        };
        let endpoints = [fresh("10.0.0.1:3000", "http://10.0.0.1:3000"), fresh("unix:/run/a.sock", "unix:/run/a.sock")];
        let expected = json!([{ "name": "a", "endpoints": endpoints }, { "name": "b", "endpoints": [] }]);
        assert_eq!(told["upstreams"], expected);
    }

    #[test]
    fn an_endpoint_is_told_as_it_is() {
        let status = Status {
            address: "10.0.0.1:3000".to_owned(),
            target: "http://api.internal:3000".to_owned(),
            health: Health::Unhealthy,
            ejected_for: Some(Duration::from_micros(29_500_700)),
            ejections: 2,
            failures: 3,
            connections: 4,
        };
        let told = endpoint(&status);
        assert_eq!((&told["health"], &told["ejected_for"]), (&json!("unhealthy"), &json!("29500ms")));
        assert_eq!((&told["ejections"], &told["failures"], &told["connections"]), (&json!(2), &json!(3), &json!(4)));
        let well = Status { health: Health::Healthy, ejected_for: None, ..status };
        assert_eq!(endpoint(&well)["health"], json!("healthy"));
    }
}
