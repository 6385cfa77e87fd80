//! `Deadline-Exceeded`: the field by which a caller tells this answer from a backend's own 504.
//!
//! Covers writing it, reading what a hop downstream wrote, and completing it on the way back. It is a structured field, a
//! dictionary after RFC 9651: `origin=header, stage=handler, cause=deadline, hop="orders"`.
//!
//! | member | meaning |
//! |---|---|
//! | `origin` | what set the deadline that was enforced: `header`, `policy` or `code` |
//! | `stage`, `cause` | where and why the request was stopped |
//! | `hop` | who stopped it |
//! | `origin_hop` | whose policy, or code, `origin` is; where it is missing, that of `hop` |
//!
//! A hop knows the deadline of its caller as a `header`'s only. Each hop that passes such a field on, and whose own policy or
//! code had set what it sent, says so ([`Trail::completed`]): from there on the field reads
//! `origin=policy, stage=handler, cause=deadline, hop="payments", origin_hop="proxy"`. What is still a header's when it comes
//! to the client was the client's own.
//!
//! Whoever answers can claim anything: it is believed of whoever was sent our deadline, and of nobody else (R23). In a
//! request the field means nothing, and nobody reads it there. Does not tell of the hops between the two.
//!
//! ```
//! use http_deadline::dialect::trail::Trail;
//! use http_deadline::{Cause, OriginKind, Stage};
//!
//! let trail = Trail::new(OriginKind::Header, Stage::Handler, Cause::Deadline, Some("orders"));
//! let field = r#"origin=header, stage=handler, cause=deadline, hop="orders""#;
//! assert_eq!(trail.to_string(), field);
//! assert_eq!(Trail::parse(field.as_bytes()), Some(trail));
//! ```

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::list::split;
use crate::{Cause, Exceeded, OriginKind, Stage};

/// `Deadline-Exceeded`.
pub static DEADLINE_EXCEEDED: HeaderName = HeaderName::from_static("deadline-exceeded");

/// `X-Retry-After`: zero tells a caller that trying again at once may help.
pub static RETRY_AFTER: HeaderName = HeaderName::from_static("x-retry-after");

/// The longest field that is looked at, in bytes.
const MAX_FIELD: usize = 1_024;

/// The longest name of a hop, in characters; of a longer one, only the beginning is written.
const MAX_NAME: usize = 128;

/// What a hop is called that has no name, where it has to be called something.
const UNNAMED: &str = "unnamed";

/// What a `Deadline-Exceeded` field says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trail {
    origin: OriginKind,
    stage: Stage,
    cause: Cause,
    hop: Option<String>,
    origin_hop: Option<String>,
}

impl Trail {
    /// A field of these members. In `hop`, what is not printable ASCII becomes `?`, for RFC 9651 has no other strings, and
    /// there are no more than 128 characters.
    #[must_use]
    pub fn new(origin: OriginKind, stage: Stage, cause: Cause, hop: Option<&str>) -> Self {
        Self { origin, stage, cause, hop: hop.map(printable), origin_hop: None }
    }

    /// The field for a request of which this hop tells: it has stopped it itself, or another one downstream has, and then
    /// that is the one that is told of.
    #[must_use]
    pub fn of(exceeded: &Exceeded, hop: Option<&str>) -> Self {
        match exceeded.trail() {
            Some(told) => told.clone().completed(exceeded.origin().kind(), hop),
            None => Self::new(exceeded.origin().kind(), exceeded.stage(), exceeded.cause(), hop),
        }
    }

    /// The same, where a hop passes it on: what the hop downstream knew as a header was set by this `origin` at `hop`. It
    /// says no more where that was a header too, or where who set it is known.
    #[must_use]
    pub fn completed(self, origin: OriginKind, hop: Option<&str>) -> Self {
        let is_open = self.origin == OriginKind::Header && self.origin_hop.is_none();
        if !is_open || origin == OriginKind::Header {
            return self;
        }
        Self { origin, origin_hop: Some(printable(hop.unwrap_or(UNNAMED))), ..self }
    }

    /// Reads a field. `None` where a member is missing, is none of the words, or no string of RFC 9651; where a name or the
    /// field is too long; members that are not known are passed over.
    #[must_use]
    pub fn parse(field: &[u8]) -> Option<Self> {
        let field = Some(field).filter(|field| field.len() <= MAX_FIELD)?;
        // Of two members with one key the last counts (RFC 9651 §3.2).
        let member = |key: &str| members(field).filter(|(name, _)| *name == key).map(|(_, value)| value).last();
        let name = |key: &str| member(key).map_or(Some(None), |name| unquote(name).map(Some));
        Some(Self {
            origin: OriginKind::from_word(member("origin")?)?,
            stage: Stage::from_word(member("stage")?)?,
            cause: Cause::from_word(member("cause")?)?,
            hop: name("hop")?,
            origin_hop: name("origin_hop")?,
        })
    }

    /// Reads the field of a response, in however many lines (RFC 9651 §4.2).
    #[must_use]
    pub fn read(headers: &HeaderMap) -> Option<Self> {
        let mut lines = headers.get_all(&DEADLINE_EXCEEDED).iter();
        let first = lines.next()?.as_bytes();
        let Some(second) = lines.next() else { return Self::parse(first) };
        let lines = [first, second.as_bytes()].into_iter().chain(lines.map(HeaderValue::as_bytes));
        // More of them than a field may be long are not put together.
        let lines: Vec<_> = lines.take(MAX_FIELD).collect();
        Self::parse(&lines.join(&b","[..]))
    }

    /// Writes it to a response, in the place of what stands there.
    pub fn write(&self, headers: &mut HeaderMap) {
        // A trail is printable ASCII.
        if let Ok(field) = HeaderValue::from_str(&self.to_string()) {
            headers.insert(DEADLINE_EXCEEDED.clone(), field);
        }
    }

    /// What set the deadline that was enforced. A header's is one that the hop's caller wrote.
    #[must_use]
    pub fn origin(&self) -> OriginKind {
        self.origin
    }

    /// Where the request was.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Why it stopped.
    #[must_use]
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// The hop that stopped it, if it has a name.
    #[must_use]
    pub fn hop(&self) -> Option<&str> {
        self.hop.as_deref()
    }

    /// The hop whose policy or code had set the deadline, where that is not the one that stopped the request.
    #[must_use]
    pub fn origin_hop(&self) -> Option<&str> {
        self.origin_hop.as_deref()
    }

    /// The hop whose policy or code had set the deadline, if it has a name; `None` where it was a header's.
    #[must_use]
    pub fn set_by(&self) -> Option<&str> {
        let of_hop = self.hop().filter(|_| self.origin != OriginKind::Header);
        self.origin_hop().or(of_hop)
    }
}

impl fmt::Display for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, stage, cause, hop, origin_hop } = self;
        write!(f, "origin={origin}, stage={stage}, cause={cause}")?;
        for (key, name) in [("hop", hop), ("origin_hop", origin_hop)] {
            let Some(name) = name else { continue };
            write!(f, ", {key}=\"")?;
            for char in name.chars() {
                if matches!(char, '"' | '\\') {
                    f.write_str("\\")?;
                }
                write!(f, "{char}")?;
            }
            f.write_str("\"")?;
        }
        Ok(())
    }
}

/// As it can stand in a string.
fn printable(name: &str) -> String {
    let printable = |char: char| if (' '..='~').contains(&char) { char } else { '?' };
    name.chars().take(MAX_NAME).map(printable).collect()
}

/// The members of a dictionary that have a value, of those that are text.
fn members(field: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    let members = split(field, b',').filter_map(|member| std::str::from_utf8(member).ok());
    members.filter_map(|member| member.trim_ascii().split_once('='))
}

/// What a string of RFC 9651 §4.2.5 says.
fn unquote(value: &str) -> Option<String> {
    let quoted = value.strip_prefix('"')?.strip_suffix('"')?;
    let mut text = String::with_capacity(quoted.len());
    let mut chars = quoted.chars();
    while let Some(char) = chars.next() {
        text.push(match char {
            '\\' => chars.next().filter(|escaped| matches!(escaped, '"' | '\\'))?,
            ' '..='~' if char != '"' => char,
            _ => return None,
        });
    }
    (text.len() <= MAX_NAME).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(origin: OriginKind, hop: Option<&str>) -> Trail {
        Trail::new(origin, Stage::Upstream, Cause::Deadline, hop)
    }

    #[test]
    fn reads_back_every_name_it_writes() {
        let long = "\"".repeat(MAX_NAME);
        let hops = ["orders", "", "a, b=\"c\"", r"back\slash\", "shop eu-1", &long];
        for hop in hops.into_iter().map(Some).chain([None]) {
            for trail in [told(OriginKind::Policy, hop), told(OriginKind::Header, hop).completed(OriginKind::Code, hop)]
            {
                assert_eq!(Trail::parse(trail.to_string().as_bytes()), Some(trail), "{hop:?}");
            }
        }
        let odd = Trail::new(OriginKind::Code, Stage::Pool, Cause::Shutdown, Some("caf\u{e9}\n"));
        assert_eq!(odd.hop(), Some("caf??"));
        assert_eq!(told(OriginKind::Code, Some(&"x".repeat(999))).hop().map(str::len), Some(MAX_NAME));
    }

    #[test]
    fn whoever_set_what_a_hop_knows_as_a_header_says_so_on_the_way_back() {
        let stopped = told(OriginKind::Header, Some("payments"));
        let passed = stopped.clone().completed(OriginKind::Header, Some("orders"));
        assert_eq!((&passed, passed.set_by()), (&stopped, None), "it was a header's there too");
        let set = passed.completed(OriginKind::Policy, Some("proxy"));
        let field = r#"origin=policy, stage=upstream, cause=deadline, hop="payments", origin_hop="proxy""#;
        assert_eq!((set.to_string().as_str(), set.set_by()), (field, Some("proxy")));
        assert_eq!(set.clone().completed(OriginKind::Code, Some("edge")), set, "it is known by now");
        let own = told(OriginKind::Policy, Some("payments"));
        assert_eq!(
            (own.clone().completed(OriginKind::Code, Some("orders")), own.set_by()),
            (own.clone(), Some("payments"))
        );
        let unnamed = stopped.completed(OriginKind::Code, None);
        assert_eq!((unnamed.hop(), unnamed.origin_hop()), (Some("payments"), Some("unnamed")));
    }

    #[test]
    fn passes_over_members_it_does_not_know() {
        let field = br#"hop="x", origin=code;p=1, cause=deadline, stage=pool"#;
        assert_eq!(Trail::parse(field), None, "parameters are not ours");
        let field = br#"new=1, stage=queue, hop="x", origin=code, cause=deadline,stage=pool, flag"#;
        assert_eq!(Trail::parse(field).map(|trail| trail.stage()), Some(Stage::Pool));
    }

    #[test]
    fn what_is_no_such_field_is_none() {
        for bad in [
            "",
            "stage=handler",
            "origin=header, stage=later, cause=deadline",
            "origin=code, stage=pool, cause=deadline, hop=x",
            "origin=code, stage=pool, cause=deadline, hop=\"x",
            "origin=code, stage=pool, cause=deadline, hop=\"",
            "origin=code, stage=pool, cause=deadline, hop=\"a\"b\"",
            "origin=code, stage=pool, cause=deadline, hop=\"a\\b\"",
            "origin=code, stage=pool, cause=deadline, hop=\"caf\u{e9}\"",
            "origin=code, stage=pool, cause=deadline, hop=\"x\", origin_hop=y",
        ] {
            assert_eq!(Trail::parse(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(Trail::parse(b"\xff"), None);
        let named = |length| format!("origin=code, stage=pool, cause=deadline, hop=\"{}\"", "x".repeat(length));
        assert!(Trail::parse(named(MAX_NAME).as_bytes()).is_some());
        assert_eq!(Trail::parse(named(MAX_NAME + 1).as_bytes()), None);
        let long = format!("{}, a=\"{}\"", named(1), "x".repeat(MAX_FIELD));
        assert_eq!(Trail::parse(long.as_bytes()), None);
    }

    #[test]
    fn several_lines_are_one_field() {
        let mut headers = HeaderMap::new();
        assert_eq!(Trail::read(&headers), None);
        for line in ["origin=header, stage=pool", "cause=deadline, hop=\"a\"", "stage=queue"] {
            headers.append(DEADLINE_EXCEEDED.clone(), HeaderValue::from_static(line));
        }
        let trail = Trail::new(OriginKind::Header, Stage::Queue, Cause::Deadline, Some("a"));
        assert_eq!(Trail::read(&headers).as_ref(), Some(&trail));
        trail.write(&mut headers);
        assert_eq!((headers.len(), Trail::read(&headers)), (1, Some(trail)));
    }
}
