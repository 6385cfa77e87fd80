//! What a server is to be like.

use std::fmt::Write;

use super::{Error, Server};

/// Nothing outlives a throw-away server, so nothing has to reach a disk. Commits still wait for their log to be written,
/// as they do in production: without `fsync` that costs microseconds.
const DEFAULTS: [(&str, &str); 3] = [("fsync", "off"), ("full_page_writes", "off"), ("max_connections", "100")];

const CERTIFICATE: &str = "server.crt";
const KEY: &str = "server.key";

/// Settings of a [`Server`] before it is made.
#[derive(Clone, Debug)]
#[must_use = "it does nothing until `start`"]
pub struct Builder {
    settings: Vec<(String, String)>,
    files: Vec<(&'static str, String)>,
    variables: Vec<(String, String)>,
}

impl Builder {
    pub(super) fn new() -> Self {
        let builder = Self { settings: Vec::new(), files: Vec::new(), variables: Vec::new() };
        DEFAULTS.iter().fold(builder, |builder, (name, value)| builder.setting(*name, *value))
    }

    /// A line of `postgresql.conf`; of two with one name, the later one holds. Ports, addresses and the folder of the
    /// socket are not settings: [`Server`] chooses them.
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// A variable of its environment: with `LANGUAGE` of `de` and the setting `lc_messages` of `C.UTF-8` a server speaks
    /// German, on machines too that have no German locale.
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Takes TLS too, with this chain of certificates and this key, both in PEM. Connections without TLS are taken as
    /// before.
    pub fn tls(self, certificates: impl Into<String>, key: impl Into<String>) -> Self {
        let files = vec![(CERTIFICATE, certificates.into()), (KEY, key.into())];
        let named = self.setting("ssl", "on").setting("ssl_cert_file", CERTIFICATE).setting("ssl_key_file", KEY);
        Self { files, ..named }
    }

    /// Makes the server, and waits until it takes connections: a second or two. It blocks: asynchronous code asks
    /// `spawn_blocking` to do it.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] where PostgreSQL is not installed; the others say what failed, and where. What was begun is
    /// removed.
    pub fn start(&self) -> Result<Server, Error> {
        Server::make(self)
    }

    /// As `postgresql.conf` has them.
    pub(super) fn settings(&self) -> String {
        self.settings.iter().fold(String::from("\n"), |mut text, (name, value)| {
            let _ = writeln!(text, "{name} = '{}'", value.replace('\\', "\\\\").replace('\'', "''"));
            text
        })
    }

    /// What is in its environment beside what is in ours.
    pub(super) fn variables(&self) -> &[(String, String)] {
        &self.variables
    }

    /// Files beside it, each with its text.
    pub(super) fn files(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.files.iter().map(|(name, text)| (*name, text.as_str()))
    }
}
