//! The words for who asks.

use crate::client::{Client, Side, Strangers};

/// Who asks, whether that is believed, and what follows.
pub(super) fn words(client: &Client, believed: bool) -> String {
    let who = match client.address.or(client.peer) {
        _ if client.proxied && client.address.is_none() => "somebody unknown".to_owned(),
        Some(address) => address.ip().to_canonical().to_string(),
        None => "a Unix socket".to_owned(),
    };
    let by = match client.peer.filter(|_| client.proxied) {
        Some(peer) => format!(", by a PROXY header of {}", peer.ip().to_canonical()),
        None if client.proxied => ", by a PROXY header of a Unix socket".to_owned(),
        None => String::new(),
    };
    let side = match client.side {
        _ if believed => "trusted",
        Side::Internal => "not trusted, inside",
        Side::Edge(Strangers::Cap) => "not trusted, at the edge: can ask for less time, not for more",
        Side::Edge(Strangers::Drop) => "not trusted, at the edge: cannot ask for time",
    };
    format!("{who}{by}: {side}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_is_told_with_what_follows() {
        let stranger = Client { address: "192.0.2.1:9".parse().ok(), ..Client::default() };
        let balanced = Client { peer: "10.0.0.1:9".parse().ok(), proxied: true, ..stranger };
        for (client, believed, told) in [
            (stranger, false, "192.0.2.1: not trusted, inside"),
            (stranger, true, "192.0.2.1: trusted"),
            (balanced, true, "192.0.2.1, by a PROXY header of 10.0.0.1: trusted"),
            (
                Client { address: None, ..balanced },
                false,
                "somebody unknown, by a PROXY header of 10.0.0.1: not trusted, inside",
            ),
            (Client::default(), true, "a Unix socket: trusted"),
            (
                Client { side: Side::Edge(Strangers::Cap), ..stranger },
                false,
                "192.0.2.1: not trusted, at the edge: can ask for less time, not for more",
            ),
            (
                Client { side: Side::Edge(Strangers::Drop), proxied: true, ..stranger },
                false,
                "192.0.2.1, by a PROXY header of a Unix socket: not trusted, at the edge: cannot ask for time",
            ),
        ] {
            assert_eq!(words(&client, believed), told);
        }
    }
}
