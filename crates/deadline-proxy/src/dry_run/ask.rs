//! The request that is asked about, and who would make it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use http::header::{CONTENT_LENGTH, HOST};
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method};

use super::Error;
use crate::client::Client;
use crate::listen::{self, Address};

/// The port of a client: the first of those that systems choose from.
const PORT: u16 = 49_152;

/// A request, as somebody asks about it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ask {
    /// Its method.
    pub method: Method,
    /// Its path, with its query.
    pub path: PathAndQuery,
    /// What it is addressed to: `localhost` where neither this nor a field says so.
    pub host: Option<HeaderValue>,
    /// Its other fields, in their order.
    pub fields: Vec<(HeaderName, HeaderValue)>,
    /// Who makes it: this machine, where nobody says.
    pub from: Option<IpAddr>,
    /// By which listener it comes: the first, where nobody says.
    pub listener: Option<Address>,
    /// How many bytes its body has.
    pub body: Option<u64>,
    /// Whether it comes by HTTP/2.
    pub http2: bool,
}

impl Ask {
    /// This method and this path, and nothing else.
    #[must_use]
    pub fn new(method: Method, path: PathAndQuery) -> Self {
        Self { method, path, host: None, fields: Vec::new(), from: None, listener: None, body: None, http2: false }
    }

    pub(super) fn says(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.fields.iter().find_map(|(said, value)| (said == name).then_some(value))
    }

    /// What it is addressed to, where none of its fields says so.
    pub(super) fn default_host(&self) -> Option<HeaderValue> {
        match &self.host {
            None if self.says(&HOST).is_some() => None,
            None => Some(HeaderValue::from_static("localhost")),
            host => host.clone(),
        }
    }

    /// How many bytes its body has, by the one who asks or by the field.
    pub(super) fn length(&self) -> Result<u64, Error> {
        let said = self.says(&CONTENT_LENGTH).and_then(|said| said.to_str().ok()?.parse().ok());
        match (self.body, said) {
            (Some(asked), Some(said)) if asked != said => Err(Error::Lengths { said, asked }),
            (asked, said) => Ok(asked.or(said).unwrap_or(0)),
        }
    }

    /// Who makes it, as the listener would see that.
    pub(super) fn client(&self, listeners: &[listen::Settings]) -> Result<Client, Error> {
        let chosen = match &self.listener {
            None => listeners.first(),
            Some(asked) => {
                let found = listeners.iter().find(|listener| listener.address == *asked);
                let there = || listeners.iter().map(|listener| listener.address.clone()).collect();
                Some(found.ok_or_else(|| Error::NoListener { asked: asked.clone(), there: there() })?)
            }
        };
        let local = match chosen.map(|listener| &listener.address) {
            Some(Address::Tcp(address)) => Some(*address),
            _ => None,
        };
        let is_unix = matches!(chosen.map(|listener| &listener.address), Some(Address::Unix(_)));
        let from = self.from.or((!is_unix).then_some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        let address = from.map(|from| SocketAddr::new(from, PORT));
        Ok(Client {
            peer: address.filter(|_| !is_unix),
            address,
            local,
            // A Unix socket says of nobody where he is; a PROXY header does.
            proxied: is_unix && address.is_some(),
            tls: chosen.is_some_and(|listener| listener.tls.is_some()),
            side: chosen.map(|listener| listener.side).unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Side, Strangers};
    use crate::listen::ServerTls;

    fn ask() -> Ask {
        Ask::new(Method::GET, PathAndQuery::from_static("/"))
    }

    fn listeners() -> Vec<listen::Settings> {
        let files = ServerTls { certificate: "a".into(), key: "b".into(), client_ca: None };
        let settings = |address: &str| listen::Settings::new(address.parse().unwrap());
        let edge = Side::Edge(Strangers::Drop);
        vec![
            settings("127.0.0.1:8080"),
            listen::Settings { tls: Some(files), side: edge, ..settings("0.0.0.0:8443") },
            settings("unix:/run/a.sock"),
        ]
    }

    fn client(listener: Option<&str>, from: Option<&str>) -> Client {
        let listener = listener.map(|listener| listener.parse().unwrap());
        let from = from.map(|from| from.parse().unwrap());
        Ask { listener, from, ..ask() }.client(&listeners()).unwrap()
    }

    #[test]
    fn the_client_is_who_the_listener_would_see() {
        let plain = client(None, None);
        assert_eq!(plain.peer.map(|peer| peer.ip().to_string()).as_deref(), Some("127.0.0.1"));
        assert_eq!((plain.address, plain.local, plain.tls), (plain.peer, "127.0.0.1:8080".parse().ok(), false));
        let edge = client(Some("0.0.0.0:8443"), Some("192.0.2.1"));
        assert_eq!(edge.address, "192.0.2.1:49152".parse().ok());
        assert_eq!((edge.tls, edge.side), (true, Side::Edge(Strangers::Drop)));
        let inside = client(Some("unix:/run/a.sock"), None);
        assert_eq!((inside.peer, inside.address, inside.proxied), (None, None, false));
        let carried = client(Some("unix:/run/a.sock"), Some("192.0.2.1"));
        assert_eq!((carried.peer, carried.address.is_some(), carried.proxied), (None, true, true));
    }

    #[test]
    fn a_listener_that_is_not_there_is_told_with_those_that_are() {
        let ask = Ask { listener: "127.0.0.1:1".parse().ok(), ..ask() };
        let told = ask.client(&listeners()).unwrap_err().to_string();
        let expected = "--listener: nothing listens on 127.0.0.1:1; one of these is expected: 127.0.0.1:8080, \
                        0.0.0.0:8443, unix:/run/a.sock";
        assert_eq!(told, expected);
    }

    #[test]
    fn a_body_has_one_length() {
        let length = |body, said: Option<&'static str>| {
            let fields = said.map(|said| (CONTENT_LENGTH, HeaderValue::from_static(said))).into_iter().collect();
            Ask { body, fields, ..ask() }.length().map_err(|error| error.to_string())
        };
        assert_eq!(length(None, None), Ok(0));
        assert_eq!(length(Some(5), None), Ok(5));
        assert_eq!(length(None, Some("7")), Ok(7));
        assert_eq!(length(Some(7), Some("7")), Ok(7));
        let told = length(Some(5), Some("7")).unwrap_err();
        assert_eq!(told, "--body-bytes: 5 beside a content-length of 7; one of them is expected");
    }
}
