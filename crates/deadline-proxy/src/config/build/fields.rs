//! Fields of a request that a file names, and what it takes from the environment.

use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderName, HeaderValue};
use tower_deadline::Dialect;

use super::Context;
use crate::config::path::Path;
use crate::config::value::Secret;
use crate::forward;

/// What concerns one connection, and is written by who has it.
static OF_A_CONNECTION: [HeaderName; 10] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// The name of a field that is matched, if it is one.
pub(super) fn name(text: &str, path: &Path<'_>, context: Context<'_>) -> Option<HeaderName> {
    let name = text.parse().ok();
    if name.is_none() {
        context
            .complaints
            .key(path, format!("{text:?} is no name of a field; expected one such as \"x-tenant\""));
    }
    name
}

/// Why this field cannot be set towards an upstream.
pub(super) fn why_not(name: &HeaderName) -> Option<&'static str> {
    if OF_A_CONNECTION.contains(name) {
        return Some("it concerns one connection, and the proxy writes it");
    }
    if *name == HOST || *name == CONTENT_LENGTH {
        return Some("the message depends on it, and it passes as it came");
    }
    if Dialect::ALL.iter().any(|dialect| dialect.as_str() == name.as_str()) {
        return Some("it says what is left of the deadline, and the proxy writes it for each attempt");
    }
    forward::is_about(name).then_some("it says who asked, and [forwarding] decides about it")
}

/// The value of a field, with what it takes from the environment. One that does is not to be shown.
pub(super) fn value(Secret(text): &Secret, path: &Path<'_>, context: Context<'_>) -> Option<HeaderValue> {
    let (said, is_secret) = match substituted(text, context.env) {
        Ok(said) => said,
        Err(message) => {
            context.complaints.value(path, message);
            return None;
        }
    };
    match HeaderValue::from_str(&said) {
        Ok(mut value) => {
            value.set_sensitive(is_secret);
            Some(value)
        }
        Err(_) => {
            let whose = if is_secret { "what the environment makes of it" } else { "this" };
            context.complaints.value(path, format!("{whose} is no value of a field; expected visible ASCII"));
            None
        }
    }
}

/// The text with every `${NAME}` replaced, and whether there was one. `$${` is `${`.
fn substituted(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<(String, bool), String> {
    let (mut said, mut rest, mut is_secret) = (String::new(), text, false);
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            said.extend([before, "${"]);
            rest = after;
            continue;
        }
        let (name, after) =
            after.split_once('}').ok_or("`${` is not closed; expected ${NAME}, or $${ for the characters")?;
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) || !name.bytes().all(is_part) {
            return Err(format!("${{{name}}} names no variable; expected ${{NAME}} of letters, digits and `_`"));
        }
        let value =
            env(name).ok_or_else(|| format!("the variable {name} is not set; expected it in the environment"))?;
        if value.is_empty() {
            return Err(format!("the variable {name} is empty; expected a value in the environment"));
        }
        said.extend([before, &value]);
        (rest, is_secret) = (after, true);
    }
    said.push_str(rest);
    Ok((said, is_secret))
}
