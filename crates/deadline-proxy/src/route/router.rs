//! The service that sends each request its way.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use pin_project::pin_project;
use tower::Service;
use tower_deadline::dialect::Call;
use tower_deadline::{AnswerBody, Answers};
use tracing::Level;

use super::{Miss, Table};
use crate::called::{self, Called};
use crate::count;
use crate::limits::{Held, RouteTallied, RouteTally};
use crate::noted::Noted;

/// Calls the service of the route that a request takes, and counts it; answers in its place where there is none. A clone is
/// the same.
pub(crate) struct Router<S>(Arc<Shared<S>>);

struct Shared<S> {
    table: Arc<Table>,
    /// By route. Each is called by one worker alone, and held for no longer than a call takes: nobody waits.
    ways: Box<[(Arc<RouteTally>, Mutex<S>)]>,
    answers: Answers,
}

impl<S> Clone for Router<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> fmt::Debug for Router<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").field("table", &self.0.table).finish_non_exhaustive()
    }
}

impl<S> Router<S> {
    /// One service for each route of the table, in its order, and what counts its requests.
    pub(crate) fn new(table: Arc<Table>, ways: Vec<(RouteTally, S)>, answers: Answers) -> Self {
        let ways = ways.into_iter().map(|(tally, service)| (Arc::new(tally), Mutex::new(service))).collect();
        Self(Arc::new(Shared { table, ways, answers }))
    }
}

impl<S> Shared<S> {
    /// The way of a request.
    fn way<B>(&self, request: &Request<B>) -> Result<&(Arc<RouteTally>, Mutex<S>), Miss> {
        let found = self.table.find(request);
        if tracing::enabled!(target: "explain", Level::DEBUG) {
            let words = self.table.explain(request, found).unwrap_or_default();
            tracing::debug!(target: "explain", "route: {words}");
        }
        self.ways.get(found?).ok_or(Miss::NoRoute)
    }
}

impl<S, RB, B> Service<Request<RB>> for Router<S>
where
    S: Service<Request<RB>, Response = Response<B>> + Clone,
{
    type Response = Response<Held<AnswerBody<B>, RouteTallied>>;
    type Error = S::Error;
    type Future = RouterFuture<Called<S, Request<RB>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // Which service it is, nobody knows before the request: it is made ready in the future.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RB>) -> Self::Future {
        match self.0.way(&request) {
            Ok((tally, service)) => {
                let open = Some(RouteTally::open(tally, Noted::arrived(request.extensions())));
                // A panic within a call leaves it as it was.
                let mut service = service.lock().unwrap_or_else(PoisonError::into_inner);
                RouterFuture { state: State::Called(called::call(&mut *service, request)), open }
            }
            Err(miss) => {
                count::refused(miss.refusal());
                let call = Call::of(request.headers());
                let answer = self.0.answers.failure(miss.status(), &miss.to_string(), call);
                RouterFuture { state: State::Missed(Box::new(answer)), open: None }
            }
        }
    }
}

#[pin_project(project = Projection)]
enum State<F> {
    Called(#[pin] F),
    /// Boxed: it is the rare one.
    Missed(Box<Response<Bytes>>),
    /// It has answered.
    Over,
}

/// Future of [`Router`]. Dropping it cancels that of the route.
#[pin_project]
pub(crate) struct RouterFuture<F> {
    #[pin]
    state: State<F>,
    /// `None` where no route takes it, and once it was handed on.
    open: Option<RouteTallied>,
}

impl<F, B, E> Future for RouterFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<Held<AnswerBody<B>, RouteTallied>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        // Not taken out of its poll: it would be moved for that.
        let polled = match this.state.as_mut().project() {
            Projection::Called(called) => called.poll(cx),
            Projection::Missed(answer) => {
                let answer = std::mem::take(&mut **answer);
                this.state.set(State::Over);
                return Poll::Ready(Ok(answer.map(|bytes| Held::new(bytes.into(), None))));
            }
            Projection::Over => return Poll::Pending,
        };
        if polled.is_pending() {
            return Poll::Pending;
        }
        // Nothing of it is left, though who asked still holds this.
        this.state.set(State::Over);
        let mut open = this.open.take();
        polled.map_ok(|response| {
            if let Some(open) = &mut open {
                open.answered(response.status());
            }
            // Moved once.
            response.map(|body| Held::new(AnswerBody::Inner(body), open))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::told;
    use crate::route::tests::{explained, request, routes};
    use bytes::Bytes;
    use http::StatusCode;
    use http::header::CONTENT_TYPE;
    use http_body_util::{BodyExt, Empty};
    use std::convert::Infallible;
    use std::future::ready;
    use tower::{ServiceExt, service_fn};
    use tower_deadline::dialect::GRPC_STATUS;

    /// A router whose services answer with the name of the route that was taken.
    fn router(
        texts: &[&str],
    ) -> Router<impl Service<Request<()>, Response = Response<Empty<Bytes>>, Error = Infallible> + Clone> {
        let routes = routes(texts);
        let service = |name: &str| {
            let name = name.to_owned();
            service_fn(move |_: Request<()>| {
                let mut answer = Response::new(Empty::new());
                answer.extensions_mut().insert(name.clone());
                ready(Ok(answer))
            })
        };
        let ways = routes.iter().map(|route| (RouteTally::new(&route.name), service(&route.name))).collect();
        Router::new(Arc::new(Table::new(&routes)), ways, Answers::new().hop("edge"))
    }

    async fn answer(texts: &[&str], request: Request<()>) -> Response<Bytes> {
        let (head, body) = router(texts).oneshot(request).await.unwrap().into_parts();
        Response::from_parts(head, body.collect().await.unwrap().to_bytes())
    }

    #[tokio::test]
    async fn each_request_goes_the_way_of_its_route() {
        for (target, way) in [("/a", "/a"), ("/orders/7", "/orders/*")] {
            let answer = answer(&["/orders/*", "/a"], request(&format!("GET http://shop.example{target}"))).await;
            assert_eq!(answer.extensions().get(), Some(&way.to_owned()));
        }
    }

    #[tokio::test]
    async fn what_no_route_takes_is_a_404_and_an_unclear_path_a_400() {
        for (target, status, detail) in [
            ("/b", StatusCode::NOT_FOUND, "no route takes this request"),
            ("/a/%2e%2e", StatusCode::BAD_REQUEST, "path: no segment . or .. is expected, as it is or encoded"),
        ] {
            let answer = answer(&["/a"], request(&format!("GET http://shop.example{target}"))).await;
            assert_eq!(answer.status(), status);
            let document: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
            assert_eq!((&document["detail"], &document["hop"]), (&detail.into(), &"edge".into()));
        }
    }

    #[tokio::test]
    async fn grpc_is_told_that_a_method_is_not_there() {
        let mut call = request("POST http://shop.example/shop.Orders/Get");
        call.headers_mut().insert(CONTENT_TYPE, "application/grpc".parse().unwrap());
        let answer = answer(&["/a"], call).await;
        assert_eq!((answer.status(), &answer.headers()[&GRPC_STATUS]), (StatusCode::OK, &"12".parse().unwrap()));
    }

    #[test]
    fn what_is_refused_is_counted() {
        let told = told(|| {
            for target in ["/a", "/b", "/b", "/a/.."] {
                let request = request(&format!("GET http://shop.example{target}"));
                drop(router(&["/a"]).call(request));
            }
        });
        for line in ["{reason=\"no_route\"} 2", "{reason=\"path\"} 1"] {
            assert!(told.contains(line), "{line}: {told}");
        }
    }

    #[test]
    fn a_clone_is_the_same_table() {
        let one = router(&["/a"]);
        let other = one.clone();
        assert!(Arc::ptr_eq(&one.0, &other.0));
    }

    #[test]
    fn the_reason_is_told() {
        for (texts, asked, told) in [
            (
                &["@shop.example,*.example /orders/* GET,POST x-a=1 x-b !x-c"][..],
                "GET http://shop.example/orders/7 x-a=1 x-b=",
                "@shop.example,*.example /orders/* GET,POST x-a=1 x-b !x-c: host shop.example, prefix /orders, method GET or POST, field x-a: 1, field x-b, no field x-c",
            ),
            (
                &["@*.example,*.a.example /a/{id}"],
                "GET http://b.a.example/a/7",
                "@*.example,*.a.example /a/{id}: host *.a.example, path /a/{id}",
            ),
            (&["/*"], "GET http://shop.example/", "/*: every request"),
            (&["/*", "/a POST"], "GET http://shop.example/a", "/*: every request"),
            (
                &["/a POST x-a=1", "/b"],
                "GET http://shop.example/a",
                "none: /a POST x-a=1 wants method POST and field x-a: 1",
            ),
            (&["@shop.example /a"], "GET http://shop.example/b", "none: no route for \"shop.example\" has this path"),
            (&["@shop.example /a"], "GET http://other.example/a", "none: no route is for \"other.example\""),
            (&["/a"], "GET http://shop.example/%zz", "none: path: two hexadecimal digits are expected behind each %"),
        ] {
            let lines = explained(|| drop(router(texts).call(request(asked))));
            assert_eq!(lines, [format!("route: {told}")], "{asked}");
        }
    }
}
