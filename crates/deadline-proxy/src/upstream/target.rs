//! Where requests go, as it is written down.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use http::Uri;

const EXPECTED: &str = "http://HOST[:PORT], https://HOST[:PORT] or unix:/PATH is expected";

/// Where requests go: a host that is spoken to in the clear or by TLS, or a Unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// A host.
    Host {
        /// Whether it speaks TLS.
        tls: bool,
        /// An address, or a name without brackets.
        host: String,
        /// 80 or 443 where none is written.
        port: u16,
    },
    /// A Unix socket on this machine, spoken to in the clear.
    Unix(PathBuf),
}

impl Target {
    /// The address, where none has to be asked for.
    pub(super) fn literal(&self) -> Option<SocketAddr> {
        match self {
            Self::Host { host, port, .. } => Some(SocketAddr::new(host.parse::<IpAddr>().ok()?, *port)),
            Self::Unix(_) => None,
        }
    }

    /// Whether it speaks TLS.
    pub(super) fn is_tls(&self) -> bool {
        matches!(self, Self::Host { tls: true, .. })
    }

    /// What it is called in messages: `10.0.0.7:80`, `orders.internal:443`, `unix:/run/app.sock`.
    pub(super) fn place(&self) -> String {
        match self {
            Self::Host { host, port, .. } if host.contains(':') => format!("[{host}]:{port}"),
            Self::Host { host, port, .. } => format!("{host}:{port}"),
            Self::Unix(_) => self.to_string(),
        }
    }

    /// What a request that names no host is addressed to.
    pub(super) fn authority(&self) -> String {
        let Self::Host { tls, host, port } = self else {
            return "localhost".to_owned();
        };
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        if *port == default_port(*tls) { host } else { format!("{host}:{port}") }
    }
}

const fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

impl FromStr for Target {
    type Err = String;

    /// Reads `http://HOST[:PORT]`, `https://HOST[:PORT]` or `unix:/PATH`.
    ///
    /// # Errors
    ///
    /// The text that is none of these, and what is expected.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("unix:") {
            let is_path = path.starts_with('/') && path.len() > 1 && !path.contains('\0');
            return is_path.then(|| Self::Unix(path.into())).ok_or_else(|| format!("{text:?}: {EXPECTED}"));
        }
        host(text).ok_or_else(|| format!("{text:?}: {EXPECTED}, without user, path and query"))
    }
}

fn host(text: &str) -> Option<Target> {
    let uri: Uri = text.parse().ok()?;
    let tls = match uri.scheme_str()? {
        "http" => false,
        "https" => true,
        _ => return None,
    };
    let authority = uri.authority()?;
    // `http` takes a port that is none, an empty host, and user information.
    let port = match authority.as_str().strip_prefix(authority.host())? {
        "" => default_port(tls),
        port => port.strip_prefix(':')?.parse().ok().filter(|port| *port != 0)?,
    };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let is_whole = uri.path() == "/" && uri.query().is_none() && !host.is_empty();
    is_whole.then_some(Target::Host { tls, host, port })
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host { tls, .. } => write!(f, "{}://{}", if *tls { "https" } else { "http" }, self.authority()),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_comes_back() {
        for text in ["http://a", "https://a.example:8443", "http://[::1]:3000", "http://10.0.0.7", "unix:/run/a.sock"] {
            assert_eq!(text.parse::<Target>().map(|target| target.to_string()).as_deref(), Ok(text));
        }
        assert_eq!("https://A:443".parse::<Target>().map(|target| target.to_string()).as_deref(), Ok("https://a"));
    }

    #[test]
    fn what_is_no_target_is_told_with_what_is_expected() {
        for text in [
            "",
            "a:80",
            "ftp://a",
            "http://",
            "http://:80",
            "http://u@a",
            "http://a/b",
            "http://a?b",
            "http://a:0",
            "http://a:99999",
            "http://a:",
            "unix:",
            "unix:a",
            "unix:/",
        ] {
            let error = text.parse::<Target>().err().unwrap_or_default();
            assert!(error.contains("https://HOST[:PORT]") && error.contains(&format!("{text:?}")), "{text}: {error}");
        }
    }

    #[test]
    fn a_place_is_an_address_or_a_name_with_its_port() {
        for (text, place) in [
            ("http://10.0.0.7", "10.0.0.7:80"),
            ("https://a", "a:443"),
            ("http://[::1]:81", "[::1]:81"),
            ("unix:/a", "unix:/a"),
        ] {
            assert_eq!(text.parse::<Target>().unwrap().place(), place);
        }
    }

    #[test]
    fn only_an_address_needs_no_resolving() {
        let literal = |text: &str| text.parse::<Target>().unwrap().literal().map(|address| address.to_string());
        assert_eq!(literal("http://[::1]").as_deref(), Some("[::1]:80"));
        assert_eq!(literal("https://10.0.0.7").as_deref(), Some("10.0.0.7:443"));
        assert_eq!(literal("http://localhost"), None);
        assert_eq!(literal("unix:/a"), None);
    }
}
