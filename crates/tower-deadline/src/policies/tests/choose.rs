//! How each layer finds the policy of a request.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_deadline::{Deadline, Journey, Policy};
use tower::{Layer, ServiceExt, service_fn};

use super::{PolicySet, named};
use crate::policies::{Choose, Head};
use crate::testing::MS;
use crate::{AdmitLayer, Answers, DeadlineLayer, Dialects};

fn set() -> PolicySet {
    let set = PolicySet::new(Policy::new().default_timeout(300 * MS)).unwrap();
    let set = set.policy(named("report").default_timeout(900 * MS)).unwrap();
    set.route("/shop.Reports/*", "report").unwrap().route("nightly", "report").unwrap()
}

/// The policy of the journey, and who set the deadline.
async fn seen(request: Request<()>) -> Result<Response<Bytes>, Infallible> {
    let extensions = request.extensions();
    let (journey, deadline): (&Journey, &Deadline) = (extensions.get().unwrap(), extensions.get().unwrap());
    Ok(Response::new(format!("{}, {}", journey.policy().name(), deadline.origin()).into()))
}

async fn told<C: Choose + Clone>(layer: &AdmitLayer<C>, request: http::request::Builder) -> Bytes {
    layer.layer(service_fn(seen)).oneshot(request.body(()).unwrap()).await.unwrap().into_body()
}

#[tokio::test(start_paused = true)]
async fn a_grpc_method_is_the_path_of_the_request() {
    let layer = AdmitLayer::by_grpc_method(set());
    let report = Request::post("http://shop.example/shop.Reports/Yearly?a=/b");
    assert_eq!(told(&layer, report).await, "report, policy report");
    assert_eq!(told(&layer, Request::post("/shop.Payments/Charge")).await, "default, policy default");
}

#[tokio::test(start_paused = true)]
async fn whoever_stands_further_out_may_have_chosen() {
    let layer = AdmitLayer::by_extension(Policy::new().default_timeout(300 * MS));
    let chosen = Arc::new(named("report").default_timeout(900 * MS));
    assert_eq!(told(&layer, Request::get("/").extension(chosen)).await, "report, policy report");
    assert_eq!(told(&layer, Request::get("/")).await, "default, policy default");
}

#[tokio::test(start_paused = true)]
async fn a_closure_yields_what_it_finds_or_what_it_makes() {
    let set = Arc::new(set());
    let found =
        AdmitLayer::by(Arc::clone(&set), |head: Head<'_>| Some(head.headers().get("x-job")?.to_str().ok()?.into()));
    let made = AdmitLayer::by(set, |head| Some(head.extensions().get::<String>()?.to_lowercase().into()));
    assert_eq!(told(&found, Request::get("/").header("x-job", "nightly")).await, "report, policy report");
    assert_eq!(told(&made, Request::get("/").extension("NIGHTLY".to_owned())).await, "report, policy report");
    for request in [Request::get("/"), Request::get("/").header("x-job", "hourly")] {
        assert_eq!(told(&found, request).await, "default, policy default");
    }
}

#[tokio::test(start_paused = true)]
async fn a_closure_sees_all_of_a_head() {
    let layer = AdmitLayer::by(set(), |head| {
        let text = format!("{} {} {:?} {}", head.method(), head.uri(), head.version(), head.headers().len());
        Some(if text == "PUT /a?b HTTP/1.1 1" { "nightly" } else { "" }.into())
    });
    assert_eq!(told(&layer, Request::put("/a?b").header("a", "b")).await, "report, policy report");
}

#[tokio::test(start_paused = true)]
async fn what_else_a_layer_is_told_stays() {
    let layer = AdmitLayer::by_grpc_method(set()).dialects(Dialects::default()).answers(Answers::new().hop("shop"));
    let request = Request::post("/shop.Reports/Yearly").header("x-request-timeout", "0").body(()).unwrap();
    let answer = layer.layer(service_fn(seen)).oneshot(request).await.unwrap();
    assert_eq!(answer.headers()["deadline-exceeded"], "origin=header, stage=arrival, cause=deadline, hop=\"shop\"");
}

#[test]
fn a_layer_that_chooses_is_cloned_whatever_its_closure_is_and_crosses_threads() {
    fn is_layer<T: Clone + Send + Sync + std::fmt::Debug>(layer: &T) -> String {
        format!("{:?}", layer.clone())
    }
    struct NoClone(&'static str);
    let captured = NoClone("nightly");
    let layer = DeadlineLayer::by(set(), move |_| Some(captured.0.into())).boxed_errors().hop("shop");
    assert!(is_layer(&layer).contains("By {"));
    is_layer(&DeadlineLayer::by_grpc_method(set()));
}

#[cfg(feature = "axum-matched-path")]
mod matched_path {
    use super::*;
    use ::axum::Router;
    use ::axum::body::{Body, to_bytes};
    use ::axum::routing::get;
    use axum_core::extract::Request as Incoming;

    async fn answer(app: Router, path: &str) -> String {
        let answer = app.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        String::from_utf8(to_bytes(answer.into_body(), 100).await.unwrap().to_vec()).unwrap()
    }

    async fn told(request: Incoming) -> String {
        request
            .extensions()
            .get::<Journey>()
            .map(|journey| journey.policy().name().to_string())
            .unwrap_or_default()
    }

    #[tokio::test(start_paused = true)]
    async fn the_path_is_as_it_is_written_in_the_router() {
        let set = set().route("/reports/{id}", "report").unwrap().route("/files/{*rest}", "report").unwrap();
        let app = Router::new()
            .route("/reports/{id}", get(told))
            .route("/reports", get(told))
            .route("/files/{*rest}", get(told))
            .fallback(told)
            .layer(DeadlineLayer::by_matched_path(set));
        for (path, policy) in [
            ("/reports/7", "report"),
            ("/reports/7?a=b", "report"),
            ("/files/a/b", "report"),
            ("/reports", "default"),
            ("/elsewhere", "default"),
        ] {
            assert_eq!(answer(app.clone(), path).await, policy, "{path}");
        }
    }

    /// What a router is made of does not matter, but that the whole path counts.
    #[tokio::test(start_paused = true)]
    async fn a_router_that_is_merged_or_nested_has_the_whole_path() {
        let set = || {
            let set = set().route("/reports/{id}", "report").unwrap();
            Arc::new(set.route("/v1/{shop}/reports/{id}", "report").unwrap())
        };
        let routes = || Router::new().route("/reports/{id}", get(told)).route("/plain", get(told)).fallback(told);
        let layered = || routes().layer(DeadlineLayer::by_matched_path(set()));
        let merged = Router::new().route("/bare", get(told)).merge(layered());
        let nested = Router::new().nest("/v1/{shop}", layered());
        let served = Router::new().nest_service("/v1/{shop}", layered());
        let around = Router::new().nest_service("/v1/{shop}", routes()).layer(DeadlineLayer::by_matched_path(set()));
        let one = Router::new().route("/reports/{id}", get(told)).route_layer(DeadlineLayer::by_matched_path(set()));
        for (case, app, path, policy) in [
            ("merged", &merged, "/reports/7", "report"),
            ("merged", &merged, "/plain", "default"),
            ("merged", &merged, "/elsewhere", "default"),
            ("merged", &merged, "/bare", ""),
            ("nested", &nested, "/v1/eu/reports/7", "report"),
            ("nested", &nested, "/v1/eu/elsewhere", "default"),
            ("nested service", &served, "/v1/eu/reports/7", "report"),
            ("nested service", &served, "/v1/eu/elsewhere", "default"),
            // Inside of a service the outer router does not look.
            ("around", &around, "/v1/eu/reports/7", "default"),
            ("a route layer", &one, "/reports/7", "report"),
            ("a route layer", &one, "/elsewhere", ""),
        ] {
            assert_eq!(answer(app.clone(), path).await, policy, "{case}: {path}");
        }
    }

    /// Nothing is matched yet.
    #[tokio::test(start_paused = true)]
    async fn around_a_router_every_request_has_the_default() {
        let set = set().route("/reports/{id}", "report").unwrap();
        let router: Router = Router::new().route("/reports/{id}", get(told));
        let app = Router::new().fallback_service(DeadlineLayer::by_matched_path(set).layer(router));
        assert_eq!(answer(app, "/reports/7").await, "default");
    }
}
