//! Why a request takes a route, or does not, in words for an operator.
//!
//! Covers conditions of routes only: of a request they tell its host and its method.

use http::{HeaderName, Request};

use super::{FieldMatch, Host, Matches, PathMatch};
use crate::secret::shown;

/// What of these a request of this host has met.
pub(super) fn why(matches: &Matches, host: &str) -> String {
    let length = |host: &&Host| match host {
        Host::Exact(_) => usize::MAX,
        Host::Under(above) => above.len(),
    };
    let host = matches.hosts.iter().filter(|one| one.matches(host)).max_by_key(length);
    let host = host.map(|host| format!("host {host}"));
    let method = (!matches.methods.is_empty()).then(|| methods(matches));
    let fields = matches.fields.iter().map(|(name, is)| field(name, is));
    let all: Vec<_> = host.into_iter().chain(path(&matches.path)).chain(method).chain(fields).collect();
    if all.is_empty() { "every request".to_owned() } else { all.join(", ") }
}

/// What of these a request of the right host and path has not met.
pub(super) fn unmet<B>(matches: &Matches, request: &Request<B>) -> String {
    let method = (!matches.takes_method(request.method())).then(|| methods(matches));
    let fields = matches.fields.iter().filter(|(name, is)| !is.matches(name, request.headers()));
    let all: Vec<_> = method.into_iter().chain(fields.map(|(name, is)| field(name, is))).collect();
    all.join(" and ")
}

fn path(path: &PathMatch) -> Option<String> {
    let text = path.to_string();
    match text.strip_suffix("/…").filter(|_| path.is_prefix) {
        Some("") => None,
        Some(prefix) => Some(format!("prefix {prefix}")),
        None => Some(format!("path {text}")),
    }
}

fn methods(matches: &Matches) -> String {
    let methods: Vec<_> = matches.methods.iter().map(ToString::to_string).collect();
    format!("method {}", methods.join(" or "))
}

/// What a secret is compared with is not told.
fn field(name: &HeaderName, is: &FieldMatch) -> String {
    match is {
        FieldMatch::Is(value) => format!("field {name}: {}", shown(name, value)),
        FieldMatch::Present => format!("field {name}"),
        FieldMatch::Absent => format!("no field {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use http::header::AUTHORIZATION;

    #[test]
    fn what_a_secret_is_compared_with_is_not_told() {
        let mut secret = HeaderValue::from_static("hunter2");
        let name = HeaderName::from_static("x-kind");
        assert_eq!(field(&name, &FieldMatch::Is(secret.clone())), "field x-kind: hunter2");
        secret.set_sensitive(true);
        assert_eq!(field(&name, &FieldMatch::Is(secret)), "field x-kind: ***");
        let said = HeaderValue::from_static("Bearer hunter2");
        assert_eq!(field(&AUTHORIZATION, &FieldMatch::Is(said)), "field authorization: ***");
    }
}
