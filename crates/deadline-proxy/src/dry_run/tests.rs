use super::*;
use crate::proxy;
use crate::upstream;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method};
use tower_deadline::Policy;

fn settings() -> Settings {
    let upstream = upstream::Settings::new(["http://orders.internal".parse().unwrap()]);
    let payment = Policy::new().named("payment").default_timeout(Duration::from_secs(3));
    Settings {
        listeners: vec![crate::listen::Settings::new("127.0.0.1:8080".parse().unwrap())],
        admin: ([127, 0, 0, 1], 9901).into(),
        workers: std::num::NonZeroUsize::MIN,
        limits: crate::limits::Settings::default(),
        drain_limit: Duration::from_secs(30),
        access: crate::access::Settings::default(),
        proxy: proxy::Settings::new(upstream).policy(payment),
    }
}

fn ask(method: Method, path: &'static str, fields: &[(&'static str, &'static str)]) -> Ask {
    let fields = fields.iter().copied();
    let fields = fields.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    Ask { fields: fields.collect(), ..Ask::new(method, PathAndQuery::from_static(path)) }
}

/// Its lines, on a clock that stands still, with ids that come again.
fn told_by(settings: &Settings, ask: &Ask) -> Result<Vec<String>, Error> {
    fastrand::seed(7);
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    dry_run_on(runtime, settings, ask)
}

fn told(ask: &Ask) -> Vec<String> {
    told_by(&settings(), ask).unwrap()
}

#[test]
fn a_plain_request() {
    for line in told(&ask(Method::GET, "/orders/7?x=1", &[])) {
        println!("{line}");
    }
    for line in told(&Ask {
        http2: true,
        body: Some(70_000),
        ..ask(Method::POST, "/orders/7?x=1", &[("grpc-timeout", "1S"), ("content-type", "application/grpc")])
    }) {
        println!("{line}");
    }
}
