//! Routes: how many requests each takes, how they are answered, and how long that takes.

use std::time::Duration;

use http::StatusCode;
use metrics::{Counter, Histogram, Unit, counter, describe_counter, describe_histogram, histogram};

const REQUESTS: &str = "deadline_proxy_route_requests_total";
pub(super) const SECONDS: &str = "deadline_proxy_route_seconds";

/// Tells what each of them is.
pub(super) fn describe() {
    describe_counter!(
        REQUESTS,
        Unit::Count,
        "Requests of a route by class of status; `none`: the client left before there was one."
    );
    describe_histogram!(SECONDS, Unit::Seconds, "From the head of a request of a route to the end of its answer.");
}

/// Which statuses are told apart, in the order of [`Routed`].
const STATUSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// The counts of the requests of one route, looked up once: each request costs two additions.
pub(crate) struct Routed {
    answered: [Counter; STATUSES.len()],
    took: Histogram,
}

impl Routed {
    /// Counts into the recorder that is installed by now.
    pub(crate) fn new(route: &str) -> Self {
        let answered = |status| counter!(REQUESTS, "route" => route.to_owned(), "status" => status);
        Self { answered: STATUSES.map(answered), took: histogram!(SECONDS, "route" => route.to_owned()) }
    }

    /// A request has ended, so long after its head came; it was answered with this, or not at all.
    pub(crate) fn ended(&self, status: Option<StatusCode>, took: Duration) {
        let class = status.map_or(0, |status| usize::from(status.as_u16() / 100).min(STATUSES.len() - 1));
        self.answered[class].increment(1);
        self.took.record(took);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::told;

    #[test]
    fn a_request_is_counted_by_its_route_and_class_and_measured() {
        let told = told(|| {
            let (shop, other) = (Routed::new("shop"), Routed::new("other"));
            shop.ended(Some(StatusCode::NO_CONTENT), Duration::from_millis(30));
            shop.ended(StatusCode::from_u16(999).ok(), Duration::from_millis(70));
            other.ended(None, Duration::from_secs(3));
        });
        for line in [
            r#"deadline_proxy_route_requests_total{route="shop",status="2xx"} 1"#,
            r#"deadline_proxy_route_requests_total{route="shop",status="5xx"} 1"#,
            r#"deadline_proxy_route_requests_total{route="shop",status="4xx"} 0"#,
            r#"deadline_proxy_route_requests_total{route="other",status="none"} 1"#,
            r#"deadline_proxy_route_seconds_count{route="shop"} 2"#,
            r#"deadline_proxy_route_seconds_sum{route="other"} 3"#,
        ] {
            assert!(told.lines().any(|told| told == line), "{line}: {told}");
        }
    }
}
