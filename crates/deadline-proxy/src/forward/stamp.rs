//! `X-Request-Start`: when this proxy passed a request on.
//!
//! A deadline that leaves is what was left at that moment, and an upstream that believes the stamp takes off what has
//! passed since. So a request with a deadline is stamped anew at the last moment, whoever stamped it before:
//! otherwise the time in front of this proxy would be taken off twice. The stamp of a trusted front is kept where
//! there is no deadline, because then it says most.

use std::task::{Context, Poll};
use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue, Request};
use tower::{Layer, Service};
use tower_deadline::Deadline;
use tower_deadline::dialect::request_start;

/// The name of the stamp of a front.
pub(super) static X_REQUEST_START: HeaderName = HeaderName::from_static(request_start::NAME);

/// In the extensions of a request that is to be stamped.
#[derive(Clone, Debug)]
pub(super) enum Wanted {
    /// With what a front wrote.
    Kept(HeaderValue),
    Anew,
}

impl Wanted {
    /// What is wanted for a request, of whom the front is `believed` or not.
    pub(super) fn of<B>(request: &Request<B>, believed: bool) -> Self {
        let has_deadline = request.extensions().get::<Deadline>().is_some();
        match request.headers().get(&X_REQUEST_START) {
            Some(kept) if believed && !has_deadline => Self::Kept(kept.clone()),
            _ => Self::Anew,
        }
    }
}

/// Stamps a request right before it is written, if [`ForwardLayer`](super::ForwardLayer) was told to. May be called
/// anew for each attempt.
pub fn stamp<B>(request: &mut Request<B>) {
    let Some(wanted) = request.extensions().get::<Wanted>().cloned() else {
        return;
    };
    #[expect(clippy::disallowed_methods, reason = "a stamp is an instant of the wall clock")]
    let now = SystemTime::now;
    write(request.headers_mut(), wanted, now);
}

fn write(headers: &mut HeaderMap, wanted: Wanted, now: impl FnOnce() -> SystemTime) {
    let value = match wanted {
        Wanted::Kept(value) => Some(value),
        Wanted::Anew => request_start::encode(now()).and_then(|stamp| HeaderValue::try_from(&stamp).ok()),
    };
    match value {
        Some(value) => drop(headers.insert(&X_REQUEST_START, value)),
        // Before 1970.
        None => drop(headers.remove(&X_REQUEST_START)),
    }
}

/// Applies [`Stamp`]; see the [module](super).
#[derive(Clone, Copy, Debug, Default)]
pub struct StampLayer;

impl<S> Layer<S> for StampLayer {
    type Service = Stamp<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Stamp { inner }
    }
}

/// Calls [`stamp`] for each request; see the [module](super).
#[derive(Clone, Debug)]
pub struct Stamp<S> {
    inner: S,
}

impl<S, RB> Service<Request<RB>> for Stamp<S>
where
    S: Service<Request<RB>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<RB>) -> Self::Future {
        stamp(&mut request);
        self.inner.call(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};
    use tower_deadline::now;

    const FRONT: &str = "t=1700000000000000";

    fn stamped(front: Option<&'static str>, believed: bool, deadline: bool) -> String {
        let mut request = Request::get("/").body(()).unwrap();
        if let Some(front) = front {
            request.headers_mut().insert(&X_REQUEST_START, HeaderValue::from_static(front));
        }
        if deadline {
            request.extensions_mut().insert(Deadline::after(now(), Duration::from_secs(1)));
        }
        let wanted = Wanted::of(&request, believed);
        let mut headers = HeaderMap::new();
        write(&mut headers, wanted, || UNIX_EPOCH + Duration::from_millis(1_800_000_000_250));
        headers[&X_REQUEST_START].to_str().unwrap().to_owned()
    }

    // R8
    #[tokio::test(start_paused = true)]
    async fn a_trusted_stamp_is_kept_where_no_deadline_would_be_charged_twice() {
        const ANEW: &str = "t=1800000000250000";
        assert_eq!(stamped(Some(FRONT), true, false), FRONT);
        assert_eq!(stamped(Some(FRONT), true, true), ANEW);
        assert_eq!(stamped(Some(FRONT), false, false), ANEW);
        assert_eq!(stamped(None, true, false), ANEW);
    }

    #[test]
    fn a_request_is_stamped_only_if_that_is_wanted_and_with_each_attempt() {
        let mut request = Request::get("/").body(()).unwrap();
        stamp(&mut request);
        assert!(request.headers().is_empty());
        request.extensions_mut().insert(Wanted::Anew);
        for _ in 0..2 {
            stamp(&mut request);
            let stamps: Vec<_> = request.headers().get_all(&X_REQUEST_START).iter().collect();
            let [stamp] = stamps[..] else { panic!("{stamps:?}") };
            assert!(stamp.as_bytes().starts_with(b"t=") && stamp.len() == "t=".len() + 16, "{stamp:?}");
        }
    }

    #[test]
    fn a_clock_before_1970_stamps_nothing() {
        let mut headers = HeaderMap::new();
        write(&mut headers, Wanted::Anew, || UNIX_EPOCH - Duration::from_secs(1));
        assert!(headers.is_empty());
    }
}
