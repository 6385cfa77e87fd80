//! Listeners that come, go, stay, and are told otherwise.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

use super::{file, said, saying};
use crate::support::{Http1Client, Proxy, Upstream, curl};

/// A port that was free just now.
fn free() -> SocketAddr {
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
