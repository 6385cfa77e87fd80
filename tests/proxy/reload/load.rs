//! Reloads under load: a request sees the old configuration or the new one, and never a mixture.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::{ANYWHERE, file, saying};
use crate::support::{Http1Client, Proxy, Upstream};

const RELOADS: usize = 60;

/// Everything in it says who it is: the hop, the field that is set towards the client's side, the upstream.
fn told(name: &str, upstream: &Upstream) -> String {
    format!("hop = \"{name}\"\n") + &file(&[ANYWHERE], &[("/", upstream.address)])
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_sees_a_mixture_of_two_configurations() {
    let upstreams = [saying("one").await, saying("two").await];
    let texts = [told("one", &upstreams[0]), told("two", &upstreams[1])];
    let proxy = Arc::new(Proxy::configured(&texts[0]).await);
    let (done, counted) = (Arc::new(AtomicBool::new(false)), Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]));
    let clients = (0..4).map(|_| {
        let (proxy, done, counted) = (Arc::clone(&proxy), Arc::clone(&done), Arc::clone(&counted));
        tokio::spawn(async move {
            while !done.load(Ordering::Relaxed) {
                let mut client = Http1Client::connect(proxy.address).await;
                client.get("/", "").await;
                let (head, body) = client.answer().await;
                assert_eq!(
                    (head.status(), head.headers["via"].to_str().unwrap()),
                    (200, format!("1.1 {body}").as_str())
                );
                counted[usize::from(body == "two")].fetch_add(1, Ordering::Relaxed);
            }
        })
    });
    let clients: Vec<_> = clients.collect();
    for round in 1..=RELOADS {
        proxy.rewrite(&texts[round % 2]);
        assert_eq!(proxy.reload().await.0, 200);
    }
    done.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    assert!(counted.iter().all(|counted| counted.load(Ordering::Relaxed) > RELOADS), "{counted:?}");
}
