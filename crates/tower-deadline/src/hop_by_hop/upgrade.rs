//! What a request may switch to.
//!
//! Covers which protocols can be allowed at all, which of them a request asks for, and the two fields that say so. Does
//! not open tunnels: whoever serves joins the two connections once the upstream has switched.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, HeaderValue, Request, Version};

use super::fields::elements;

/// What happens to a request that asks for another protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpgradePolicy {
    /// The wish is removed, and the request is served as it is.
    #[default]
    Strip,
    /// The request is refused with 501.
    Reject,
    /// A wish for one of these is passed on, written anew; from any other request it is removed. The upstream may switch
    /// to what it was asked for and to nothing else (R32).
    Allow(Arc<[Protocol]>),
}

impl UpgradePolicy {
    /// Allows these protocols, such as `websocket`. None at all is the same as [`UpgradePolicy::Strip`].
    ///
    /// # Errors
    ///
    /// The first that is no protocol, or none that can be allowed; see [`Protocol`].
    pub fn allow<P: AsRef<str>>(protocols: impl IntoIterator<Item = P>) -> Result<Self, ProtocolError> {
        let protocols = protocols.into_iter().map(|protocol| protocol.as_ref().parse());
        protocols.collect::<Result<_, _>>().map(Self::Allow)
    }

    /// The protocol by this name, in whatever case, if it is allowed.
    #[must_use]
    pub fn allowed(&self, protocol: &str) -> Option<&Protocol> {
        let Self::Allow(protocols) = self else { return None };
        protocols.iter().find(|allowed| allowed.is(protocol.as_bytes()))
    }

    /// The protocol that a request switches to if its upstream agrees: of those that it asks for, the first that is
    /// allowed. Only a request of HTTP/1.1 can ask, and only one whose `Connection` names the wish (RFC 9110 §7.8).
    #[must_use]
    pub fn protocol<B>(&self, request: &Request<B>) -> Option<&Protocol> {
        let Self::Allow(protocols) = self else { return None };
        if request.version() != Version::HTTP_11 || !is_nominated(request.headers()) {
            return None;
        }
        let mut asked = elements(request.headers(), &UPGRADE);
        asked.find_map(|asked| protocols.iter().find(|allowed| allowed.is(asked)))
    }
}

/// A protocol that can be allowed: `NAME` or `NAME/VERSION`. Names are compared without regard to case.
///
/// Other versions of HTTP (`h2c` above all) and TLS are none: they concern one connection, and whoever relays them lets
/// requests past every layer (R32).
///
/// ```
/// use tower_deadline::hop_by_hop::Protocol;
///
/// assert!("websocket".parse::<Protocol>().is_ok());
/// assert!("h2c".parse::<Protocol>().is_err());
/// ```
#[derive(Clone, Debug)]
pub struct Protocol(Arc<str>);

impl Protocol {
    /// The name, as it was allowed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn is(&self, name: &[u8]) -> bool {
        self.0.as_bytes().eq_ignore_ascii_case(name)
    }

    /// Whether the other side has switched to it: it says so, and speaks of nothing else.
    pub(super) fn is_agreed(&self, headers: &HeaderMap) -> bool {
        let mut agreed = elements(headers, &UPGRADE);
        agreed.next().is_some_and(|agreed| self.is(agreed)) && agreed.next().is_none() && is_nominated(headers)
    }

    /// Writes the two fields that ask for it, or agree.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        // A name is made of tokens, so it is always a value.
        if let Ok(value) = HeaderValue::from_str(&self.0) {
            headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(UPGRADE, value);
        }
    }
}

impl PartialEq for Protocol {
    fn eq(&self, other: &Self) -> bool {
        self.is(other.0.as_bytes())
    }
}

impl Eq for Protocol {}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Protocol {
    type Err = ProtocolError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const OF_ONE_CONNECTION: [&str; 5] = ["h2c", "h2", "h3", "http", "tls"];
        let (name, version) = text.split_once('/').map_or((text, None), |(name, version)| (name, Some(version)));
        let found = || text.to_owned();
        if OF_ONE_CONNECTION.iter().any(|other| name.eq_ignore_ascii_case(other)) {
            return Err(ProtocolError::OfOneConnection(found()));
        }
        let is_protocol = is_token(name) && version.is_none_or(is_token);
        if is_protocol { Ok(Self(text.into())) } else { Err(ProtocolError::NoProtocol(found())) }
    }
}

/// Why a protocol cannot be allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// It is written as none is.
    NoProtocol(String),
    /// It is another version of HTTP, or TLS.
    OfOneConnection(String),
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoProtocol(found) => write!(f, "{found:?}: NAME or NAME/VERSION is expected, such as websocket"),
            Self::OfOneConnection(found) => {
                write!(f, "{found:?}: concerns one connection and is never relayed; allow websocket, or nothing")
            }
        }
    }
}

impl std::error::Error for ProtocolError {}

fn is_nominated(headers: &HeaderMap) -> bool {
    elements(headers, &CONNECTION).any(|name| name.eq_ignore_ascii_case(b"upgrade"))
}

/// RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    let is_char = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_char)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(policy: &UpgradePolicy, version: Version, fields: &[(&'static str, &'static str)]) -> Option<String> {
        let mut request = Request::get("/").version(version).body(()).unwrap();
        for (name, value) in fields {
            request.headers_mut().append(*name, HeaderValue::from_static(value));
        }
        policy.protocol(&request).map(Protocol::to_string)
    }

    // R32
    #[test]
    fn what_is_no_protocol_or_never_relayed_cannot_be_allowed() {
        for bad in ["", "web socket", "a/", "/13", "a/b/c", "websocket,h2c", "w\u{e9}b"] {
            let refused = UpgradePolicy::allow(["websocket", bad]);
            assert_eq!(refused, Err(ProtocolError::NoProtocol(bad.to_owned())));
        }
        for bad in ["h2c", "H2C", "h2", "h3", "HTTP/2.0", "TLS/1.0", "tls"] {
            let refused = UpgradePolicy::allow([bad]);
            assert_eq!(refused, Err(ProtocolError::OfOneConnection(bad.to_owned())));
        }
    }

    #[test]
    fn an_error_says_what_was_found_and_what_is_expected() {
        let told = |text: &str| text.parse::<Protocol>().map_err(|error| error.to_string()).unwrap_err();
        assert_eq!(told("a b"), r#""a b": NAME or NAME/VERSION is expected, such as websocket"#);
        let h2c = r#""h2c": concerns one connection and is never relayed; allow websocket, or nothing"#;
        assert_eq!(told("h2c"), h2c);
    }

    #[test]
    fn the_first_that_is_allowed_is_chosen_however_it_is_written() {
        let policy = UpgradePolicy::allow(["websocket", "Chat/2"]).unwrap();
        let asks = |connection, upgrade| {
            chosen(&policy, Version::HTTP_11, &[("connection", connection), ("upgrade", upgrade)])
        };
        for (connection, upgrade, expected) in [
            ("Upgrade", "websocket", Some("websocket")),
            ("keep-alive, UPGRADE", "WebSocket", Some("websocket")),
            ("upgrade", "h2c, chat/2 , websocket", Some("Chat/2")),
            ("upgrade", "chat", None),
            ("upgrade", "chat/3, h2c", None),
            ("upgrade", "websocket/13", None),
            ("upgrade", "", None),
            ("close", "websocket", None),
            ("upgrades", "websocket", None),
        ] {
            assert_eq!(asks(connection, upgrade).as_deref(), expected, "{connection}: {upgrade}");
        }
        let lines = [("connection", "close"), ("upgrade", "h2c"), ("connection", "upgrade"), ("upgrade", "websocket")];
        assert_eq!(chosen(&policy, Version::HTTP_11, &lines).as_deref(), Some("websocket"));
    }

    #[test]
    fn only_a_request_of_http_1_1_can_ask_and_only_where_something_is_allowed() {
        let (policy, asks) =
            (UpgradePolicy::allow(["websocket"]).unwrap(), [("connection", "upgrade"), ("upgrade", "websocket")]);
        for version in [Version::HTTP_10, Version::HTTP_2, Version::HTTP_3] {
            assert_eq!(chosen(&policy, version, &asks), None, "{version:?}");
        }
        let none = UpgradePolicy::allow([""; 0]).unwrap();
        for policy in [UpgradePolicy::Strip, UpgradePolicy::Reject, none] {
            assert_eq!(chosen(&policy, Version::HTTP_11, &asks), None, "{policy:?}");
            assert_eq!(policy.allowed("websocket"), None);
        }
        assert_eq!(policy.allowed("WEBSOCKET").map(Protocol::as_str), Some("websocket"));
    }
}
