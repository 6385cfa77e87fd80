//! What is told of traces.

use std::fmt;
use std::str::FromStr;

use http::Uri;
use http::uri::Scheme;

/// The service that spans are of, unless it is told otherwise.
pub const SERVICE: &str = "deadline-proxy";

/// Where spans go, and which.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The collector.
    pub endpoint: Endpoint,
    /// How it is spoken to.
    pub protocol: Protocol,
    /// The share of the traces that begin here that is kept, from 0 to 1.
    pub sample: f64,
    /// The name of the service, in each span.
    pub service: String,
}

/// How a collector is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// OTLP over gRPC, as a rule on port 4317.
    #[default]
    Grpc,
    /// OTLP over HTTP, in protobuf, as a rule on port 4318.
    Http,
}

/// Where a collector is: `http://HOST[:PORT]`, and a path for [`Protocol::Http`].
///
/// Without TLS: a collector stands beside the proxy, or an agent that takes the spans on from there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(Uri);

impl Settings {
    /// All that there is, over gRPC.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, protocol: Protocol::default(), sample: 1.0, service: SERVICE.to_owned() }
    }
}

impl Protocol {
    /// Its word in a configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http",
        }
    }
}

impl Endpoint {
    /// Where spans are posted to. Over HTTP that is the path `/v1/traces`, unless the endpoint names another.
    #[must_use]
    pub fn target(&self, protocol: Protocol) -> String {
        let has_path = self.0.path() != "/";
        let path = if protocol == Protocol::Http && !has_path { "v1/traces" } else { "" };
        format!("{}{path}", self.0)
    }

    /// Whether it has a path of its own, which means nothing to gRPC.
    #[must_use]
    pub fn has_path(&self) -> bool {
        self.0.path() != "/"
    }
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let uri: Option<Uri> = text.parse().ok();
        let is_told = |uri: &Uri| {
            // What stands behind the host has to be a port.
            let named = uri.authority().is_some_and(|authority| {
                let (host, whole) = (authority.host(), authority.as_str());
                !host.is_empty() && (whole == host || authority.port_u16().is_some() && !whole.contains('@'))
            });
            uri.scheme() == Some(&Scheme::HTTP) && named && uri.query().is_none()
        };
        match uri {
            Some(uri) if is_told(&uri) => Ok(Self(uri)),
            Some(uri) if uri.scheme() == Some(&Scheme::HTTPS) => {
                Err("https is not spoken to a collector: name one on this machine, which takes the spans on".to_owned())
            }
            _ => Err("http://HOST[:PORT] is expected, such as http://127.0.0.1:4317".to_owned()),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_string().trim_end_matches('/'))
    }
}

/// What cannot be changed while the process lives: all but the share.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {} as {:?}", self.protocol.as_str(), self.endpoint, self.service)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_named_by_a_url_in_the_clear() {
        let endpoint: Endpoint = "http://127.0.0.1:4317".parse().unwrap();
        assert_eq!(endpoint.to_string(), "http://127.0.0.1:4317");
        assert_eq!(endpoint.target(Protocol::Grpc), "http://127.0.0.1:4317/");
        assert_eq!(endpoint.target(Protocol::Http), "http://127.0.0.1:4317/v1/traces");
        let own: Endpoint = "http://collector:4318/otlp/traces".parse().unwrap();
        assert_eq!(own.target(Protocol::Http), "http://collector:4318/otlp/traces");
        assert!(own.has_path() && !endpoint.has_path());
        for (wrong, named) in [
            ("https://collector:4317", "https is not spoken"),
            ("127.0.0.1:4317", "http://HOST"),
            ("http://", "http://HOST"),
            ("http://collector:99999", "http://HOST"),
            ("http://collector:", "http://HOST"),
            ("http://:4317", "http://HOST"),
            ("http://me:secret@collector", "http://HOST"),
            ("http://collector/?key=secret", "http://HOST"),
            ("", "http://HOST"),
        ] {
            let error = wrong.parse::<Endpoint>().unwrap_err();
            assert!(error.contains(named), "{wrong}: {error}");
        }
    }
}
