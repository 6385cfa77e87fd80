//! What is told of one request from its head to its answer.

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{Request, Response};
use tracing::Span;

use super::came::Came;
use super::{TARGET, answer, is_heard};

/// A request has this until its id is known, and where ids are left alone.
static NUMBER: AtomicU64 = AtomicU64::new(1);

/// Gives the lines of one request a span, and tells how it was answered, or that it was not; see the [module](super). A part
/// of the [front](crate::front).
#[derive(Debug)]
pub(crate) struct Told {
    span: Span,
    is_answered: bool,
}

impl Told {
    /// Of a request that has come, where somebody listens.
    pub(crate) fn open<B>(request: &mut Request<B>) -> Option<Box<Self>> {
        if !is_heard() {
            return None;
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let span = tracing::debug_span!(target: TARGET, "request", id = format!("#{number}"));
        let came = Came::with(request.headers());
        request.extensions_mut().insert(came);
        Some(Box::new(Self { span, is_answered: false }))
    }

    /// To be entered by whatever decides.
    pub(crate) fn span(&self) -> Span {
        self.span.clone()
    }

    /// It is answered. To be called within its span.
    pub(crate) fn answered<B>(&mut self, response: &Response<B>) {
        self.is_answered = true;
        answer::answered(response);
    }

    /// It has no answer. To be called within its span.
    pub(crate) fn failed(&mut self, error: &dyn Error) {
        self.is_answered = true;
        answer::failed(error);
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        if !self.is_answered {
            self.span.in_scope(answer::left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::ReceivedBody;
    use crate::explain::lines::listen;
    use crate::explain::tell;
    use crate::front::FrontLayer;
    use bytes::Bytes;
    use http::StatusCode;
    use http_body_util::{Empty, Full};
    use std::future::pending;
    use std::io;
    use std::time::Duration;
    use tower::{Layer, ServiceExt, service_fn};
    use tower_deadline::Answers;
    use tower_deadline::dialect::Call;

    async fn inner(request: Request<ReceivedBody<Empty<Bytes>>>) -> Result<Response<Full<Bytes>>, io::Error> {
        if request.uri().path() != "/early" {
            Span::current().record("id", tracing::field::display("7"));
        }
        tokio::task::yield_now().await;
        tell!("route: {}", request.uri());
        match request.uri().path() {
            "/ours" => Ok(Answers::new().failure(StatusCode::NOT_FOUND, "no such order", Call::Http).map(Full::new)),
            "/fails" => Err(io::Error::other("broke off")),
            "/never" => pending().await,
            _ => Ok(Response::default()),
        }
    }

    fn told(path: &str) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let request = Request::get(path).body(Empty::new()).unwrap();
        listen(|| {
            let answered = FrontLayer::new().explained().layer(service_fn(inner)).oneshot(request);
            let limited = async { tokio::time::timeout(Duration::from_secs(1), answered).await };
            drop(runtime.block_on(limited));
        })
    }

    #[test]
    fn how_a_request_ends_is_told_with_its_id() {
        assert_eq!(told("/"), ["[7] route: /", "[7] answer: 200"]);
        let early = told("/early");
        let number = early[0].strip_prefix("[#").and_then(|line| line.strip_suffix("] route: /early")).unwrap();
        assert_eq!(early[1], format!("[#{number}] answer: 200"));
        assert_eq!(told("/ours"), ["[7] route: /ours", "[7] answer: 404: no such order"]);
        assert_eq!(told("/fails"), ["[7] route: /fails", "[7] answer: none: broke off"]);
        assert_eq!(told("/never"), ["[7] route: /never", "[7] answer: none: the client left"]);
    }
}
