//! Trailers that may pass, of requests and of answers.
//!
//! Covers what has no business behind a body: fields of one connection, by their name or because the head says so, fields
//! on which a message depends, who asked, and deadlines, of which nobody would take what is left (R9, R30). A peer of
//! HTTP/2 ends the stream at some of them; another that reads trailers as fields would believe the others. Data passes
//! as it is.

use http::{HeaderMap, HeaderName};
use tower_deadline::Dialects;
use tower_deadline::hop_by_hop::strip_trailers;

use crate::forward::clear;

/// Removes what may not pass, behind a head that named these as a matter of its connection.
pub(super) fn sift(trailers: &mut HeaderMap, named: &[HeaderName]) {
    strip_trailers(trailers);
    named.iter().for_each(|name| drop(trailers.remove(name)));
    clear(trailers);
    Dialects::default().strip(trailers);
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use tower_deadline::Dialect;

    // R9, R30
    #[test]
    fn what_may_not_stand_in_trailers_does_not_pass() {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-checksum", HeaderValue::from_static("42"));
        let kept = trailers.clone();
        for name in ["connection", "content-length", "host", "x-real-ip", "x_forwarded_for"]
            .into_iter()
            .chain(Dialect::ALL.map(Dialect::as_str))
        {
            trailers.insert(HeaderName::from_static(name), HeaderValue::from_static("5"));
        }
        sift(&mut trailers, &[]);
        assert_eq!(trailers, kept);
    }

    // R30
    #[test]
    fn what_the_head_names_as_a_matter_of_its_connection_does_not_pass_behind_the_body() {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-checksum", HeaderValue::from_static("42"));
        let kept = trailers.clone();
        trailers.append("x-own", HeaderValue::from_static("1"));
        trailers.append("x-own", HeaderValue::from_static("2"));
        sift(&mut trailers, &[HeaderName::from_static("x-own")]);
        assert_eq!(trailers, kept);
    }
}
