//! Listeners that come, go, stay, and are told otherwise.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

use super::{file, said, saying};
use crate::support::{Act, Http1Client, MS, Mirror, Proxy, Upstream, curl};

/// A port that was free just now.
pub(super) fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

async fn says(address: SocketAddr) -> String {
    curl(&[&format!("http://{address}/")]).await.text()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_is_new_opens_and_one_that_is_gone_drains() {
    let (upstream, first, second) = (saying("ok").await, free(), free());
    let told = |listeners: &[SocketAddr]| {
        let listeners: Vec<_> = listeners.iter().map(ToString::to_string).collect();
        file(&listeners.iter().map(String::as_str).collect::<Vec<_>>(), &[("/", upstream.address)])
    };
    let proxy = Proxy::configured(&told(&[first])).await;
    proxy.rewrite(&told(&[first, second]));
    assert_eq!(proxy.reload().await.0, 200);
    assert_eq!((says(first).await.as_str(), says(second).await.as_str()), ("ok", "ok"));
    proxy.rewrite(&told(&[second]));
    assert_eq!(proxy.reload().await.0, 200);
    assert_eq!(says(second).await, "ok");
    let mut refused = false;
    for _ in 0..200 {
        let connected = tokio::net::TcpStream::connect(first).await;
        refused = connected.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused);
        if refused {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(refused);
    // And it can be taken again.
    proxy.rewrite(&told(&[first]));
    assert_eq!(proxy.reload().await.0, 200);
    assert_eq!(says(first).await, "ok");
}

/// Who came in by the listener of before is held to what it was, by the routes of before: an answer that is under way ends, and
/// its connection with it.
#[tokio::test(flavor = "multi_thread")]
async fn who_came_in_before_a_listener_changed_keeps_to_what_it_met() {
    let (mut old, new, address) = (Upstream::start().await, saying("new").await, free());
    let listener = format!("{address}");
    let proxy = Proxy::configured(&file(&[&listener], &[("/", old.address)])).await;
    let mut client = Http1Client::connect(address).await;
    client.get("/soon", "").await;
    old.request().await;
    let edge = file(&[&listener], &[("/", new.address)]).replace("[upstream.u0]", "side = \"edge\"\n[upstream.u0]");
    proxy.rewrite(&edge);
    assert_eq!(proxy.reload().await.0, 200);
    assert_eq!(said(&proxy, "/").await, "new");
    let (head, _) = client.answer().await;
    assert_eq!(head.status(), 200);
    assert_eq!(client.rest().await, "");
    old.assert_no_more();
}

/// It is waited for as long as whoever came in by a listener that stays, however long ago its own has closed.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_who_came_in_by_a_listener_that_has_closed() {
    let upstream = Mirror::start(|_, _| Act { after: 4_000 * MS, ..Act::answer(200, "", "late") });
    let (gone, stays) = (free().to_string(), free().to_string());
    let told = |listeners: &[&str], drain: &str| {
        format!("drain_timeout = \"{drain}\"\n") + &file(listeners, &[("/", upstream.address)])
    };
    let proxy = Proxy::configured(&told(&[&stays], "100ms")).await;
    proxy.rewrite(&told(&[&stays, &gone], "100ms"));
    assert_eq!(proxy.reload().await.0, 200);
    let mut late = Http1Client::connect(gone.parse().unwrap()).await;
    late.get("/", "").await;
    // The listener closes under the one limit, and the process stops under the other.
    for drain in ["100ms", "60s"] {
        proxy.rewrite(&told(&[&stays], drain));
        assert_eq!(proxy.reload().await.0, 200);
    }
    // The limit of its own drain and the last words have passed.
    tokio::time::sleep(2_000 * MS).await;
    proxy.program.terminate().await;
    let (head, body) = late.answer().await;
    assert_eq!((head.status(), body.as_str()), (200, "late"));
    assert_eq!(proxy.program.finish().await.code, Some(0));
}
