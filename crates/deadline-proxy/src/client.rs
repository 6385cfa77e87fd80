//! Who is at the other end of a connection that was accepted.

use std::net::SocketAddr;

use http::{Extensions, HeaderValue};

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
        let by_connection = Hangup::of(extensions).and_then(Hangup::client);
        by_connection.or_else(|| extensions.get())
    }

    /// The client of this request, and how it is written in a field: once for its connection, where it is known by that.
    pub(crate) fn written(extensions: &Extensions, write: fn(&Self) -> HeaderValue) -> (Self, HeaderValue) {
        Hangup::of(extensions).and_then(|hangup| hangup.written(write)).unwrap_or_else(|| {
            let client = extensions.get().copied().unwrap_or_default();
            (client, write(&client))
        })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{Limits, Timed};
    use crate::noted::Noted;
    use std::sync::atomic::{AtomicU16, Ordering};

    /// Another one each time.
    fn numbered(_: &Client) -> HeaderValue {
        static NUMBER: AtomicU16 = AtomicU16::new(0);
        NUMBER.fetch_add(1, Ordering::Relaxed).into()
    }

    #[tokio::test]
    async fn a_client_is_written_once_for_all_requests_of_its_connection() {
        let client = Client { tls: true, ..Client::default() };
        let (_stream, timed) = Timed::on(tokio::io::empty(), &Limits::default());
        let request = |timed: &Timed| {
            let mut extensions = Extensions::new();
            Noted::within(&mut extensions).hangup = Some(timed.hangup());
            extensions
        };
        // Nobody knows yet who that is.
        let unknown = [(); 2].map(|()| Client::written(&request(&timed), numbered));
        assert!(unknown[0].1 != unknown[1].1 && unknown[0].0 == Client::default(), "{unknown:?}");
        timed.meets(client);
        let known = [(); 2].map(|()| Client::written(&request(&timed), numbered));
        assert!(known[0] == known[1] && known[0].0 == client && known[0].1 != unknown[1].1, "{known:?}");
        let (_other, other) = Timed::on(tokio::io::empty(), &Limits::default());
        other.meets(client);
        assert_ne!(Client::written(&request(&other), numbered).1, known[0].1);
    }

    #[test]
    fn a_client_that_no_connection_knows_is_that_of_the_request() {
        let mut extensions = Extensions::new();
        let client = Client { tls: true, ..Client::default() };
        extensions.insert(client);
        assert_eq!(Client::written(&extensions, numbered).0, client);
    }
}
