//! Where requests come in.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::de::Key;
use crate::config::value::{File, OneOrMany, Text};
use crate::listen::Address;
use crate::peers::Peers;

/// Where requests come in.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["address"]))]
pub(crate) struct Listener {
    /// The address: `IP:PORT`, `unix:/PATH`, or `fd:NAME` for a socket that systemd opened.
    #[schemars(extend("examples" = ["0.0.0.0:8443", "unix:/run/proxy.sock", "fd:http"]))]
    pub(crate) address: Key<Text<Address>>,

    /// TLS 1.2 and 1.3, with HTTP/2 or HTTP/1.1 as the client chooses. Without this table, HTTP in the clear: TLS and
    /// plain HTTP do not share a listener.
    pub(crate) tls: Key<ListenerTls>,

    /// Clients that begin each connection with a PROXY header, version 1 or 2: networks, addresses, or `unix`. One of
    /// them without that header is refused, and nobody else's is read.
    #[schemars(extend("examples" = [["10.0.0.0/8", "unix"]]))]
    pub(crate) proxy_protocol_from: Key<OneOrMany<Peers>>,

    /// On which side of the proxy those stand who come in here, and what their deadline fields are worth. Those whom
    /// `forwarding.trust` names are inside, wherever they come in.
    #[schemars(extend("default" = "internal"))]
    pub(crate) side: Key<SideOf>,

    /// What a deadline field of a stranger does. Only with `side = "edge"`.
    #[schemars(extend("default" = "cap"))]
    pub(crate) strangers: Key<StrangersOf>,
}

/// The files of a TLS listener, PEM. They are read again when they change. A relative path begins in the working
/// directory.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["cert", "key"]))]
pub(crate) struct ListenerTls {
    /// The certificate chain.
    #[schemars(extend("examples" = ["/etc/deadline-proxy/chain.pem"]))]
    pub(crate) cert: Key<Text<File>>,

    /// The private key.
    #[schemars(extend("examples" = ["/etc/deadline-proxy/key.pem"]))]
    pub(crate) key: Key<Text<File>>,

    /// Authorities, one of which must have signed a certificate that the client shows. By default clients show none.
    #[schemars(extend("examples" = ["/etc/deadline-proxy/clients.pem"]))]
    pub(crate) client_ca: Key<Text<File>>,
}

/// On which side of the proxy a client stands.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SideOf {
    /// Inside: it may ask for any deadline that the policy grants.
    Internal,
    /// Outside, where anybody asks for anything.
    Edge,
}

/// What a deadline field of a stranger does.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StrangersOf {
    /// It can shorten what the policy gives by default, and not lengthen it.
    Cap,
    /// Nothing: it is removed before it is read.
    Drop,
}
