//! Where a listener stands, as it is written.
//!
//! Covers the grammar alone: nothing is opened, and no name is looked up.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a listener stands. Reads and writes `127.0.0.1:8080`, `[::]:8080`, `unix:/path`, `fd:NAME` and `fd:N`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// An address of this machine; port 0 is one that the system chooses.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
    /// An inherited socket, by its name: the first of that name that no other listener has taken. Digits are an index.
    Named(String),
    /// An inherited socket, by its place among them, from 0.
    Indexed(usize),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Named(name) => write!(f, "fd:{name}"),
            Self::Indexed(index) => write!(f, "fd:{index}"),
        }
    }
}

impl FromStr for Address {
    type Err = String;

    /// Reads an address.
    ///
    /// # Errors
    ///
    /// What was found, and what is expected.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || format!("{text:?}: IP:PORT, unix:/PATH, fd:NAME or fd:INDEX is expected, such as 127.0.0.1:8080");
        match text.split_once(':') {
            Some(("unix" | "fd", "")) => Err(bad()),
            Some(("unix", path)) => Ok(Self::Unix(path.into())),
            Some(("fd", name)) if name.bytes().all(|byte| byte.is_ascii_digit()) => {
                name.parse().map(Self::Indexed).map_err(|_| bad())
            }
            Some(("fd", name)) => Ok(Self::Named(name.to_owned())),
            _ => text.parse().map(Self::Tcp).map_err(|_| bad()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_written_alike() {
        for (text, address) in [
            ("127.0.0.1:8080", Address::Tcp(([127, 0, 0, 1], 8080).into())),
            ("[::]:8080", Address::Tcp("[::]:8080".parse().unwrap())),
            ("unix:/run/proxy.sock", Address::Unix("/run/proxy.sock".into())),
            ("unix:relative:1", Address::Unix("relative:1".into())),
            ("fd:web", Address::Named("web".to_owned())),
            ("fd:12", Address::Indexed(12)),
        ] {
            assert_eq!(text.parse(), Ok(address.clone()), "{text}");
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_told_with_what_is_expected() {
        for bad in
            ["", ":8080", "8080", "localhost:80", "127.0.0.1", "::1:80:x", "unix:", "fd:", "fd:99999999999999999999999"]
        {
            let error = bad.parse::<Address>().unwrap_err();
            assert!(error.starts_with(&format!("{bad:?}: IP:PORT, unix:/PATH, fd:NAME")), "{error}");
        }
    }
}
