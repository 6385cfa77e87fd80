//! What a route tells of its requests.

use std::sync::Arc;
use std::time::SystemTime;

use http::Request;
use tower_deadline::{Dialects, PolicyName, Stage};

use super::Record;

/// Notes which route a request takes, and how long it has queued before it came, as a trusted front says (R8). Outside of
/// [`DeadlineLayer`](tower_deadline::DeadlineLayer), which lets not all of them in.
pub(crate) fn routed<B>(request: &Request<B>, route: &Arc<str>, policy: PolicyName, dialects: &Dialects) {
    let Some(record) = Record::of(request.extensions()) else { return };
    record.route(route, policy);
    if dialects.needs_wall_clock() {
        #[expect(clippy::disallowed_methods, reason = "a stamp is an instant of the wall clock")]
        let wall = SystemTime::now();
        record.spent_before(Stage::Queue, dialects.read(request.headers(), wall).queued());
    }
}
