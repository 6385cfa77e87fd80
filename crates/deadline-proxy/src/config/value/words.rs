//! Which strings mean what.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use http::{HeaderName, Method};
use rustls::pki_types::ServerName;

use super::Word;
use crate::attempt::Outcome;
use crate::listen::Address;
use crate::peers::Peers;
use crate::route::Host;
use crate::upstream::Target;

/// What stands in a target for the host that the request names.
const HOST: &str = "{host}";

/// Whoever stands in for that host where there is no request yet.
const SOMEBODY: &str = "host.example";

impl Word for Address {
    const EXPECTED: &'static str = "an address such as \"127.0.0.1:8080\", \"unix:/PATH\" or \"fd:NAME\"";
}

impl Word for SocketAddr {
    const EXPECTED: &'static str = "an address such as \"127.0.0.1:9901\"";
}

impl Word for Peers {
    const EXPECTED: &'static str = "a network such as \"10.0.0.0/8\", an address, or \"unix\"";
}

impl Word for Host {
    const EXPECTED: &'static str = "a host such as \"shop.example\" or \"*.shop.example\"";
}

/// A method. Methods differ by case, and none that anybody uses has a small letter in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verb(pub(in crate::config) Method);

impl Word for Verb {
    const EXPECTED: &'static str = "a method in capitals such as \"GET\"";
}

impl FromStr for Verb {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let is_large = !text.bytes().any(|byte| byte.is_ascii_lowercase());
        text.parse().ok().filter(|_| is_large).map(Self).ok_or(())
    }
}

impl Word for HeaderName {
    const EXPECTED: &'static str = "the name of a field such as \"x-original-path\"";
}

impl Word for Outcome {
    const EXPECTED: &'static str =
        "a status such as \"404\", or \"4xx\", \"5xx\", \"connect\", \"broken\", \"timeout\" or \"any\"";
}

/// A name that a certificate can be for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CertifiedName(pub(in crate::config) String);

impl Word for CertifiedName {
    const EXPECTED: &'static str = "a name that a certificate can be for, such as \"orders.internal\"";
}

impl FromStr for CertifiedName {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        ServerName::try_from(text).map(|_| Self(text.to_owned())).map_err(drop)
    }
}

/// The path of a file. One that is relative begins in the working directory, as on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File(PathBuf);

impl File {
    pub(in crate::config) fn path(&self) -> &Path {
        &self.0
    }
}

impl Word for File {
    const EXPECTED: &'static str = "the path of a file";
}

impl FromStr for File {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let is_path = !text.is_empty() && !text.contains('\0');
        is_path.then(|| Self(text.into())).ok_or(())
    }
}

/// A target, in which `{host}` may stand for the host that the request names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TargetText(String);

impl TargetText {
    /// The one for `https://{host}`.
    pub(in crate::config) fn direct() -> Self {
        Self(format!("https://{HOST}"))
    }

    /// The target for somebody, to see what kind it is.
    pub(in crate::config) fn sample(&self) -> Result<Target, String> {
        self.of(SOMEBODY)
    }

    /// Whether it is another for each host.
    pub(in crate::config) fn is_by_host(&self) -> bool {
        self.0.contains(HOST)
    }

    /// The target for this host.
    ///
    /// # Errors
    ///
    /// What is no target, and what was expected.
    pub(in crate::config) fn of(&self, host: &str) -> Result<Target, String> {
        self.0.replace(HOST, host).parse()
    }
}

impl Word for TargetText {
    const EXPECTED: &'static str = "a target such as \"http://10.0.0.7:3000\", \"https://orders.internal\", \"unix:/run/app.sock\" or \"https://{host}\", without user, path and query";
}

impl FromStr for TargetText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let target = Self(text.to_owned());
        let is_host = matches!(target.of(SOMEBODY)?, Target::Host { .. });
        if is_host || !target.is_by_host() { Ok(target) } else { Err(HOST.to_owned()) }
    }
}
