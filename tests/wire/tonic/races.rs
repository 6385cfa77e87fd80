//! A thousand methods that end at about their deadline: none is answered with CANCELLED.

use std::collections::BTreeMap;

use super::mounts::{call, code, outside, under_the_builder};
use super::*;
use crate::support::{H2Client, soon};

const CLIENTS: u64 = 20;
const CALLS: u64 = 50;

/// How often each code came. The methods end from 4 ms before their deadline of 20 ms to 4 ms after it.
async fn race(address: SocketAddr) -> BTreeMap<String, u64> {
    let clients = (0..CLIENTS).map(|client| {
        tokio::spawn(async move {
            let mut connection = H2Client::connect(address).await;
            let mut codes = Vec::new();
            for step in 0..CALLS {
                let micros = 16_000 + (client * CALLS + step) * 8;
                codes.push(code(&call(&mut connection, "Buy", "20m", &micros.to_string()).await));
            }
            codes
        })
    });
    let mut counts = BTreeMap::new();
    for client in clients.collect::<Vec<_>>() {
        for code in soon("the calls of a client", client).await.unwrap() {
            *counts.entry(code).or_default() += 1;
        }
    }
    counts
}

#[tokio::test]
async fn no_race_with_the_timer_of_tonic_is_answered_with_cancelled() {
    for address in [outside(Shop::default()).await, under_the_builder(Shop::default()).await] {
        let counts = race(address).await;
        assert_eq!(counts.values().sum::<u64>(), CLIENTS * CALLS);
        assert!(counts.keys().all(|code| code == "0" || code == "4"), "{counts:?}");
        assert_eq!(counts.len(), 2, "both ends were reached: {counts:?}");
    }
    let alone = race(plain(Shop::default()).await).await;
    assert!(alone.contains_key("1") && !alone.contains_key("4"), "tonic alone: {alone:?}");
}
