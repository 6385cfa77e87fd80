//! The admin listener: what an operator and an orchestrator ask.
//!
//! Covers `/` (the status page, for people), `/healthz` (the process lives: 503 where only a new start helps), `/readyz` (it
//! takes requests: 503 and why not else), `/config` (everything that it was told, as JSON), `/upstreams` (how each endpoint
//! is just now, as JSON), `/expired` (the requests that were stopped last, as JSON), `/metrics` (what it has counted, for
//! Prometheus; as OpenMetrics, where that is accepted), and
//! `POST /reload` (it reads its configuration again: 200 with its number, or 422 and why not; 403 for a page in a browser,
//! which can send one to this machine unasked). Where the listener is on this machine alone, it answers nobody who asks by a
//! name that leads here from elsewhere (421).

mod config;
mod exposition;
mod guest;
mod page;
mod readiness;
mod reload;
mod upstreams;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, ORIGIN};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::time::sleep;
use tower::{Service, service_fn};
use tower_deadline::now;

pub use self::readiness::Readiness;
use self::readiness::Reason;
use self::reload::Reloads;
pub use self::reload::Wishes;
pub(crate) use self::reload::{Reloaded, Wish};
use crate::count::{self, Collected};
use crate::proxy::Proxy;
use crate::settings::Settings;

const PATHS: [&str; 7] = ["/", "/healthz", "/readyz", "/config", "/upstreams", "/expired", "/metrics"];

/// Where a reload is asked for.
const RELOAD: &str = "/reload";

/// To who came by a name that anybody can lead here.
const NOT_HERE: &str = "ask by an address, or by localhost: this listener is on this machine alone\n";

const JSON: &str = "application/json";

/// How soon and how late what was measured is folded into what is told. Each measurement waits for it, some for each
/// request: soon, they are few, and who shares a core with the fold does not wait for long.
const FOLD_SOON: Duration = Duration::from_millis(250);
const FOLD_LATE: Duration = Duration::from_secs(5);

/// A fold looks at every histogram, of which ten thousand routes have ten thousand: it has one part in so many of the time.
const FOLD_PART: u32 = 100;

/// What the admin listener has to tell, as it changes. A clone tells the same.
#[derive(Clone, Debug)]
pub struct Board {
    readiness: Readiness,
    /// `None` until something is.
    in_use: Arc<ArcSwapOption<InUse>>,
    reloads: Reloads,
    /// `None` where something else counts.
    collected: Option<Collected>,
}

/// What is in use.
#[derive(Debug)]
struct InUse {
    config: Bytes,
    proxy: Proxy,
}

impl Board {
    /// Counts for `/metrics` from here on, if nothing did; where something else counts in this process, it is there that
    /// one has to ask. What is wished for at the listener comes to the other half.
    #[must_use]
    pub fn new(readiness: Readiness) -> (Self, Wishes) {
        let ((reloads, wishes), collected) = (Reloads::new(), count::install().ok());
        (Self { readiness, in_use: Arc::default(), reloads, collected }, wishes)
    }

    /// This proxy is in use, which keeps to these settings.
    pub fn show(&self, settings: &Settings, proxy: &Proxy) {
        let config = Bytes::from(format!("{:#}\n", config::config(settings)));
        self.in_use.store(Some(Arc::new(InUse { config, proxy: proxy.clone() })));
    }
}

/// The service of the admin listener, which is on this machine alone, or for others too.
pub fn service(
    board: &Board,
    is_local: bool,
) -> impl Service<Request<Incoming>, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ Sync
+ 'static {
    let board = board.clone();
    service_fn(move |request: Request<Incoming>| {
        let board = board.clone();
        async move { Ok(board.answer(&request, is_local).await) }
    })
}

/// Keeps what is counted small, whether or not anybody asks. Never ends; to be run beside the listener. Dropping it
/// loses nothing.
pub async fn tend() {
    let Ok(collected) = count::install() else { return std::future::pending().await };
    let mut pause = FOLD_SOON;
    loop {
        sleep(pause).await;
        let begun = now();
        collected.fold();
        pause = pause_after(now() - begun);
    }
}

/// Until the next fold, after one that took so long.
fn pause_after(took: Duration) -> Duration {
    (FOLD_PART * took).clamp(FOLD_SOON, FOLD_LATE)
}

impl Board {
    async fn answer<B>(&self, request: &Request<B>, is_local: bool) -> Response<Full<Bytes>> {
        if is_local && !guest::means_here(request) {
            return text(StatusCode::MISDIRECTED_REQUEST, NOT_HERE);
        }
        self.respond(request).await
    }

    async fn respond<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let (method, path) = (request.method(), request.uri().path());
        match path {
            RELOAD if method != Method::POST => {
                with(text(StatusCode::METHOD_NOT_ALLOWED, "POST only\n"), ALLOW, "POST")
            }
            // A browser says with every POST whose page has sent it, and our page sends none.
            RELOAD if request.headers().contains_key(ORIGIN) => text(StatusCode::FORBIDDEN, "not from a page\n"),
            RELOAD => reloaded(self.reloads.reload().await),
            _ => self.tell(method, path, request.headers()),
        }
    }

    fn tell(&self, method: &Method, path: &str, headers: &HeaderMap) -> Response<Full<Bytes>> {
        if PATHS.contains(&path) && !matches!(*method, Method::GET | Method::HEAD) {
            return with(text(StatusCode::METHOD_NOT_ALLOWED, "GET and HEAD only\n"), ALLOW, "GET, HEAD");
        }
        match path {
            "/" => page::page(),
            "/healthz" => verdict(&self.readiness.ills(), "ok\n"),
            "/readyz" => verdict(&self.readiness.reasons(), "ready\n"),
            "/config" => self.in_use(|in_use| in_use.config.clone()),
            "/upstreams" => self.in_use(|in_use| format!("{:#}\n", upstreams::upstreams(&in_use.proxy)).into()),
            "/expired" => self.in_use(|in_use| (in_use.proxy.expired().json() + "\n").into()),
            "/metrics" => exposition::metrics(self.collected.as_ref(), headers),
            _ => text(
                StatusCode::NOT_FOUND,
                "there are /, /healthz, /readyz, /config, /upstreams, /expired, /metrics and POST /reload\n",
            ),
        }
    }

    fn in_use(&self, page: impl FnOnce(&InUse) -> Bytes) -> Response<Full<Bytes>> {
        match self.in_use.load().as_deref() {
            Some(in_use) => with(Response::new(Full::new(page(in_use))), CONTENT_TYPE, JSON),
            None => text(StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        }
    }
}

/// The number of the configuration, or why it is the old one, a line for each reason.
fn reloaded(outcome: Option<Reloaded>) -> Response<Full<Bytes>> {
    match outcome {
        Some(Ok(number)) => with(text(StatusCode::OK, format!("{{\"generation\":{number}}}\n")), CONTENT_TYPE, JSON),
        Some(Err(complaints)) => text(StatusCode::UNPROCESSABLE_ENTITY, complaints.join("\n") + "\n"),
        None => text(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
    }
}

/// That all is well, or what is not, a line for each.
fn verdict(against: &[Reason], well: &'static str) -> Response<Full<Bytes>> {
    if against.is_empty() {
        return text(StatusCode::OK, well);
    }
    text(StatusCode::SERVICE_UNAVAILABLE, against.iter().map(|reason| format!("{reason}\n")).collect::<String>())
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
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
    use crate::limits::Limits;
    use crate::settings::tests::settings;
    use crate::worker::Life;
    use http::header::HOST;
    use http_body_util::BodyExt;

    fn status(method: Method, path: &str, readiness: &Readiness) -> u16 {
        told(readiness, None).tell(&method, path, &HeaderMap::new()).status().as_u16()
    }

    fn told(readiness: &Readiness, collected: Option<Collected>) -> Board {
        let board =
            Board { readiness: readiness.clone(), in_use: Arc::default(), reloads: Reloads::new().0, collected };
        assert_eq!(board.tell(&Method::GET, "/config", &HeaderMap::new()).status(), 503);
        let settings = settings();
        board.show(&settings, &Proxy::new(&settings.proxy, &Limits::default()).unwrap());
        board
    }

    #[test]
    fn a_fold_that_takes_long_is_done_less_often() {
        let pause_after_ms = |took| pause_after(Duration::from_millis(took)).as_millis();
        assert_eq!([0, 2, 3, 49, 50, 51, 60_000].map(pause_after_ms), [250, 250, 300, 4_900, 5_000, 5_000, 5_000]);
    }

    #[test]
    fn counts_are_told_in_the_format_of_prometheus_where_it_is_we_who_count() {
        let readiness = Readiness::default();
        let answer = told(&readiness, count::install().ok()).tell(&Method::GET, "/metrics", &HeaderMap::new());
        assert_eq!(answer.status(), 200);
        assert_eq!(status(Method::GET, "/metrics", &readiness), 404);
        assert_eq!(status(Method::POST, "/metrics", &readiness), 405);
    }

    #[test]
    fn is_ready_until_it_drains_and_healthy_throughout() {
        let readiness = Readiness::default();
        assert_eq!(status(Method::GET, "/readyz", &readiness), 200);
        readiness.drain();
        assert_eq!(status(Method::GET, "/readyz", &readiness), 503);
        assert_eq!(status(Method::GET, "/healthz", &readiness), 200);
    }

    #[tokio::test]
    async fn a_worker_that_is_stuck_is_told_by_both_and_named() {
        let readiness = Readiness::starting();
        assert_eq!(status(Method::GET, "/readyz", &readiness), 503);
        readiness.serve();
        readiness.found(vec![Life::Ended, Life::Stuck(6)]);
        for path in ["/healthz", "/readyz"] {
            let answer = told(&readiness, None).tell(&Method::GET, path, &HeaderMap::new());
            assert_eq!(answer.status(), 503, "{path}");
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, "worker-0: ended\nworker-1: has not moved for 6s\n", "{path}");
        }
    }

    #[test]
    fn what_is_not_there_is_said() {
        let readiness = Readiness::default();
        assert_eq!(status(Method::GET, "/favicon.ico", &readiness), 404);
        assert_eq!(status(Method::POST, "/", &readiness), 405);
        assert_eq!(status(Method::POST, "/config", &readiness), 405);
        assert_eq!(status(Method::HEAD, "/config", &readiness), 200);
        assert_eq!(status(Method::GET, "/upstreams", &readiness), 200);
        assert_eq!(status(Method::POST, "/upstreams", &readiness), 405);
        assert_eq!(status(Method::GET, "/expired", &readiness), 200);
        assert_eq!(status(Method::POST, "/expired", &readiness), 405);
    }

    async fn reload(board: &Board, method: Method) -> (u16, Bytes) {
        asked(board, Request::builder().method(method).uri(RELOAD).body(()).unwrap()).await
    }

    async fn asked(board: &Board, request: Request<()>) -> (u16, Bytes) {
        let (head, body) = board.respond(&request).await.into_parts();
        (head.status.as_u16(), body.collect().await.unwrap().to_bytes())
    }

    #[tokio::test]
    async fn a_reload_is_wished_for_and_what_came_of_it_is_told() {
        let (board, mut wishes) = Board::new(Readiness::default());
        let granting = tokio::spawn(async move {
            for outcome in [Ok(2), Err(vec!["a.toml:1:1: one".to_owned(), "a.toml:2:1: other".to_owned()])] {
                wishes.next().await.come_true(outcome);
            }
        });
        assert_eq!(reload(&board, Method::GET).await.0, 405);
        assert_eq!(reload(&board, Method::POST).await, (200, "{\"generation\":2}\n".into()));
        assert_eq!(reload(&board, Method::POST).await, (422, "a.toml:1:1: one\na.toml:2:1: other\n".into()));
        granting.await.unwrap();
        assert_eq!(reload(&board, Method::POST).await, (503, "draining\n".into()));
    }

    #[tokio::test]
    async fn nobody_comes_by_a_name_of_elsewhere_where_the_listener_is_on_this_machine_alone() {
        let board = told(&Readiness::default(), None);
        for (host, is_local, status) in
            [("evil.example", true, 421), ("127.0.0.1:9901", true, 200), ("proxy.internal:9901", false, 200)]
        {
            let request = Request::get("/config").header(HOST, host).body(()).unwrap();
            assert_eq!(board.answer(&request, is_local).await.status(), status, "{host}");
        }
    }

    /// Any page that somebody on this machine looks at can send a POST to it.
    #[tokio::test]
    async fn no_page_in_a_browser_reloads() {
        let (board, _wishes) = Board::new(Readiness::default());
        for origin in ["https://example.com", "http://127.0.0.1:9901", "null"] {
            let request = Request::post(RELOAD).header(ORIGIN, origin).body(()).unwrap();
            assert_eq!(asked(&board, request).await, (403, "not from a page\n".into()));
        }
    }
}
