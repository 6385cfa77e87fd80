//! Fields whose value is that of one request, and of no other.
//!
//! Covers what HPACK makes of them: each new value would enter the table of the connection, put others out of it, and be
//! compared with those before it, for nothing: it never comes again. Marked, they are written as they are (RFC 7541
//! §6.2.3). Those of the first message on a connection are left alone: by them the table knows the names, which need not be
//! written then. For the last moment before a message leaves by HTTP/2, since a marked value does not show what it is in debug
//! output. Does not unmark what somebody else has marked.

use http::HeaderMap;
use tower_deadline::Dialect;
use tower_deadline::dialect::request_start;

/// Marks them.
pub(crate) fn mark(fields: &mut HeaderMap) {
    for (name, value) in fields {
        if is_fleeting(name.as_str()) {
            value.set_sensitive(true);
        }
    }
}

/// A field of the deadline that was given another name is only less well packed.
fn is_fleeting(name: &str) -> bool {
    const X_REQUEST_TIMEOUT: &str = Dialect::XRequestTimeout.as_str();
    const GRPC_TIMEOUT: &str = Dialect::GrpcTimeout.as_str();
    const CONNECT_TIMEOUT: &str = Dialect::ConnectTimeout.as_str();
    const X_REQUEST_DEADLINE: &str = Dialect::XRequestDeadline.as_str();
    const ENVOY_EXPECTED: &str = Dialect::EnvoyExpected.as_str();
    // One match over constants: the length decides which of them a name is compared with.
    matches!(
        name,
        "x-request-id"
            | "traceparent"
            | request_start::NAME
            | X_REQUEST_TIMEOUT
            | GRPC_TIMEOUT
            | CONNECT_TIMEOUT
            | X_REQUEST_DEADLINE
            | ENVOY_EXPECTED
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn what_is_of_one_request_is_marked_and_nothing_else() {
        let is_marked = |name: &'static str| {
            let mut fields = HeaderMap::new();
            fields.append(name, HeaderValue::from_static("a"));
            fields.append(name, HeaderValue::from_static("b"));
            mark(&mut fields);
            fields.get_all(name).iter().map(HeaderValue::is_sensitive).collect::<Vec<_>>()
        };
        let timeouts = [Dialect::XRequestTimeout, Dialect::GrpcTimeout, Dialect::ConnectTimeout].map(Dialect::as_str);
        for fleeting in ["x-request-id", "traceparent", request_start::NAME].into_iter().chain(timeouts) {
            assert_eq!(is_marked(fleeting), [true, true], "{fleeting}");
        }
        for lasting in ["via", "content-type", "x-forwarded-for", "user-agent", "x-request-ix", "date"] {
            assert_eq!(is_marked(lasting), [false, false], "{lasting}");
        }
    }
}
