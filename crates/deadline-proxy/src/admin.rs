//! The admin listener: what an operator and an orchestrator ask.
//!
//! Covers `/healthz` (the process answers), `/readyz` (it takes requests: 503 while it drains) and `/config`
//! (what it was told, as JSON). Has no metrics yet.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::json;
use tower::{Service, service_fn};

use crate::proxy::Settings;

/// Whether the proxy takes requests. A clone tells the same.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// From here on it does not.
    pub fn drain(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_draining(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The service of the admin listener.
pub fn service(
    settings: &Settings,
    readiness: Readiness,
) -> impl Service<Request<Incoming>, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ 'static {
    let config = Bytes::from(format!("{:#}\n", config(settings)));
    service_fn(move |request: Request<Incoming>| {
        let response = respond(request.method(), request.uri().path(), &readiness, &config);
        async { Ok(response) }
    })
}

fn respond(method: &Method, path: &str, readiness: &Readiness, config: &Bytes) -> Response<Full<Bytes>> {
    let known = ["/healthz", "/readyz", "/config"].contains(&path);
    if known && !matches!(*method, Method::GET | Method::HEAD) {
        return with(text(StatusCode::METHOD_NOT_ALLOWED, "GET and HEAD only\n"), ALLOW, "GET, HEAD");
    }
    match path {
        "/healthz" => text(StatusCode::OK, "ok\n"),
        "/readyz" if readiness.is_draining() => text(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
        "/readyz" => text(StatusCode::OK, "ready\n"),
        "/config" => with(Response::new(Full::new(config.clone())), CONTENT_TYPE, "application/json"),
        _ => text(StatusCode::NOT_FOUND, "there are /healthz, /readyz and /config\n"),
    }
}

fn config(settings: &Settings) -> serde_json::Value {
    let policy = &settings.policy;
    let millis =
        |duration: Option<std::time::Duration>| duration.map(|duration| duration.as_millis().to_string() + "ms");
    json!({
        "upstream": settings.upstream.to_string(),
        "hop": settings.hop,
        "policy": {
            "name": policy.name().as_str(),
            "timeout": millis(policy.timeout()),
            "cap": millis(policy.cap()),
        },
    })
}

fn text(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    with(response, CONTENT_TYPE, "text/plain; charset=utf-8")
}

fn with<B>(mut response: Response<B>, name: HeaderName, value: &'static str) -> Response<B> {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(method: Method, path: &str, readiness: &Readiness) -> u16 {
        respond(&method, path, readiness, &Bytes::new()).status().as_u16()
    }

    #[test]
    fn is_ready_until_it_drains_and_healthy_throughout() {
        let readiness = Readiness::default();
        assert_eq!(status(Method::GET, "/readyz", &readiness), 200);
        readiness.drain();
        assert_eq!(status(Method::GET, "/readyz", &readiness), 503);
        assert_eq!(status(Method::GET, "/healthz", &readiness), 200);
    }

    #[test]
    fn what_is_not_there_is_said() {
        let readiness = Readiness::default();
        assert_eq!(status(Method::GET, "/", &readiness), 404);
        assert_eq!(status(Method::POST, "/config", &readiness), 405);
        assert_eq!(status(Method::HEAD, "/config", &readiness), 200);
    }
}
