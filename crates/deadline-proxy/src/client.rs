//! Who is at the other end of a connection that was accepted.

use std::net::SocketAddr;

use http::Extensions;

use crate::limits::Hangup;

/// What is known of a client by its connection alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Client {
    /// Who is directly connected; `None` on a Unix socket.
    pub peer: Option<SocketAddr>,
    /// Who asks: the peer, or who a trusted peer said in its PROXY header that it is. `None` where that is unknown.
    pub address: Option<SocketAddr>,
    /// Where it went to, as the peer or its PROXY header says.
    pub local: Option<SocketAddr>,
    /// Whether the peer has said, in its PROXY header, that it speaks for somebody else; who may be unknown.
    pub proxied: bool,
    /// Whether it speaks TLS with us.
    pub tls: bool,
    /// On which side of this proxy it stands.
    pub side: Side,
}

impl Client {
    /// The client of the request with these extensions, as its connection knows it. Whoever serves a request in another way
    /// may put it there by itself.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Option<&Self> {
        let by_connection = extensions.get::<Hangup>().and_then(Hangup::client);
        by_connection.or_else(|| extensions.get())
    }
}

/// On which side of a proxy a client stands: what a deadline field of it is worth.
///
/// A client that [`forward::Settings::trust`](crate::forward::Settings::trust) contains is inside wherever it comes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// Inside: it may ask for any deadline that the policy grants.
    #[default]
    Internal,
    /// Outside, where anybody asks for anything.
    Edge(Strangers),
}

/// What a stranger's deadline fields do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strangers {
    /// They can shorten what the policy gives by default, and not lengthen it.
    #[default]
    Cap,
    /// Nothing: they are removed before they are read.
    Drop,
}
