//! Which strings mean what.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use http::{HeaderName, Method};

use super::Word;
use crate::attempt::Outcome;
use crate::listen::Address;
use crate::peers::Peers;
use crate::route::Host;
use crate::upstream::Target;

/// What stands in a target for the host that the request names.
const HOST: &str = "{host}";

impl Word for Address {
    const EXPECTED: &'static str = "an address in quotes, such as \"127.0.0.1:8080\", \"unix:/PATH\" or \"fd:NAME\"";

    fn read(text: &str) -> Result<Self, String> {
        text.parse()
    }
}

impl Word for SocketAddr {
    const EXPECTED: &'static str = "an address in quotes, such as \"127.0.0.1:9901\"";

    fn read(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|_| format!("{text:?} is no address; expected IP:PORT, such as 127.0.0.1:9901 or [::]:9901"))
    }
}

impl Word for Peers {
    const EXPECTED: &'static str = "a network in quotes, such as \"10.0.0.0/8\", an address, or \"unix\"";

    fn read(text: &str) -> Result<Self, String> {
        text.parse()
    }
}

impl Word for Host {
    const EXPECTED: &'static str = "a host in quotes, such as \"shop.example\" or \"*.shop.example\"";

    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error| format!("{error}"))
    }
}

impl Word for Method {
    const EXPECTED: &'static str = "a method in quotes, such as \"GET\"";

    fn read(text: &str) -> Result<Self, String> {
        // Methods differ by case, and none that anybody uses has a small letter in it.
        let is_large = !text.bytes().any(|byte| byte.is_ascii_lowercase());
        let method = text.parse().ok().filter(|_| is_large);
        method.ok_or_else(|| format!("{text:?} is no method; expected one in capitals, such as \"GET\""))
    }
}

impl Word for HeaderName {
    const EXPECTED: &'static str = "the name of a field in quotes, such as \"x-original-path\"";

    fn read(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|_| format!("{text:?} is no name of a field; expected one such as \"x-original-path\""))
    }
}

impl Word for Outcome {
    const EXPECTED: &'static str =
        "a status in quotes, such as \"404\", or \"4xx\", \"5xx\", \"connect\", \"broken\", \"timeout\" or \"any\"";

    fn read(text: &str) -> Result<Self, String> {
        text.parse()
    }
}

impl Word for String {
    const EXPECTED: &'static str = "a string";

    fn read(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
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
    const EXPECTED: &'static str = "the path of a file in quotes";

    fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.contains('\0') {
            return Err(format!("{text:?} is no path; expected the path of a file"));
        }
        Ok(Self(text.into()))
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
    const EXPECTED: &'static str = "a target in quotes, such as \"http://10.0.0.7:3000\" or \"unix:/run/app.sock\"";

    fn read(text: &str) -> Result<Self, String> {
        let target = Self(text.to_owned());
        if target.is_by_host() {
            let is_target = target.of("host.example").is_ok_and(|target| matches!(target, Target::Host { .. }));
            let expected = "expected one such as https://{host} or http://{host}:8080";
            return if is_target { Ok(target) } else { Err(format!("{text:?} is no target; {expected}")) };
        }
        target.of("").map(|_| target)
    }
}
