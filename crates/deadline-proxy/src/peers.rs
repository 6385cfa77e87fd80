//! Whom to believe: a set of networks.
//!
//! Covers who may say, by a PROXY header or by forwarding fields, that somebody else asked. Whoever is connected over
//! a Unix socket has no address, and belongs to a set that names `unix`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use ipnet::IpNet;

/// Networks, and the Unix sockets of this machine. The empty set is nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peers {
    networks: Vec<IpNet>,
    unix: bool,
}

impl Peers {
    /// Whether this peer is one of them; `None` is a peer on a Unix socket.
    #[must_use]
    pub fn contain(&self, peer: Option<SocketAddr>) -> bool {
        // An IPv4 peer on a socket for both is the same peer.
        match peer.map(|peer| peer.ip().to_canonical()) {
            Some(address) => self.networks.iter().any(|network| network.contains(&address)),
            None => self.unix,
        }
    }

    /// Whether nobody is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.unix
    }
}

impl fmt::Display for Peers {
    /// Networks and `unix`, with commas between them, as they are read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unix = self.unix.then(|| "unix".to_owned());
        let all: Vec<_> = self.networks.iter().map(ToString::to_string).chain(unix).collect();
        f.write_str(&all.join(","))
    }
}

impl FromIterator<Peers> for Peers {
    /// Whoever is in one of them.
    fn from_iter<I: IntoIterator<Item = Peers>>(several: I) -> Self {
        let mut all = Self::default();
        for Self { networks, unix } in several {
            all.networks.extend(networks);
            all.unix |= unix;
        }
        all
    }
}

impl FromStr for Peers {
    type Err = String;

    /// Reads networks, addresses and `unix`, with commas between them.
    ///
    /// # Errors
    ///
    /// The element that is none of these, and what is expected.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut peers = Self::default();
        for element in text.split(',').map(str::trim) {
            match element {
                "unix" => peers.unix = true,
                _ => peers.networks.push(network(element)?),
            }
        }
        Ok(peers)
    }
}

fn network(element: &str) -> Result<IpNet, String> {
    let address = || element.parse().map(|address: IpAddr| IpNet::from(address));
    let network = element.parse().or_else(|_| address()).map(canonical);
    network.map_err(|_| format!("{element:?}: a network such as 10.0.0.0/8, an address, or `unix` is expected"))
}

/// What IPv6 writes of an IPv4 network is that network: peers are looked up so.
fn canonical(network: IpNet) -> IpNet {
    let mapped = network.addr().to_canonical();
    let prefix = network.prefix_len().checked_sub(96).filter(|_| mapped.is_ipv4() && network.addr().is_ipv6());
    prefix.and_then(|prefix| IpNet::new(mapped, prefix).ok()).unwrap_or(network)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str) -> Option<SocketAddr> {
        Some(address.parse().unwrap())
    }

    #[test]
    fn a_peer_is_in_a_network_an_address_or_on_a_unix_socket() {
        let peers: Peers = "10.0.0.0/8, ::1,unix".parse().unwrap();
        for inside in [peer("10.1.2.3:9"), peer("[::1]:9"), peer("[::ffff:10.1.2.3]:9"), None] {
            assert!(peers.contain(inside), "{inside:?}");
        }
        for outside in [peer("11.0.0.1:9"), peer("[::2]:9"), peer("127.0.0.1:9")] {
            assert!(!peers.contain(outside), "{outside:?}");
        }
    }

    #[test]
    fn a_network_of_ipv4_is_known_in_the_words_of_ipv6() {
        let peers: Peers = "::ffff:10.0.0.0/104, ::ffff:192.0.2.1".parse().unwrap();
        assert_eq!(peers, "10.0.0.0/8, 192.0.2.1".parse().unwrap());
        assert!(peers.contain(peer("10.1.2.3:9")) && !peers.contain(peer("11.0.0.1:9")));
        assert!("::/0".parse::<Peers>().is_ok_and(|all| all.contain(peer("[2001:db8::1]:9"))));
    }

    #[test]
    fn nobody_is_in_the_empty_set() {
        let peers = Peers::default();
        assert!(peers.is_empty() && !peers.contain(None) && !peers.contain(peer("127.0.0.1:9")));
    }

    #[test]
    fn what_is_no_network_is_named() {
        for bad in ["", "10.0.0.0/33", "10.0.0.0/8,,", "localhost"] {
            assert!(bad.parse::<Peers>().is_err_and(|error| error.contains("such as 10.0.0.0/8")), "{bad}");
        }
    }
}
