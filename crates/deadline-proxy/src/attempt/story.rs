//! Who was asked, and why somebody else was asked then.

use std::fmt;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};

use super::Outcome;

/// RFC 9209.
static PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// What became of the attempts of one request. Stands in the extensions of an answer where there was more than one
/// upstream to ask, or more than one attempt.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Story {
    /// How many there were.
    pub attempts: u32,
    /// Whose answer it is; `None` where it is ours.
    pub upstream: Option<Arc<str>>,
    /// What the others came to, in their order.
    pub passed: Vec<(Arc<str>, Outcome)>,
}

impl Story {
    /// Why others did not answer: `corp 404, mirror connect`.
    #[must_use]
    pub fn details(&self) -> String {
        let passed: Vec<_> = self.passed.iter().map(|(name, outcome)| format!("{name} {outcome}")).collect();
        passed.join(", ")
    }

    /// The field that tells it, of this hop.
    pub(crate) fn field(&self, hop: &str) -> Option<(HeaderName, HeaderValue)> {
        let mut value = if is_token(hop) { hop.to_owned() } else { quoted(hop) };
        if let Some(upstream) = &self.upstream {
            value.push_str("; next-hop=");
            value.push_str(&quoted(upstream));
        }
        if !self.passed.is_empty() {
            value.push_str("; details=");
            value.push_str(&quoted(&self.details()));
        }
        HeaderValue::try_from(value).ok().map(|value| (PROXY_STATUS.clone(), value))
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.details())
    }
}

/// RFC 9651 §3.3.4.
fn is_token(text: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte);
    text.bytes().all(is_tchar) && text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '*')
}

/// RFC 9651 §3.3.3: printable ASCII.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            ' '..='~' => quoted.push(char),
            _ => quoted.push('?'),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;

    fn field(hop: &str, upstream: Option<&str>, passed: &[(&str, Outcome)]) -> String {
        let passed = passed.iter().map(|(name, outcome)| (Arc::from(*name), *outcome)).collect();
        let story = Story { attempts: 2, upstream: upstream.map(Arc::from), passed };
        let (name, value) = story.field(hop).unwrap();
        assert_eq!(name, "proxy-status");
        value.to_str().unwrap().to_owned()
    }

    #[test]
    fn who_answered_is_named_and_why_the_others_did_not() {
        let passed = [("corp", Outcome::Status(StatusCode::NOT_FOUND)), ("mirror", Outcome::Connect)];
        let told = field("edge", Some("golang"), &passed);
        assert_eq!(told, r#"edge; next-hop="golang"; details="corp 404, mirror connect""#);
        assert_eq!(field("edge", Some("corp"), &[]), r#"edge; next-hop="corp""#);
        assert_eq!(field("edge", None, &passed[..1]), r#"edge; details="corp 404""#);
    }

    #[test]
    fn a_name_cannot_say_more_than_a_name() {
        assert_eq!(field("2nd", Some("a\"; error=x"), &[]), r#""2nd"; next-hop="a\"; error=x""#);
        assert_eq!(field("a b\\", Some("\u{e9}\r\nx"), &[]), r#""a b\\"; next-hop="???x""#);
    }
}
