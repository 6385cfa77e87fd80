//! What a request had when it came, and why it does not go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::header::{CONNECTION, HOST};
use http::{HeaderMap, HeaderName, HeaderValue};
use tower_deadline::Dialects;
use tower_deadline::hop_by_hop::is_connection_level;

use crate::forward::is_forwarding;

/// The fields with which a request came. Stands in its extensions while somebody listens.
#[derive(Clone, Debug)]
pub(super) struct Came(Arc<Arrival>);

#[derive(Debug)]
struct Arrival {
    fields: HeaderMap,
    /// A request can be sent more than once, and is stripped once.
    is_told: AtomicBool,
}

impl Came {
    pub(super) fn with(fields: &HeaderMap) -> Self {
        Self(Arc::new(Arrival { fields: fields.clone(), is_told: AtomicBool::new(false) }))
    }

    /// What does not go on in a request that is sent with these fields, and why; nothing the second time.
    pub(super) fn stripped(&self, sent: &HeaderMap) -> Vec<(HeaderName, &'static str)> {
        if self.0.is_told.swap(true, Ordering::Relaxed) {
            return Vec::new();
        }
        let names = self.0.fields.keys();
        names.filter_map(|name| self.reason(name, sent).map(|reason| (name.clone(), reason))).collect()
    }

    fn reason(&self, name: &HeaderName, sent: &HeaderMap) -> Option<&'static str> {
        let came = &self.0.fields;
        if is_forwarding(name.as_str()) {
            return (!is_kept(name, came, sent)).then_some("a forwarding field of a peer that is not trusted");
        }
        // Over HTTP/2 it goes on as a part of the target.
        if sent.contains_key(name) || *name == HOST {
            return None;
        }
        Some(match () {
            () if is_connection_level(name) => "concerns one connection only",
            () if is_nominated(name, came) => "named by Connection",
            () if is_of_deadline(name) => "a deadline field: what is left is written by this hop",
            () => "not for the next hop",
        })
    }
}

/// Whether what was said is the beginning of what is said now: this hop adds itself at the end.
fn is_kept(name: &HeaderName, came: &HeaderMap, sent: &HeaderMap) -> bool {
    let said = joined(name, came);
    joined(name, sent)
        .strip_prefix(said.as_slice())
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(b", "))
}

fn joined(name: &HeaderName, fields: &HeaderMap) -> Vec<u8> {
    let lines = fields.get_all(name).iter().map(|line| line.as_bytes().trim_ascii()).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(&b", "[..])
}

fn is_nominated(name: &HeaderName, came: &HeaderMap) -> bool {
    let lines = came.get_all(CONNECTION).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    lines.map(<[u8]>::trim_ascii).any(|element| element.eq_ignore_ascii_case(name.as_str().as_bytes()))
}

/// Whether it is removed from whatever leaves (R9).
fn is_of_deadline(name: &HeaderName) -> bool {
    let mut alone = HeaderMap::from_iter([(name.clone(), HeaderValue::from_static(""))]);
    Dialects::default().strip(&mut alone);
    alone.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let lines = lines.iter().copied();
        lines
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    fn told(came: &[(&'static str, &'static str)], sent: &[(&'static str, &'static str)]) -> Vec<String> {
        let stripped = Came::with(&fields(came)).stripped(&fields(sent));
        stripped.iter().map(|(name, why)| format!("{name}: {why}")).collect()
    }

    const STRANGER: &str = "a forwarding field of a peer that is not trusted";

    // R9, R30, R31
    #[test]
    fn each_field_that_does_not_go_on_is_told_with_its_reason() {
        let came = [
            ("host", "a"),
            ("accept", "b"),
            ("connection", "x-private, TE"),
            ("x-private", "1"),
            ("te", "gzip"),
            ("x-request-timeout", "1s"),
            ("grpc-timeout", "1S"),
            ("x-odd", "1"),
        ];
        let expected = [
            "connection: concerns one connection only",
            "x-private: named by Connection",
            "te: concerns one connection only",
            "grpc-timeout: a deadline field: what is left is written by this hop",
            "x-odd: not for the next hop",
        ];
        assert_eq!(told(&came, &[("accept", "b"), ("x-request-timeout", "999ms")]), expected);
    }

    #[test]
    fn forwarding_fields_go_on_where_this_hop_has_added_itself_to_them() {
        let of = |said, sent: &[_]| told(&[("x-forwarded-for", said)], sent);
        assert!(of("10.0.0.7", &[("x-forwarded-for", "10.0.0.7, 192.0.2.1")]).is_empty());
        assert!(of("10.0.0.7", &[("x-forwarded-for", "10.0.0.7")]).is_empty());
        for sent in [&[("x-forwarded-for", "192.0.2.1")][..], &[("x-forwarded-for", "10.0.0.77")], &[]] {
            assert_eq!(of("10.0.0.7", sent), [format!("x-forwarded-for: {STRANGER}")], "{sent:?}");
        }
        assert_eq!(told(&[("x_real_ip", "1")], &[]), [format!("x_real_ip: {STRANGER}")]);
    }

    #[test]
    fn what_is_sent_again_is_stripped_once() {
        let came = Came::with(&fields(&[("te", "gzip")]));
        assert_eq!(came.stripped(&HeaderMap::new()).len(), 1);
        assert!(came.clone().stripped(&HeaderMap::new()).is_empty());
    }
}
