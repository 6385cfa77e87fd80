//! Who is believed.

use crate::client::Client;
use crate::peers::Peers;

/// Whether the one who made the request is believed. Where it is not known who that is, it is not.
pub(super) fn believes(trust: &Peers, client: Option<&Client>) -> bool {
    client.is_some_and(|client| match client.address {
        // Behind the PROXY protocol, this is whom the peer speaks for: the peer has written none of the fields.
        Some(_) => trust.contain(client.address),
        // Behind it too, nobody knows whom: not even whether it was one of this machine.
        None => !client.proxied && client.peer.is_none() && trust.contain(None),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: Option<&str>, address: Option<&str>) -> Client {
        let parse = |address: &str| address.parse().unwrap();
        Client { peer: peer.map(parse), address: address.map(parse), ..Client::default() }
    }

    #[test]
    fn whoever_made_the_request_is_believed_and_not_whoever_carried_it() {
        let trust: Peers = "10.0.0.0/8,unix".parse().unwrap();
        let (inside, outside) = (Some("10.0.0.1:9"), Some("192.0.2.1:9"));
        for (peer, address, believed) in [
            (inside, inside, true),
            (outside, outside, false),
            // A PROXY header: the balancer is one of ours, the client is not, and the other way round.
            (inside, outside, false),
            (None, outside, false),
            (outside, inside, true),
            (None, None, true),
            // A peer that does not say for whom it speaks is no Unix socket.
            (inside, None, false),
        ] {
            let client = client(peer, address);
            assert_eq!(believes(&trust, Some(&client)), believed, "{client:?}");
        }
        let hidden = Client { proxied: true, ..client(None, None) };
        assert!(!believes(&trust, Some(&hidden)), "on a Unix socket, for somebody who is not named");
        assert!(!believes(&trust, None));
        assert!(!believes(&Peers::default(), Some(&client(None, None))));
    }
}
