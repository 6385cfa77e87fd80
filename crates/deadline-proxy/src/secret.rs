//! What of a request is told nobody, wherever it is told.
//!
//! Covers fields that carry credentials, which are known by their names, and what stands behind a `?`: a query may have
//! a token in it, and so has whatever repeats it (`Referer`, the path as it came). Does not look for secrets in other
//! text: who puts one into a path has it in every log.

use std::borrow::Cow;

use http::{HeaderName, HeaderValue};

/// What stands for a secret.
const HIDDEN: &str = "***";

/// A name with one of these in it is one of a credential.
const PARTS: [&str; 9] =
    ["authorization", "cookie", "token", "secret", "passw", "credential", "session", "signature", "jwt"];

/// And so is a name with one of these between its dashes; within a word they mean nothing.
const WORDS: [&str; 3] = ["auth", "key", "apikey"];

/// The value of a field, as it may be told.
pub(crate) fn shown<'a>(name: &HeaderName, value: &'a HeaderValue) -> Cow<'a, str> {
    if value.is_sensitive() || is_credential(name.as_str()) {
        return HIDDEN.into();
    }
    match value.to_str() {
        Ok(text) => without_query(text),
        Err(_) => without_query(&value.as_bytes().escape_ascii().to_string()).into_owned().into(),
    }
}

/// A target, without what its query says.
pub(crate) fn without_query(target: &str) -> Cow<'_, str> {
    match target.split_once('?') {
        Some((path, query)) if !query.is_empty() => format!("{path}?{HIDDEN}").into(),
        _ => target.into(),
    }
}

fn is_credential(name: &str) -> bool {
    PARTS.iter().any(|part| name.contains(part)) || name.split(['-', '_']).any(|word| WORDS.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_known_by_its_name() {
        let of = |name: &'static str| {
            let value = HeaderValue::from_static("hunter2");
            shown(&HeaderName::from_static(name), &value).into_owned()
        };
        for secret in [
            "authorization",
            "proxy-authorization",
            "cookie",
            "set-cookie",
            "x-api-key",
            "x_api_key",
            "x-apikey",
            "x-auth",
            "x-csrf-token",
            "x-authtoken",
            "x-amz-security-token",
            "x-goog-iap-jwt-assertion",
            "x-hub-signature-256",
            "x-client-secret",
            "x-session-id",
        ] {
            assert_eq!(of(secret), "***", "{secret}");
        }
        for plain in ["accept", "x-tenant", "x-request-id", "keep-alive", "x-author", "x-keyboard", "via"] {
            assert_eq!(of(plain), "hunter2", "{plain}");
        }
    }

    #[test]
    fn what_is_called_a_secret_is_one_whatever_its_name() {
        let mut value = HeaderValue::from_static("hunter2");
        value.set_sensitive(true);
        assert_eq!(shown(&HeaderName::from_static("x-tenant"), &value), "***");
    }

    #[test]
    fn a_query_is_not_told() {
        for (target, told) in [("/a?b=c?d", "/a?***"), ("/a?", "/a?"), ("/a", "/a"), ("http://a/b?c", "http://a/b?***")]
        {
            assert_eq!(without_query(target), told);
        }
        let value = HeaderValue::from_bytes(b"/\xff?secret").unwrap();
        assert_eq!(shown(&HeaderName::from_static("referer"), &value), r"/\xff?***");
    }
}
