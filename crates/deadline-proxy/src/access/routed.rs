//! What the layers of a route tell of its requests.

use std::sync::Arc;
use std::time::SystemTime;

use http::Request;
use tower_deadline::{Dialects, PolicyName, Stage};

use super::Record;

/// Notes which route a request takes, and how long it has queued before it came, as a trusted front says (R8). To be
/// mapped outside of [`DeadlineLayer`](tower_deadline::DeadlineLayer), which lets not all of them in.
pub(crate) fn routed<B>(
    route: &Arc<str>,
    policy: PolicyName,
    dialects: &Dialects,
) -> impl FnMut(Request<B>) -> Request<B> + Clone + use<B> {
    let (route, dialects) = (Arc::clone(route), dialects.clone());
    move |request| {
        if let Some(record) = Record::of(request.extensions()) {
            record.route(&route, policy);
            if dialects.needs_wall_clock() {
                #[expect(clippy::disallowed_methods, reason = "a stamp is an instant of the wall clock")]
                let wall = SystemTime::now();
                record.spent_before(Stage::Queue, dialects.read(request.headers(), wall).queued());
            }
        }
        request
    }
}

/// Notes what was granted to a request, where anything was. To be mapped inside of
/// [`DeadlineLayer`](tower_deadline::DeadlineLayer).
pub(crate) fn admitted<B>(request: Request<B>) -> Request<B> {
    if let Some(record) = Record::of(request.extensions()) {
        record.admitted(request.extensions());
    }
    request
}
