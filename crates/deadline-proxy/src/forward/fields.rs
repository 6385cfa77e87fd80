//! `X-Forwarded-*` and `Forwarded`: who asked, over what, whom.

use std::net::SocketAddr;
use std::str;
use std::sync::OnceLock;

use http::header::{FORWARDED, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Request};

use super::Fields;
use super::node::{self, Element};
use crate::client::Client;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// What a stranger may not say, beside everything that begins with [`X_FORWARDED`].
const FORWARDING: [&str; 2] = ["forwarded", "x-real-ip"];
const X_FORWARDED: &str = "x-forwarded-";

/// What this hop knows of a request by itself.
#[derive(Debug)]
pub(super) struct Arrival {
    address: Option<SocketAddr>,
    /// The address alone, as it is written.
    written: HeaderValue,
    local: Option<SocketAddr>,
    proto: &'static str,
    host: Option<HeaderValue>,
    /// Whether what others say is believed, and stays. Of nobody else there is anything left.
    believed: bool,
}

/// Ports as values. Mostly there is one, which is made once.
#[derive(Debug, Default)]
pub(super) struct Ports(OnceLock<(u16, HeaderValue)>);

impl Ports {
    fn value(&self, port: u16) -> HeaderValue {
        match self.0.get_or_init(|| (port, port.into())) {
            (known, value) if *known == port => value.clone(),
            _ => port.into(),
        }
    }
}

impl Arrival {
    /// Of a request whose target is the client's.
    pub(super) fn of<B>(request: &Request<B>, believed: bool) -> Self {
        let (client, written) = Client::written(request.extensions(), |client| node::bare(client.address));
        let proto = if client.tls { "https" } else { "http" };
        Self { address: client.address, written, local: client.local, proto, host: host(request), believed }
    }

    /// Says so in a request.
    pub(super) fn tell(&self, headers: &mut HeaderMap, fields: Fields, ports: &Ports) {
        if fields.has_forwarded() {
            let host = self.host.as_ref().map(HeaderValue::as_bytes);
            append(headers, &FORWARDED, &Element { client: self.address, proto: self.proto, host }.value());
        }
        if fields.has_x_forwarded() {
            self.tell_x_forwarded(headers, ports);
        }
    }

    fn tell_x_forwarded(&self, headers: &mut HeaderMap, ports: &Ports) {
        if !self.believed {
            return self.make_x_forwarded(headers, ports);
        }
        append(headers, &X_FORWARDED_FOR, &self.written);
        if let Some(host) = self.host.as_ref().filter(|_| !headers.contains_key(&X_FORWARDED_HOST)) {
            headers.insert(&X_FORWARDED_HOST, host.clone());
        }
        if !headers.contains_key(&X_FORWARDED_PORT) {
            headers.insert(&X_FORWARDED_PORT, ports.value(self.port(headers)));
        }
        headers.entry(&X_FORWARDED_PROTO).or_insert(HeaderValue::from_static(self.proto));
    }

    /// Where nobody has said anything, nothing is looked up.
    fn make_x_forwarded(&self, headers: &mut HeaderMap, ports: &Ports) {
        headers.insert(X_FORWARDED_FOR, self.written.clone());
        if let Some(host) = &self.host {
            headers.insert(X_FORWARDED_HOST, host.clone());
        }
        let named = || port_of(self.host.as_ref()?.as_bytes());
        let port = self.local.map(|local| local.port()).or_else(named).unwrap_or(port_by(self.proto.as_bytes()));
        headers.insert(X_FORWARDED_PORT, ports.value(port));
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(self.proto));
    }

    /// The port that the client went to. What another hop said of the scheme says nothing of our listener.
    fn port(&self, headers: &HeaderMap) -> u16 {
        let proto = headers.get(&X_FORWARDED_PROTO).map(HeaderValue::as_bytes);
        let local = self.local.map(|local| local.port()).filter(|_| proto.is_none());
        let named = || port_of(headers.get(&X_FORWARDED_HOST)?.as_bytes());
        local.or_else(named).unwrap_or(port_by(proto.unwrap_or(self.proto.as_bytes())))
    }
}

/// The port of a scheme.
fn port_by(proto: &[u8]) -> u16 {
    if proto.eq_ignore_ascii_case(b"https") { 443 } else { 80 }
}

/// RFC 9112 §3.2.2: the authority of a target wins over `Host`.
fn host<B>(request: &Request<B>) -> Option<HeaderValue> {
    let Some(authority) = request.uri().authority() else {
        // It mostly comes first, and is found sooner than it is looked up.
        let found = request.headers().iter().find(|(name, _)| **name == HOST);
        return found.map(|(_, host)| host.clone());
    };
    // RFC 9110 §4.2.4: no user information.
    let host = authority.as_str().rsplit('@').next().unwrap_or_default();
    HeaderValue::from_str(host).ok()
}

fn port_of(host: &[u8]) -> Option<u16> {
    let after = host.iter().rposition(|byte| *byte == b':').and_then(|at| host.get(at + 1..))?;
    let is_number = after.iter().all(u8::is_ascii_digit);
    str::from_utf8(after).ok().filter(|_| is_number)?.parse().ok()
}

/// Removes whatever a stranger said.
pub(crate) fn clear(headers: &mut HeaderMap) {
    let said: Vec<HeaderName> = headers.keys().filter(|name| is_forwarding(name.as_str())).cloned().collect();
    for name in said {
        headers.remove(name);
    }
}

/// Whether a field says who asked. An upstream of the CGI kind cannot tell `_` from `-`.
pub(crate) fn is_forwarding(name: &str) -> bool {
    // Most names begin otherwise.
    if !matches!(name.as_bytes(), [b'x', b'-' | b'_', ..] | [b'f', ..]) {
        return false;
    }
    let plain = |byte| if byte == b'_' { b'-' } else { byte };
    let starts =
        |with: &str| name.len() >= with.len() && name.bytes().map(plain).zip(with.bytes()).all(|(a, b)| a == b);
    starts(X_FORWARDED) || FORWARDING.into_iter().any(|field| name.len() == field.len() && starts(field))
}

/// Adds an element to the one line of a list: some upstreams read only the first line, some only the last.
fn append(headers: &mut HeaderMap, name: &HeaderName, element: &HeaderValue) {
    let lines = headers.get_all(name).iter().map(HeaderValue::as_bytes);
    let said = lines.filter(|line| !line.trim_ascii().is_empty());
    let all: Vec<&[u8]> = said.chain([element.as_bytes()]).collect();
    let joined = HeaderValue::from_bytes(&all.join(&b", "[..]));
    headers.insert(name, joined.unwrap_or_else(|_| element.clone()));
}

#[cfg(test)]
mod tests {
    use super::*;

    type Lines = &'static [(&'static str, &'static str)];

    const CLIENT: &str = "192.0.2.1:4711";

    fn arrival(believed: bool) -> Arrival {
        Arrival {
            address: CLIENT.parse().ok(),
            written: node::bare(CLIENT.parse().ok()),
            local: "198.51.100.1:8443".parse().ok(),
            proto: "http",
            host: Some(HeaderValue::from_static("shop.example")),
            believed,
        }
    }

    fn told(arrival: &Arrival, fields: Fields, said: Lines) -> Vec<String> {
        let lines = said.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let mut headers: HeaderMap = lines.collect();
        if !arrival.believed {
            clear(&mut headers);
        }
        arrival.tell(&mut headers, fields, &Ports::default());
        let mut lines: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort();
        lines
    }

    const MADE: [&str; 4] = [
        "x-forwarded-for: 192.0.2.1",
        "x-forwarded-host: shop.example",
        "x-forwarded-port: 8443",
        "x-forwarded-proto: http",
    ];
    const ELEMENT: &str = r#"for="192.0.2.1:4711";proto=http;host=shop.example"#;

    const SAID: Lines = &[
        ("accept", "a"),
        ("forwarded", "for=203.0.113.9;proto=https"),
        ("forwarded", "for=10.0.0.7"),
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-for", "10.0.0.7, 10.0.0.8"),
        ("x-forwarded-host", "www.example"),
        ("x-forwarded-port", "444"),
        ("x-forwarded-prefix", "/shop"),
        ("x-forwarded-proto", "https"),
        ("x-real-ip", "203.0.113.9"),
    ];

    #[test]
    fn a_port_is_told_whichever_was_first() {
        let ports = Ports::default();
        assert_eq!([443, 8443, 443].map(|port| ports.value(port)), ["443", "8443", "443"]);
    }

    #[test]
    fn what_nobody_said_is_made() {
        for believed in [true, false] {
            assert_eq!(told(&arrival(believed), Fields::XForwarded, &[]), MADE);
            assert_eq!(told(&arrival(believed), Fields::Forwarded, &[]), [format!("forwarded: {ELEMENT}")]);
            assert_eq!(told(&arrival(believed), Fields::Both, &[]).len(), 5);
            assert!(told(&arrival(believed), Fields::Off, &[]).is_empty());
        }
    }

    #[test]
    fn what_a_stranger_said_is_removed_and_made_anew() {
        assert_eq!(told(&arrival(false), Fields::XForwarded, SAID), [&["accept: a"], &MADE[..]].concat());
        assert_eq!(told(&arrival(false), Fields::Off, SAID), ["accept: a"]);
        let forwarded = format!("forwarded: {ELEMENT}");
        assert_eq!(told(&arrival(false), Fields::Forwarded, SAID), ["accept: a", &forwarded]);
        let alike: Lines =
            &[("x_forwarded_for", "a"), ("x-forwarded_proto", "b"), ("x_real_ip", "c"), ("x-forwarded", "d")];
        assert_eq!(told(&arrival(false), Fields::Off, alike), ["x-forwarded: d"]);
    }

    #[test]
    fn what_a_trusted_peer_said_is_kept_and_this_hop_is_added() {
        let said = told(&arrival(true), Fields::Both, SAID);
        assert_eq!(
            said,
            [
                "accept: a",
                &format!("forwarded: for=203.0.113.9;proto=https, for=10.0.0.7, {ELEMENT}"),
                "x-forwarded-for: 203.0.113.9, 10.0.0.7, 10.0.0.8, 192.0.2.1",
                "x-forwarded-host: www.example",
                "x-forwarded-port: 444",
                "x-forwarded-prefix: /shop",
                "x-forwarded-proto: https",
                "x-real-ip: 203.0.113.9",
            ]
        );
        assert_eq!(told(&arrival(true), Fields::Off, SAID).len(), SAID.len());
    }

    #[test]
    fn who_is_not_known_is_unknown() {
        let unknown = Arrival { address: None, written: node::bare(None), local: None, host: None, ..arrival(false) };
        let x_forwarded = ["x-forwarded-for: unknown", "x-forwarded-port: 80", "x-forwarded-proto: http"];
        assert_eq!(told(&unknown, Fields::XForwarded, &[]), x_forwarded);
        assert_eq!(told(&unknown, Fields::Forwarded, &[]), ["forwarded: for=unknown;proto=http"]);
    }

    #[test]
    fn a_port_fits_its_scheme() {
        let port = |arrival: &Arrival, said| {
            let lines = told(arrival, Fields::XForwarded, said);
            lines.iter().find_map(|line| line.strip_prefix("x-forwarded-port: ")).unwrap().to_owned()
        };
        let tls = Arrival { proto: "https", local: None, ..arrival(true) };
        assert_eq!(port(&tls, &[]), "443");
        assert_eq!(port(&tls, &[("x-forwarded-host", "a:81")]), "81");
        assert_eq!(port(&tls, &[("x-forwarded-host", "[::1]")]), "443");
        // The front's scheme beside our listener's port would be the address of nobody.
        assert_eq!(port(&arrival(true), &[("x-forwarded-proto", "https")]), "443");
        assert_eq!(port(&arrival(true), &[("x-forwarded-proto", "https"), ("x-forwarded-host", "a:444")]), "444");
    }

    #[test]
    fn the_host_is_the_targets_or_the_fields() {
        let named = |target: &str, field: Option<&str>| {
            let request = field.into_iter().fold(Request::get(target), |request, host| request.header(HOST, host));
            host(&request.body(()).unwrap()).map(|host| host.to_str().unwrap().to_owned())
        };
        assert_eq!(named("/", Some("a:80")).as_deref(), Some("a:80"));
        assert_eq!(named("http://u:p@b:81/", Some("a")).as_deref(), Some("b:81"));
        assert_eq!(named("/", None), None);
    }
}
