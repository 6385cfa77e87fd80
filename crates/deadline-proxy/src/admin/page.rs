//! The status page: what `/metrics`, `/upstreams`, `/expired` and `/config` tell, for people.
//!
//! Covers how it comes to a browser: one answer, with its style and its script in it, that needs nothing else from
//! anywhere. It asks this very listener for what it shows, so it shows what is exported. Does not show anything by itself:
//! that is the script's.
//!
//! Nothing that it is told can become a part of the page. The one style and the one script run by their hash; no other
//! may, and neither may an attribute. Whatever would write markup is refused by the browser (`trusted-types`).

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue, Response};
use http_body_util::Full;
use rustls::SupportedCipherSuite;
use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;

const CROSS_ORIGIN_OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

const STYLE: &str = include_str!("page/page.css");

/// In the order in which they need each other.
const SCRIPTS: [&str; 5] = [
    include_str!("page/read.js"),
    include_str!("page/draw.js"),
    include_str!("page/parts.js"),
    include_str!("page/stopped.js"),
    include_str!("page/page.js"),
];

/// The page, and what may run in it.
struct Page {
    text: Bytes,
    policy: Option<HeaderValue>,
}

static PAGE: LazyLock<Page> = LazyLock::new(|| {
    let script = SCRIPTS.concat();
    let text = include_str!("page/page.html").replace("{{style}}", STYLE).replace("{{script}}", &script);
    // What is written there can always stand in a field.
    Page { text: text.into(), policy: HeaderValue::try_from(policy(STYLE, &script)).ok() }
});

/// The page.
pub(super) fn page() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(PAGE.text.clone()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CROSS_ORIGIN_OPENER_POLICY, HeaderValue::from_static("same-origin"));
    headers.extend(PAGE.policy.clone().map(|policy| (CONTENT_SECURITY_POLICY, policy)));
    response
}

fn policy(style: &str, script: &str) -> String {
    let (style, script) = (hash(style), hash(script));
    format!(
        "default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
}

/// As a policy names what may run. SHA-256 is that of the TLS that is here anyway.
fn hash(text: &str) -> String {
    match TLS13_AES_128_GCM_SHA256 {
        SupportedCipherSuite::Tls13(suite) => {
            format!("'sha256-{}'", STANDARD.encode(suite.common.hash_provider.hash(text.as_bytes())))
        }
        // Nothing runs.
        SupportedCipherSuite::Tls12(_) => "'none'".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    async fn told() -> (String, String) {
        let (head, body) = page().into_parts();
        let policy = head.headers[CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
        (policy, String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap())
    }

    #[test]
    fn a_hash_is_what_a_browser_makes_of_the_text() {
        assert_eq!(hash("alert(1)"), "'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='");
    }

    #[tokio::test]
    async fn the_one_style_and_the_one_script_run_and_nothing_else() {
        let (policy, page) = told().await;
        let within = |tag: &str| {
            assert_eq!(page.matches(&format!("<{tag}")).count(), 1, "{tag}");
            let (_, rest) = page.split_once(&format!("<{tag}>")).unwrap();
            rest.split_once(&format!("</{tag}>")).unwrap().0
        };
        assert!(policy.contains(&format!("script-src {};", hash(within("script")))), "{policy}");
        assert!(policy.contains(&format!("style-src {};", hash(within("style")))), "{policy}");
        assert!(!policy.contains("unsafe") && !page.contains("{{"));
    }

    /// What comes from elsewhere, or writes markup, the browser refuses; here it is not even tried.
    #[tokio::test]
    async fn the_page_needs_nothing_from_elsewhere_and_writes_no_markup() {
        let (_, page) = told().await;
        for word in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            " style=\"",
            " on",
        ] {
            let places: Vec<_> = page.match_indices(word).map(|(at, _)| &page[at..(at + 24).min(page.len())]).collect();
            let handlers = places.iter().filter(|place| {
                word != " on"
                    || place.split('=').next().is_some_and(|name| {
                        name.len() < place.len() && name.trim().bytes().all(|byte| byte.is_ascii_lowercase())
                    })
            });
            assert_eq!(handlers.count(), 0, "{word}: {places:?}");
        }
        // A namespace is a name, and nobody asks for it.
        let elsewhere: Vec<_> = page
            .match_indices("//")
            .filter(|(at, _)| page[..*at].ends_with(':'))
            .map(|(at, _)| &page[at..at + 20])
            .collect();
        assert!(elsewhere.iter().all(|place| place.starts_with("//www.w3.org/2000/sv")), "{elsewhere:?}");
        assert!(page.len() < 100_000, "{}", page.len());
    }

    #[tokio::test]
    async fn nobody_keeps_it_frames_it_or_reads_it_as_something_else() {
        let (policy, headers) = (told().await.0, page().into_parts().0.headers);
        for part in [
            "default-src 'none'",
            "frame-ancestors 'none'",
            "connect-src 'self'",
            "form-action 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(part), "{part}");
        }
        let field = |name: &str| headers[name].to_str().unwrap().to_owned();
        assert_eq!((field("cache-control"), field("x-content-type-options")), ("no-store".into(), "nosniff".into()));
        assert_eq!(
            (field("referrer-policy"), field("content-type")),
            ("no-referrer".into(), "text/html; charset=utf-8".into())
        );
    }
}
