//! `Deadline-Exceeded`: the field by which a caller tells this answer from a backend's own 504.
//!
//! Covers writing it, and reading what a hop downstream wrote. It is a structured field, a dictionary after
//! RFC 9651: `origin=header, stage=handler, cause=deadline, hop="orders"`. Does not join the words of several
//! hops: the field names the hop that stopped.
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

use http::HeaderName;

use crate::{Cause, Exceeded, OriginKind, Stage};

/// `Deadline-Exceeded`.
pub static DEADLINE_EXCEEDED: HeaderName = HeaderName::from_static("deadline-exceeded");

/// `X-Retry-After`: zero tells a caller that trying again at once may help.
pub static RETRY_AFTER: HeaderName = HeaderName::from_static("x-retry-after");

/// What a `Deadline-Exceeded` field says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trail {
    origin: OriginKind,
    stage: Stage,
    cause: Cause,
    hop: Option<String>,
}

impl Trail {
    /// A field of these members. In `hop`, what is not printable ASCII becomes `?`: RFC 9651 has no other
    /// strings.
    #[must_use]
    pub fn new(origin: OriginKind, stage: Stage, cause: Cause, hop: Option<&str>) -> Self {
        let printable = |char: char| {
            if (' '..='~').contains(&char) { char } else { '?' }
        };
        Self { origin, stage, cause, hop: hop.map(|hop| hop.chars().map(printable).collect()) }
    }

    /// The field for a request that this hop stopped.
    #[must_use]
    pub fn of(exceeded: &Exceeded, hop: Option<&str>) -> Self {
        Self::new(exceeded.origin().kind(), exceeded.stage(), exceeded.cause(), hop)
    }

    /// Reads a field. `None` where a member is missing or is none of the words; members that are not known
    /// are passed over.
    #[must_use]
    pub fn parse(field: &[u8]) -> Option<Self> {
        let field = std::str::from_utf8(field).ok()?;
        // Of two members with one key the last counts (RFC 9651 §3.2).
        let member = |key: &str| members(field).filter(|(name, _)| *name == key).map(|(_, value)| value).last();
        Some(Self {
            origin: OriginKind::from_word(member("origin")?)?,
            stage: Stage::from_word(member("stage")?)?,
            cause: Cause::from_word(member("cause")?)?,
            hop: match member("hop") {
                Some(hop) => Some(unquote(hop)?),
                None => None,
            },
        })
    }

    /// Who set the deadline that the hop enforced. A header's is one that its caller wrote.
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
}

impl fmt::Display for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, stage, cause, hop } = self;
        write!(f, "origin={origin}, stage={stage}, cause={cause}")?;
        let Some(hop) = hop else { return Ok(()) };
        f.write_str(", hop=\"")?;
        for char in hop.chars() {
            if matches!(char, '"' | '\\') {
                f.write_str("\\")?;
            }
            write!(f, "{char}")?;
        }
        f.write_str("\"")
    }
}

/// The members of a dictionary: split at commas outside strings, then at the first `=`.
fn members(field: &str) -> impl Iterator<Item = (&str, &str)> {
    let (mut quoted, mut escaped) = (false, false);
    let split = field.split(move |char| {
        let plain = !std::mem::take(&mut escaped);
        match char {
            '\\' if quoted && plain => escaped = true,
            '"' if plain => quoted = !quoted,
            _ => {}
        }
        char == ',' && !quoted
    });
    split.filter_map(|member| member.trim_ascii().split_once('='))
}

fn unquote(value: &str) -> Option<String> {
    let quoted = value.strip_prefix('"')?.strip_suffix('"')?;
    let mut text = String::with_capacity(quoted.len());
    let mut chars = quoted.chars();
    while let Some(char) = chars.next() {
        text.push(if char == '\\' { chars.next()? } else { char });
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_every_hop_name_it_writes() {
        let hops = ["orders", "", "a, b=\"c\"", r"back\slash\", "shop eu-1"];
        for hop in hops.into_iter().map(Some).chain([None]) {
            let trail = Trail::new(OriginKind::Policy, Stage::Upstream, Cause::Deadline, hop);
            assert_eq!(Trail::parse(trail.to_string().as_bytes()), Some(trail), "{hop:?}");
        }
        let odd = Trail::new(OriginKind::Code, Stage::Pool, Cause::Shutdown, Some("caf\u{e9}\n"));
        assert_eq!(odd.hop(), Some("caf??"));
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
        ] {
            assert_eq!(Trail::parse(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(Trail::parse(b"\xff"), None);
    }
}
