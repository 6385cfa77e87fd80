//! The host that a request names, as routes compare it.
//!
//! Covers where it stands and its one form: lower case, without a port, without the dot that ends a full name. Does not
//! refuse anything: a host that is several, or none, has been refused by [`framing`](crate::proxy::framing).

use std::borrow::Cow;

use http::header::HOST;
use http::uri::Authority;
use http::{HeaderMap, Uri};

/// Empty where there is none. Allocates only for a host with capital letters.
pub(super) fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Cow<'a, str> {
    let field = || headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    // RFC 9112 §3.2.2: the authority of a target wins over `Host`.
    plain(uri.authority().map_or_else(field, Authority::host))
}

/// The hosts of at most this length that this one is under, the longest first. The length is what keeps a host of ten
/// thousand labels from being hashed ten thousand times.
pub(super) fn above(host: &str, longest: usize) -> impl Iterator<Item = &str> {
    let dots = host.match_indices('.').filter(|(at, _)| *at > 0);
    dots.filter_map(|(at, dot)| host.get(at + dot.len()..)).filter(move |above| above.len() <= longest)
}

fn plain(host: &str) -> Cow<'_, str> {
    let name = match host.strip_prefix('[').and_then(|address| address.find(']')) {
        Some(end) => host.get(..end + 2),
        None => host.split(':').next(),
    };
    let name = name.unwrap_or_default();
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_one_form() {
        for (written, form) in [
            ("shop.example", "shop.example"),
            ("Shop.EXAMPLE", "shop.example"),
            ("shop.example:8443", "shop.example"),
            ("shop.example.:8443", "shop.example"),
            ("shop.example.", "shop.example"),
            ("shop.example..", "shop.example."),
            ("[::1]", "[::1]"),
            ("[2001:DB8::1]:8443", "[2001:db8::1]"),
            ("[::1", "["),
            ("10.0.0.1:80", "10.0.0.1"),
            (":80", ""),
            (".", ""),
            ("", ""),
        ] {
            assert_eq!(plain(written), form, "{written}");
        }
        assert!(matches!(plain("shop.example:8443"), Cow::Borrowed(_)));
    }

    #[test]
    fn the_authority_of_a_target_wins_over_the_field() {
        let mut headers = HeaderMap::new();
        assert_eq!(host(&Uri::from_static("/"), &headers), "");
        headers.insert(HOST, "Field.example:80".parse().unwrap());
        assert_eq!(host(&Uri::from_static("/"), &headers), "field.example");
        assert_eq!(host(&Uri::from_static("http://u@Target.example:80/a"), &headers), "target.example");
        assert_eq!(host(&Uri::from_static("target.example:443"), &headers), "target.example");
    }

    #[test]
    fn a_host_is_under_each_that_it_ends_with() {
        let all = |host, longest| above(host, longest).collect::<Vec<_>>();
        assert_eq!(all("a.b.shop.example", 14), ["b.shop.example", "shop.example", "example"]);
        assert_eq!(all("a.b.shop.example", 13), ["shop.example", "example"]);
        assert_eq!(all(".shop.example", 14), ["example"]);
        assert!(all("localhost", 14).is_empty() && all("", 14).is_empty());
    }
}
