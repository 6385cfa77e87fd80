//! What grows: policies to choose among, and deadlines that are waited for.
//!
//! Covers the same work beside more and more of the others. What they are is made once for a thread, and stays.

use std::cell::RefCell;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use http::Request;
use tokio::time::Sleep;
use tower::service_fn;
use tower_deadline::{DeadlineLayer, Policy, PolicySet};

use crate::Work;
use crate::decisions::once;
use crate::exchange::through;
use crate::messages::{Body, LONG, plain};
use crate::services::at_once;

std::thread_local! {
    static WAITED: RefCell<Vec<Pin<Box<Sleep>>>> = const { RefCell::new(Vec::new()) };
}

/// The set of so many routes that was made last: one case has one.
static SET: Mutex<Option<(usize, Arc<PolicySet>)>> = Mutex::new(None);

/// The path of a route, as long as that of any other.
fn route(number: usize) -> String {
    format!("/shop.v1.Orders{number:05}/Place")
}

/// A set of so many routes, with ten policies.
fn set(routes: usize) -> Arc<PolicySet> {
    let mut last = SET.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, set)) = last.as_ref().filter(|(known, _)| *known == routes) {
        return Arc::clone(set);
    }
    let default = PolicySet::new(Policy::new());
    let with_policies = (0..10).fold(default, |set, number| {
        set.and_then(|set| set.policy(Policy::new().named(&format!("policy-{number}")).default_timeout(LONG)))
    });
    let with_routes = (0..routes).fold(with_policies, |set, number| {
        set.and_then(|set| set.route(&route(number), &format!("policy-{}", number % 10)))
    });
    let set = Arc::new(with_routes.unwrap_or_else(|wrong| unreachable(&wrong.to_string())));
    *last = Some((routes, Arc::clone(&set)));
    set
}

/// There is nobody to hand an error to.
fn unreachable(wrong: &str) -> ! {
    eprintln!("{wrong}");
    std::process::exit(1)
}

/// The policy of one of so many routes.
pub(crate) fn chosen(routes: usize) -> Work {
    let (set, path) = (set(routes), route(routes / 2));
    once(move || set.of_route(std::hint::black_box(&path)).name())
}

/// A call whose method is one of so many, held to its policy.
pub(crate) fn called(routes: usize) -> Work {
    let mut request: Request<Body> = plain();
    if let Ok(uri) = route(routes / 2).parse() {
        *request.uri_mut() = uri;
    }
    through(&DeadlineLayer::by_grpc_method(set(routes)), service_fn(at_once), request)
}

/// Beside so many timers that are armed, over an hour.
pub(crate) fn amid(timers: usize, work: Work) -> Work {
    let mut cx = Context::from_waker(Waker::noop());
    WAITED.with_borrow_mut(|waited| {
        waited.truncate(timers);
        while waited.len() < timers {
            let after = Duration::from_secs(60) + Duration::from_millis(waited.len() as u64 * 36 % 3_600_000);
            let mut sleep = Box::pin(tokio::time::sleep(after));
            let _ = sleep.as_mut().poll(&mut cx);
            waited.push(sleep);
        }
    });
    work
}
