//! The path of a request, as routes compare it.
//!
//! Covers its segments, with their percent-encoding undone, and the paths that two parties could read differently: one
//! would route by what another does not ask for. Encoding is undone once: `%252e` is the text `%2e`. Does not join
//! slashes that follow each other: there is an empty segment between them.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::percent_decode_str;

/// Why a path has more than one reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unclear {
    /// A segment is `.` or `..`, which some parties remove: as it is or encoded, behind a slash or what some take for
    /// one (`%2f`, a backslash), with parameters behind it (`..;a`) or without.
    Dots,
    /// A `%` without two hexadecimal digits.
    Encoding,
    /// `%00`, where some texts end.
    Nul,
}

impl fmt::Display for Unclear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dots => "path: no segment . or .. is expected, as it is or encoded",
            Self::Encoding => "path: two hexadecimal digits are expected behind each %",
            Self::Nul => "path: no %00 is expected",
        })
    }
}

impl std::error::Error for Unclear {}

/// Whether a path has one reading only.
pub(super) fn is_clear(path: &str) -> Result<(), Unclear> {
    let bytes = path.as_bytes();
    // Most paths have neither, and are looked at no further.
    let is_plain = |pair: &[u8]| pair[0] != b'%' && pair[0] != b'\\' && pair != b"/.";
    if bytes.windows(2).all(is_plain) && !matches!(bytes.last(), Some(b'%')) {
        return Ok(());
    }
    if bytes.split(|byte| *byte == b'%').skip(1).any(|after| !is_encoded(after)) {
        return Err(Unclear::Encoding);
    }
    let read = Cow::from(percent_decode_str(path));
    if read.contains(&0) {
        return Err(Unclear::Nul);
    }
    let mut segments = read.split(|byte| matches!(byte, b'/' | b'\\'));
    let has_dots = segments.any(|segment| matches!(without_parameters(segment), b"." | b".."));
    if has_dots { Err(Unclear::Dots) } else { Ok(()) }
}

fn is_encoded(after: &[u8]) -> bool {
    after.get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}

/// Containers of servlets remove what stands behind `;` before they look for dots.
fn without_parameters(segment: &[u8]) -> &[u8] {
    segment.split(|byte| *byte == b';').next().unwrap_or_default()
}

/// What is left of a path to be walked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rest<'a>(Option<&'a str>);

impl<'a> Rest<'a> {
    /// The whole path. One that does not begin with `/` (the `*` of OPTIONS, the target of CONNECT) has no segments.
    pub(super) fn of(path: &'a str) -> Self {
        Self(path.strip_prefix('/'))
    }

    /// The next segment with its encoding undone, and what is left behind it. Allocates only for a segment that has an
    /// encoding.
    pub(super) fn next(self) -> Option<(Cow<'a, [u8]>, Self)> {
        let path = self.0?;
        let (segment, rest) = path.split_once('/').map_or((path, None), |(segment, rest)| (segment, Some(rest)));
        Some((percent_decode_str(segment).into(), Self(rest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_two_readings_is_told() {
        for (path, unclear) in [
            ("/.", Unclear::Dots),
            ("/..", Unclear::Dots),
            ("/a/../b", Unclear::Dots),
            ("/a/./b", Unclear::Dots),
            ("/a/%2e%2E/b", Unclear::Dots),
            ("/a/.%2e", Unclear::Dots),
            ("/a/%2e", Unclear::Dots),
            ("/a%2f..%2fb", Unclear::Dots),
            ("/a%2F%2e%2e", Unclear::Dots),
            ("/..%2fa", Unclear::Dots),
            ("/a%5c..", Unclear::Dots),
            ("/..%5Ca", Unclear::Dots),
            ("/a\\..\\b", Unclear::Dots),
            ("/..\\a", Unclear::Dots),
            ("/..;/a", Unclear::Dots),
            ("/a/.%2e%3bv=1/b", Unclear::Dots),
            ("/%", Unclear::Encoding),
            ("/a%2", Unclear::Encoding),
            ("/a%zz/b", Unclear::Encoding),
            ("/a%2/b", Unclear::Encoding),
            ("/%+1", Unclear::Encoding),
            ("/%%41", Unclear::Encoding),
            ("/a%00", Unclear::Nul),
        ] {
            assert_eq!(is_clear(path), Err(unclear), "{path}");
        }
    }

    #[test]
    fn a_path_with_one_reading_passes() {
        for path in [
            "",
            "*",
            "/",
            "//",
            "/a//b",
            "/...",
            "/.well-known/a",
            "/a/.b",
            "/a./b..",
            "/a/..b",
            "/a..b",
            "/a;..",
            "/%252e%252e/",
            "/a%2fb",
            "/caf%C3%A9",
            "/%ff",
            "/a\\b",
            "/a%5cb",
            "/a;b=..",
            "/%2e%2e%2e",
        ] {
            assert_eq!(is_clear(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn a_path_falls_into_segments_and_an_encoded_slash_stays_in_its_own() {
        let all = |path| {
            let next = |rest: &mut Rest<'_>| {
                let (segment, left) = rest.next()?;
                *rest = left;
                Some(String::from_utf8_lossy(&segment).into_owned())
            };
            let mut rest = Rest::of(path);
            std::iter::from_fn(|| next(&mut rest)).collect::<Vec<_>>()
        };
        assert_eq!(all("/a/b%2Fc/d%20e"), ["a", "b/c", "d e"]);
        assert_eq!(all("/a//b/"), ["a", "", "b", ""]);
        assert_eq!(all("/"), [""]);
        assert!(all("*").is_empty() && all("").is_empty());
        assert!(matches!(Rest::of("/a/b").next(), Some((Cow::Borrowed(_), _))));
    }
}
