//! What a route matches.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};

use super::MatchError;

/// What a request has to be to take a route. What says nothing matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Matches {
    /// One of these hosts; any where there is none.
    pub hosts: Vec<Host>,
    /// Its path.
    pub path: PathMatch,
    /// One of these methods; any where there is none.
    pub methods: Vec<Method>,
    /// All of these fields.
    pub fields: Vec<(HeaderName, FieldMatch)>,
}

/// A host, or all under one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// This one, in lower case.
    Exact(String),
    /// Each under this one, in lower case, and not it itself: `*.shop.example` is under `shop.example`.
    Under(String),
}

/// The most segments of a path: more than any API has, and few enough to be walked one within the other.
const DEPTH: usize = 64;

/// The path of a request, or where it begins. Segments are compared once their percent-encoding is undone; an encoded
/// slash is a part of its segment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathMatch {
    /// From the root on.
    pub segments: Vec<Segment>,
    /// Whether more segments may follow. `/orders` is a prefix of `/orders` and `/orders/7`, and not of `/orders-old`.
    pub is_prefix: bool,
}

/// A part of a path, between two slashes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Segment {
    /// This one.
    Fixed(String),
    /// Any one that is not empty: `{id}`. The name is for the reader.
    Any(String),
}

/// What a field has to be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FieldMatch {
    /// One of its lines is this.
    Is(HeaderValue),
    /// It is there.
    Present,
    /// It is not.
    Absent,
}

impl Matches {
    /// Whether a request has one of the methods and all of the fields.
    #[must_use]
    pub fn takes<B>(&self, request: &Request<B>) -> bool {
        self.takes_method(request.method())
            && self.fields.iter().all(|(name, field)| field.matches(name, request.headers()))
    }

    pub(super) fn takes_method(&self, method: &Method) -> bool {
        self.methods.is_empty() || self.methods.contains(method)
    }
}

impl Host {
    /// Whether this is it: a host in lower case, without port and without a dot at its end.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == host,
            Self::Under(above) => {
                host.strip_suffix(above.as_str()).is_some_and(|under| under.len() > 1 && under.ends_with('.'))
            }
        }
    }
}

impl FromStr for Host {
    type Err = MatchError;

    /// Reads `HOST` or `*.HOST`: a name or an address, without a port.
    ///
    /// # Errors
    ///
    /// What is none of these.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let literal = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        if let Some(address) = literal.and_then(|text| text.parse::<Ipv6Addr>().ok()) {
            // As clients write it, whatever stands here.
            return Ok(Self::Exact(format!("[{address}]")));
        }
        let name = text.strip_prefix("*.").unwrap_or(text);
        let is_part = |char: char| char.is_ascii_alphanumeric() || "-_".contains(char);
        if !name.split('.').all(|label| !label.is_empty() && label.chars().all(is_part)) {
            return Err(MatchError::new(text, "a host without port, such as shop.example or *.shop.example,"));
        }
        let name = name.to_ascii_lowercase();
        Ok(if text.starts_with("*.") { Self::Under(name) } else { Self::Exact(name) })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => f.write_str(host),
            Self::Under(host) => write!(f, "*.{host}"),
        }
    }
}

impl PathMatch {
    /// Everything that begins with this path.
    ///
    /// # Errors
    ///
    /// What does not begin with `/`, or has a segment that is no segment.
    pub fn prefix(text: &str) -> Result<Self, MatchError> {
        Self::of(text, text.strip_suffix('/').unwrap_or(text), true)
    }

    /// This path, in which `{NAME}` stands for any one segment.
    ///
    /// # Errors
    ///
    /// What does not begin with `/`, or has a segment that is no segment.
    pub fn pattern(text: &str) -> Result<Self, MatchError> {
        Self::of(text, text, false)
    }

    fn of(text: &str, path: &str, is_prefix: bool) -> Result<Self, MatchError> {
        let wrong = || MatchError::new(text, "a path such as /orders or /orders/{id}, not encoded, without a query,");
        if !text.starts_with('/') || text.contains(['?', '#', '%']) {
            return Err(wrong());
        }
        let segments = path.split('/').skip(1).map(|part| segment(part).ok_or_else(wrong));
        let segments: Vec<_> = segments.collect::<Result<_, _>>()?;
        if segments.len() > DEPTH {
            return Err(MatchError::new(text, "a path of 64 segments or fewer"));
        }
        Ok(Self { segments, is_prefix })
    }
}

fn segment(text: &str) -> Option<Segment> {
    let name = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let is_plain = |text: &str| !text.contains(['{', '}', '*']);
    match name {
        Some(name) => (!name.is_empty() && is_plain(name)).then(|| Segment::Any(name.to_owned())),
        None => (is_plain(text) && text != "." && text != "..").then(|| Segment::Fixed(text.to_owned())),
    }
}

impl Default for PathMatch {
    /// Every path.
    fn default() -> Self {
        Self { segments: Vec::new(), is_prefix: true }
    }
}

impl fmt::Display for PathMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            match segment {
                Segment::Fixed(text) => write!(f, "/{text}")?,
                Segment::Any(name) => write!(f, "/{{{name}}}")?,
            }
        }
        match (self.is_prefix, self.segments.is_empty()) {
            (true, _) => f.write_str("/…"),
            (false, true) => f.write_str("/"),
            (false, false) => Ok(()),
        }
    }
}

impl FieldMatch {
    /// Whether the field of this name is so.
    #[must_use]
    pub fn matches(&self, name: &HeaderName, headers: &HeaderMap) -> bool {
        match self {
            Self::Is(value) => headers.get_all(name).iter().any(|line| line == value),
            Self::Present => headers.contains_key(name),
            Self::Absent => !headers.contains_key(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_one_or_all_under_one() {
        let host = |text: &str| text.parse::<Host>();
        assert_eq!(host("Shop.Example"), Ok(Host::Exact("shop.example".to_owned())));
        assert_eq!(host("*.shop.example").unwrap().to_string(), "*.shop.example");
        let under: Host = host("*.shop.example").unwrap();
        for (asked, matches) in [
            ("a.shop.example", true),
            ("a.b.shop.example", true),
            ("shop.example", false),
            ("myshop.example", false),
            (".shop.example", false),
        ] {
            assert_eq!(under.matches(asked), matches, "{asked}");
        }
        for bad in ["", "*", "*.", "a.*", "shop.example:80", "a/b", ".a", "a.", "a..b", "*.[::1]", "[a]"] {
            let told = host(bad).unwrap_err().to_string();
            assert!(told.contains(&format!("{bad:?}: a host without port")), "{told}");
        }
        assert_eq!(host("[0:0:0:0:0:0:0:1]"), host("[::1]"));
        assert_eq!(host("[::1]").unwrap().to_string(), "[::1]");
    }

    #[test]
    fn a_path_is_whole_or_where_one_begins() {
        let shown = |path: Result<PathMatch, MatchError>| path.map(|path| path.to_string());
        assert_eq!(shown(PathMatch::prefix("/")).as_deref(), Ok("/…"));
        assert_eq!(shown(PathMatch::prefix("/orders/")).as_deref(), Ok("/orders/…"));
        assert_eq!(shown(PathMatch::pattern("/orders/{id}")).as_deref(), Ok("/orders/{id}"));
        assert_eq!(shown(PathMatch::pattern("/")).as_deref(), Ok("/"));
        for bad in ["", "orders", "/a?b", "/a%20b", "/{", "/{}", "/a*", "/../a", "/a{id}"] {
            let told = PathMatch::pattern(bad).unwrap_err().to_string();
            assert!(told.contains("a path such as /orders"), "{bad}: {told}");
        }
        assert!(PathMatch::pattern(&"/a".repeat(64)).is_ok());
        let told = PathMatch::prefix(&"/a".repeat(65)).unwrap_err().to_string();
        assert!(told.ends_with("a path of 64 segments or fewer is expected"), "{told}");
    }
}
