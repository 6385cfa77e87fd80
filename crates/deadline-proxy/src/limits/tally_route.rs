//! Counting the requests of a route: how each was answered, and how long it took from its head to the end of its answer.
//!
//! The [router](crate::route::Router) does so, outside of everything that a route has: also the answers of its layers
//! count. What no route takes is counted by [`TallyLayer`](super::TallyLayer) alone.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use http::StatusCode;
use tower_deadline::now;

use crate::count::Routed;

/// Counts the requests of a route. See the module. A clone counts the same.
#[derive(Clone)]
pub(crate) struct RouteTally(Arc<Routed>);

impl RouteTally {
    /// Counts the requests of this route into what is installed by now.
    pub(crate) fn new(route: &str) -> Self {
        Self(Arc::new(Routed::new(route)))
    }

    /// A request that came then has taken the route. It is counted when this is dropped. The handle is one of this worker.
    pub(crate) fn open(tally: &Arc<Self>, came: Instant) -> RouteTallied {
        RouteTallied { tally: Arc::clone(tally), came, status: None }
    }
}

impl fmt::Debug for RouteTally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RouteTally")
    }
}

/// A request of a route that is under way. It is counted when this is dropped.
pub(crate) struct RouteTallied {
    tally: Arc<RouteTally>,
    came: Instant,
    status: Option<StatusCode>,
}

impl RouteTallied {
    /// Its answer has a head.
    pub(crate) fn answered(&mut self, status: StatusCode) {
        self.status = Some(status);
    }
}

impl Drop for RouteTallied {
    fn drop(&mut self) {
        self.tally.0.ended(self.status, now().saturating_duration_since(self.came));
    }
}

impl fmt::Debug for RouteTallied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteTallied").field("came", &self.came).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::told;
    use crate::route::{Router, Table, tests::route};
    use deadline_testkit::{ScriptedBody, ScriptedError, Step};
    use http::{Request, Response};
    use http_body_util::BodyExt;
    use std::time::Duration;
    use tokio::time::{advance, sleep};
    use tower::{Service, ServiceExt, service_fn};
    use tower_deadline::Answers;

    const SECOND: Duration = Duration::from_secs(1);

    async fn answered(request: Request<()>) -> Result<Response<ScriptedBody>, ScriptedError> {
        sleep(SECOND).await;
        match request.uri().path() {
            "/fails" => Err(ScriptedError),
            _ => Ok(Response::new(ScriptedBody::new([Step::Data("a"), Step::Pause, Step::Data("b")]))),
        }
    }

    fn request(path: &str) -> Request<()> {
        Request::get(path).body(()).unwrap()
    }

    #[test]
    fn a_request_takes_from_its_head_to_the_end_of_its_answer_or_until_nobody_wants_it() {
        let told = told(|| {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            runtime.block_on(async {
                let ways = vec![(RouteTally::new("shop"), service_fn(answered))];
                let mut service = Router::new(Arc::new(Table::new(&[route("/*")])), ways, Answers::new());
                // One second to the head, and two more to the end.
                let mut read = service.clone().oneshot(request("/")).await.unwrap();
                assert!(read.body_mut().frame().await.unwrap().is_ok());
                advance(2 * SECOND).await;
                read.into_body().collect().await.unwrap();
                // One, and it has no status.
                assert!(service.clone().oneshot(request("/fails")).await.is_err());
                let left = service.call(request("/"));
                advance(4 * SECOND).await;
                drop(left);
                // Under way.
                std::mem::forget(service.call(request("/")));
            });
        });
        for line in [
            r#"deadline_proxy_route_requests_total{route="shop",status="2xx"} 1"#,
            r#"deadline_proxy_route_requests_total{route="shop",status="none"} 2"#,
            r#"deadline_proxy_route_seconds_count{route="shop"} 3"#,
            r#"deadline_proxy_route_seconds_sum{route="shop"} 8"#,
        ] {
            assert!(told.lines().any(|told| told == line), "{line}: {told}");
        }
    }
}
