//! Which fields concern one connection only.

use std::fmt;

use http::header::{
    CONNECTION, CONTENT_LENGTH, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};

/// More names than this in `Connection` are not looked at but refused (R31).
const MAX_NOMINATED: usize = 32;

static KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
static PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
static HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// So much of a name is told that may not stand there: it can be as long as a head.
const SHOWN: usize = 64;

/// Always removed, whether `Connection` names them or not.
static ALWAYS: [&HeaderName; 9] = [
    &CONNECTION,
    &KEEP_ALIVE,
    &PROXY_CONNECTION,
    &PROXY_AUTHENTICATE,
    &PROXY_AUTHORIZATION,
    &TE,
    &TRANSFER_ENCODING,
    &UPGRADE,
    &HTTP2_SETTINGS,
];

/// As long as a name is at most that is told apart here.
const LONGEST: usize = "proxy-authorization".len();

/// Why a message does not cross.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// `Connection` may not name this.
    Protected(String),
    TooMany,
    /// Whoever reads the body without the field that is removed would take it for something else.
    Coded,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protected(name) => write!(f, "connection: names {name}, which is not for one connection only"),
            Self::TooMany => write!(f, "connection: names more than {MAX_NOMINATED} fields"),
            Self::Coded => f.write_str("transfer-encoding: nothing but `chunked` is expected"),
        }
    }
}

/// Removes what concerns one connection only. `TE: trailers` stays, also where `Connection` names `TE`. A length beside
/// chunks is not that of the body, and goes too. Returns what `Connection` named beside that, as
/// [`named_by_connection`] does.
///
/// On an error nothing was removed.
pub(super) fn strip(headers: &mut HeaderMap) -> Result<Vec<HeaderName>, Broken> {
    let present = headers.keys().filter_map(place).fold(0_u16, |set, place| set | 1 << place);
    // Most messages over HTTP/2 and most responses: nothing else needs to be looked up.
    if present == 0 {
        return Ok(Vec::new());
    }
    // What is not there is not looked up.
    let has = |name: &HeaderName| place(name).is_some_and(|place| present & 1 << place != 0);
    let nominated = if has(&CONNECTION) { nominated(headers)? } else { Vec::new() };
    if has(&TRANSFER_ENCODING) {
        if is_coded(headers) {
            return Err(Broken::Coded);
        }
        // RFC 9112 §6.3: whoever believed the length would take the beginning of the body for the whole.
        headers.remove(CONTENT_LENGTH);
    }
    let trailers = has(&TE) && elements(headers, &TE).any(|coding| coding.eq_ignore_ascii_case(b"trailers"));
    // What would be written is there already.
    let (is_kept, trailers) = if trailers && is_plain(headers) { (true, false) } else { (false, trailers) };
    for (place, name) in ALWAYS.into_iter().enumerate() {
        if present & 1 << place != 0 && !(is_kept && *name == TE) {
            headers.remove(name);
        }
    }
    for name in &nominated {
        headers.remove(name);
    }
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    Ok(nominated)
}

/// Removes from trailers what may not stand there: what concerns one connection only, and what a message depends on
/// (R30, R31; RFC 9110 §6.5.1). What is left may pass, whatever the version of HTTP on either side.
///
/// ```
/// use http::HeaderMap;
/// use tower_deadline::hop_by_hop::strip_trailers;
///
/// let mut trailers = HeaderMap::new();
/// trailers.insert("x-checksum", "42".parse()?);
/// trailers.insert("content-length", "5".parse()?);
/// strip_trailers(&mut trailers);
/// assert_eq!(trailers.len(), 1);
/// # Ok::<(), http::header::InvalidHeaderValue>(())
/// ```
pub fn strip_trailers(trailers: &mut HeaderMap) {
    let is_misplaced =
        |name: &HeaderName| *name == TRAILER || place(name).is_some() || is_protected(name.as_str().as_bytes());
    let misplaced: Vec<_> = trailers.keys().filter(|name| is_misplaced(name)).cloned().collect();
    for name in misplaced {
        trailers.remove(name);
    }
}

/// The fields that `Connection` names in this head and that have to go from the trailers of the same message, too
/// (R30; RFC 9110 §7.6.1). To be asked before the head is stripped. Those that [`strip_trailers`] removes anyway are not
/// among them.
///
/// ```
/// use http::HeaderMap;
/// use tower_deadline::hop_by_hop::named_by_connection;
///
/// let mut head = HeaderMap::new();
/// head.insert("connection", "keep-alive, x-checksum".parse()?);
/// assert_eq!(named_by_connection(&head), ["x-checksum"]);
/// # Ok::<(), http::header::InvalidHeaderValue>(())
/// ```
#[must_use]
pub fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    // A head with more is refused.
    let tokens = elements(headers, &CONNECTION).take(MAX_NOMINATED);
    names(tokens).collect()
}

/// Whether a field concerns one connection only by its name, whether `Connection` names it or not (R30).
///
/// ```
/// use http::header::{ACCEPT, TE};
/// use tower_deadline::hop_by_hop::is_connection_level;
///
/// assert!(is_connection_level(&TE) && !is_connection_level(&ACCEPT));
/// ```
#[must_use]
pub fn is_connection_level(name: &HeaderName) -> bool {
    place(name).is_some()
}

/// Where a name stands in [`ALWAYS`].
#[inline]
fn place(name: &HeaderName) -> Option<usize> {
    place_of(name.as_str().as_bytes())
}

/// The same of a name in lower case. One match: the length decides which of them it is compared with.
#[inline]
fn place_of(name: &[u8]) -> Option<usize> {
    Some(match name {
        b"connection" => 0,
        b"keep-alive" => 1,
        b"proxy-connection" => 2,
        b"proxy-authenticate" => 3,
        b"proxy-authorization" => 4,
        b"te" => 5,
        b"transfer-encoding" => 6,
        b"upgrade" => 7,
        b"http2-settings" => 8,
        _ => return None,
    })
}

/// Whether `TE` says `trailers` and nothing else, in one line.
fn is_plain(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(TE).iter();
    lines.next().is_some_and(|line| line == "trailers") && lines.next().is_none()
}

/// Whether the body has a coding that nobody has taken off. `identity` is none, and a relic.
fn is_coded(headers: &HeaderMap) -> bool {
    let mut codings = elements(headers, &TRANSFER_ENCODING).filter(|coding| !coding.eq_ignore_ascii_case(b"identity"));
    !codings.next().is_none_or(|coding| coding.eq_ignore_ascii_case(b"chunked")) || codings.next().is_some()
}

/// The names in all lines of `Connection` that have to be removed on its word alone.
fn nominated(headers: &HeaderMap) -> Result<Vec<HeaderName>, Broken> {
    let mut names = Vec::new();
    for (count, token) in elements(headers, &CONNECTION).enumerate() {
        if count == MAX_NOMINATED {
            return Err(Broken::TooMany);
        }
        if is_protected(token) {
            let shown = &token[..token.len().min(SHOWN)];
            return Err(Broken::Protected(String::from_utf8_lossy(shown).to_ascii_lowercase()));
        }
        names.extend(self::names([token].into_iter()));
    }
    Ok(names)
}

/// Those that are not removed anyway. What is no name can name nothing.
fn names<'a>(tokens: impl Iterator<Item = &'a [u8]>) -> impl Iterator<Item = HeaderName> {
    let goes_anyway = |token: &[u8]| lower(token, &mut [0; LONGEST]).and_then(place_of).is_some();
    tokens
        .filter(move |token| !goes_anyway(token))
        .filter_map(|token| HeaderName::from_bytes(token).ok())
}

/// Whether `Connection` may not name this: the message depends on it.
fn is_protected(token: &[u8]) -> bool {
    const X_FORWARDED: &[u8] = b"x-forwarded-";
    let start = token.get(..X_FORWARDED.len()).unwrap_or_default();
    let named = |name: &[u8]| matches!(name, b"host" | b"content-length" | b"authorization" | b"cookie" | b"forwarded");
    token.starts_with(b":")
        || start.eq_ignore_ascii_case(X_FORWARDED)
        || lower(token, &mut [0; LONGEST]).is_some_and(named)
}

/// A token in lower case; `None` where none of the names that are told apart here is so long.
#[inline]
fn lower<'a>(token: &[u8], room: &'a mut [u8; LONGEST]) -> Option<&'a [u8]> {
    if !matches!(token.len(), 2 | 4 | 6 | 7 | 9 | 10 | 13 | 14 | 16..=LONGEST) {
        return None;
    }
    let name = room.get_mut(..token.len())?;
    name.copy_from_slice(token);
    name.make_ascii_lowercase();
    Some(name)
}

/// What stands between the commas, in all lines of this field.
pub(super) fn elements<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let lines = headers.get_all(name).iter();
    let elements = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    elements.map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{AUTHORIZATION, COOKIE, FORWARDED, HOST};

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn stripped(fields: &[(&'static str, &'static str)]) -> Result<Vec<String>, Broken> {
        let mut headers = headers(fields);
        strip(&mut headers)?;
        let mut lines: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort();
        Ok(lines)
    }

    #[test]
    fn each_name_that_always_goes_is_known_by_its_place() {
        for (at, name) in ALWAYS.into_iter().enumerate() {
            assert_eq!(place(name), Some(at), "{name}");
        }
    }

    // R30
    #[test]
    fn every_field_of_one_connection_goes_and_the_others_stay() {
        let fields = [
            ("connection", "close"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authenticate", "Basic"),
            ("proxy-authorization", "Basic eA=="),
            ("te", "gzip"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMAAABk"),
            ("accept", "a"),
            ("accept", "b"),
            ("trailer", "x-sum"),
        ];
        assert_eq!(stripped(&fields).unwrap(), ["accept: a", "accept: b", "trailer: x-sum"]);
    }

    #[test]
    fn every_line_of_connection_counts() {
        let fields = [
            ("connection", "x-a,, X-B"),
            ("connection", ""),
            ("connection", "\tx-c , b@d"),
            ("x-a", "1"),
            ("x-b", "1"),
            ("x-b", "2"),
            ("x-c", "1"),
            ("x-d", "1"),
        ];
        assert_eq!(stripped(&fields).unwrap(), ["x-d: 1"]);
    }

    #[test]
    fn only_trailers_is_kept_of_te_also_when_it_is_named() {
        let fields = [("connection", "close, TE"), ("te", "foo"), ("te", "bar, Trailers")];
        assert_eq!(stripped(&fields).unwrap(), ["te: trailers"]);
        assert!(stripped(&[("te", "trailers;q=0.5")]).unwrap().is_empty());
        for lines in [["trailers", "trailers"], ["trailers", "gzip"]] {
            assert_eq!(stripped(&lines.map(|line| ("te", line))).unwrap(), ["te: trailers"], "{lines:?}");
        }
        assert_eq!(stripped(&[("te", "trailers"), ("connection", "te, close")]).unwrap(), ["te: trailers"]);
    }

    // R33, R35
    #[test]
    fn a_length_beside_chunks_is_none() {
        let fields = [("content-length", "5"), ("transfer-encoding", "Chunked"), ("etag", "7")];
        assert_eq!(stripped(&fields).unwrap(), ["etag: 7"]);
        assert_eq!(stripped(&[("content-length", "5"), ("keep-alive", "a")]).unwrap(), ["content-length: 5"]);
    }

    // R35
    #[test]
    fn a_coding_that_would_be_taken_off_unread_is_told() {
        for coding in ["gzip, chunked", "chunked, chunked", "gzip", "chunked;a=b", "identity, gzip"] {
            assert_eq!(stripped(&[("transfer-encoding", coding)]), Err(Broken::Coded), "{coding}");
        }
        let lines = [("transfer-encoding", "chunked"), ("transfer-encoding", "gzip")];
        assert_eq!(stripped(&lines), Err(Broken::Coded));
        for plain in ["chunked", "identity", "identity, CHUNKED", ",chunked", ""] {
            assert_eq!(stripped(&[("transfer-encoding", plain)]), Ok(vec![]), "{plain}");
        }
    }

    // R31
    #[test]
    fn what_a_message_depends_on_cannot_be_named() {
        let protected = [
            "host",
            "Content-Length",
            "AUTHORIZATION",
            "cookie",
            "forwarded",
            "X-Forwarded-For",
            "x-forwarded-anything",
            ":path",
        ];
        for name in protected {
            let refused = stripped(&[("connection", name)]);
            assert_eq!(refused, Err(Broken::Protected(name.to_ascii_lowercase())));
        }
        for harmless in ["close", "x-forwarded", "x-request-timeout", "hosts"] {
            assert!(stripped(&[("connection", harmless)]).is_ok(), "{harmless}");
        }
    }

    #[test]
    fn trailers_have_none_of_what_a_message_or_a_connection_depends_on() {
        let mut trailers = headers(&[("x-a", "1"), ("x-a", "2"), ("trailer", "x-b"), ("x-forwarded-for", "10.0.0.1")]);
        for name in ALWAYS.into_iter().chain([&HOST, &CONTENT_LENGTH, &AUTHORIZATION, &COOKIE, &FORWARDED]) {
            trailers.append(name, HeaderValue::from_static("1"));
        }
        strip_trailers(&mut trailers);
        assert_eq!(trailers, headers(&[("x-a", "1"), ("x-a", "2")]));
    }

    // R30
    #[test]
    fn what_connection_names_is_known_of_every_line_but_for_what_goes_anyway() {
        let map = headers(&[("connection", "keep-alive, X-A,,"), ("connection", "b@d , x-b"), ("x-c", "1")]);
        assert_eq!(named_by_connection(&map), ["x-a", "x-b"]);
        assert!(named_by_connection(&headers(&[("x-a", "1")])).is_empty());
        let many: Vec<_> = (0..40).map(|at| format!("x-{at}")).collect();
        let mut map = headers(&[]);
        map.append(CONNECTION, HeaderValue::from_str(&many.join(",")).unwrap());
        assert_eq!(named_by_connection(&map).len(), MAX_NOMINATED);
    }

    #[test]
    fn a_name_is_told_up_to_a_bound() {
        let mut map = headers(&[]);
        map.append(CONNECTION, HeaderValue::from_str(&format!("x-forwarded-{}", "a".repeat(60_000))).unwrap());
        let told = strip(&mut map).unwrap_err().to_string();
        assert!(told.starts_with("connection: names x-forwarded-aaa") && told.len() < 200, "{}", told.len());
    }

    #[test]
    fn thirty_two_names_are_enough() {
        let mut map = headers(&[]);
        let line = |count: usize| HeaderValue::from_str(&vec!["x-a"; count].join(",")).unwrap();
        map.append(CONNECTION, line(16));
        map.append(CONNECTION, line(16));
        assert!(strip(&mut map.clone()).is_ok_and(|named| named.len() == MAX_NOMINATED));
        map.append(CONNECTION, line(1));
        assert_eq!(strip(&mut map), Err(Broken::TooMany));
        assert!(map.contains_key(CONNECTION), "nothing was removed");
    }
}
