//! `Via`: by which hops a message came, and an end to those that come by the same one for ever.

use std::error::Error;
use std::fmt;

use http::header::{Entry, VIA};
use http::{HeaderMap, HeaderValue, Version};

use super::node::is_token;

/// A request that has come by this hop more often runs in a circle. Not once: several proxies with one name may well
/// stand behind one another, and a redirect inside may lead through the front again.
const MAX_VISITS: usize = 10;

/// A name that cannot stand in `Via`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoToken {
    name: String,
}

impl fmt::Display for NoToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        write!(f, "via: {name:?}: a token of letters, digits and !#$%&'*+-.^_`|~ is expected, such as edge-1")
    }
}

impl Error for NoToken {}

/// A request has come by this hop again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Circle;

/// What this hop writes, by the version in which it received a message.
#[derive(Clone, Debug)]
pub(super) struct Via {
    pseudonym: Box<str>,
    http10: HeaderValue,
    http11: HeaderValue,
    http2: HeaderValue,
}

impl Via {
    pub(super) fn new(pseudonym: &str) -> Result<Self, NoToken> {
        let no_token = || NoToken { name: pseudonym.to_owned() };
        if !is_token(pseudonym) {
            return Err(no_token());
        }
        let value = |version| HeaderValue::try_from(format!("{version} {pseudonym}")).map_err(|_| no_token());
        Ok(Self { pseudonym: pseudonym.into(), http10: value("1.0")?, http11: value("1.1")?, http2: value("2")? })
    }

    /// The same, with values of its own.
    pub(super) fn anew(&self) -> Self {
        Self::new(&self.pseudonym).unwrap_or_else(|_| self.clone())
    }

    /// Adds this hop to those that a message came by.
    pub(super) fn append(&self, headers: &mut HeaderMap, version: Version) {
        headers.append(VIA, self.value(version).clone());
    }

    /// Adds this hop to those that a request came by, unless it runs in a circle.
    pub(super) fn enter(&self, headers: &mut HeaderMap, version: Version) -> Result<(), Circle> {
        let value = self.value(version).clone();
        match headers.entry(VIA) {
            Entry::Vacant(vacant) => drop(vacant.insert(value)),
            Entry::Occupied(said) if self.is_loop(said.iter()) => return Err(Circle),
            Entry::Occupied(mut said) => said.append(value),
        }
        Ok(())
    }

    fn value(&self, version: Version) -> &HeaderValue {
        match version {
            Version::HTTP_09 | Version::HTTP_10 => &self.http10,
            Version::HTTP_11 => &self.http11,
            _ => &self.http2,
        }
    }

    fn is_loop<'a>(&self, lines: impl Iterator<Item = &'a HeaderValue>) -> bool {
        let members = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
        members.filter(|member| self.names_us(member)).nth(MAX_VISITS).is_some()
    }

    /// `1.1 edge`, `HTTP/1.1 edge`, `1.1 edge (a comment)`.
    fn names_us(&self, member: &[u8]) -> bool {
        let mut words = member.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        words.nth(1).is_some_and(|by| by.eq_ignore_ascii_case(self.pseudonym.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (VIA, HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn a_pseudonym_is_a_token() {
        assert!(Via::new("edge-1").is_ok());
        for bad in ["", "my edge", "edge:80", "é", "a\r\nb", "a,b"] {
            let error = Via::new(bad).err().unwrap().to_string();
            assert!(error.starts_with(&format!("via: {bad:?}: a token")) && error.ends_with("edge-1"), "{error}");
        }
    }

    #[test]
    fn this_hop_comes_last_with_the_version_that_it_received() {
        let via = Via::new("edge").unwrap();
        for (version, written) in
            [(Version::HTTP_10, "1.0 edge"), (Version::HTTP_11, "1.1 edge"), (Version::HTTP_2, "2 edge")]
        {
            let (mut headers, mut request) = (lines(&["1.0 fred"]), lines(&["1.0 fred"]));
            via.append(&mut headers, version);
            via.enter(&mut request, version).unwrap();
            for headers in [headers, request] {
                assert_eq!(headers.get_all(VIA).iter().collect::<Vec<_>>(), ["1.0 fred", written]);
            }
        }
    }

    #[test]
    fn ten_visits_are_no_loop_and_eleven_are() {
        let via = Via::new("edge").unwrap();
        let visits = |count: usize| vec!["1.1 edge"; count].join(", ");
        let is_loop = |lines: &[&str]| via.enter(&mut self::lines(lines), Version::HTTP_11) == Err(Circle);
        assert!(!is_loop(&[]));
        assert!(!is_loop(&[&visits(10)]));
        assert!(is_loop(&[&visits(11)]));
        assert!(is_loop(&[&visits(5), "HTTP/1.1\tEDGE (a comment)", &visits(5)]));
        let others = ["edge 1.1", "1.1 edge2", "1.1 other (edge)", "edge", ""].join(",");
        assert!(!is_loop(&[&visits(10), &others]));
    }
}
