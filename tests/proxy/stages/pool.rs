//! Stage `pool`: every connection to the upstream is in use.

use std::net::SocketAddr;

use bytes::Bytes;
use http::Response;
use tokio::net::TcpListener;
use tokio::time::sleep;

use super::leftovers::until_requests;
use super::{BUDGET, VERSIONS, ask, assert_at_once, assert_stopped, tidy};
use crate::support::{Http1Client, MS, Proxy, Stopwatch, Upstream, assert_due, curl, soon};

const ONE: [&str; 2] = ["--upstream-connections", "1"];

/// Holds the only connection for a second and a half.
async fn hold(proxy: &Proxy, upstream: &mut Upstream) -> Http1Client {
    let mut client = Http1Client::connect(proxy.address).await;
    client.get("/soon", "x-request-timeout: 9s\r\n").await;
    assert_eq!(upstream.request().await.path(), "/soon");
    client
}

#[tokio::test]
async fn who_waits_for_a_connection_is_answered_at_the_deadline() {
    let mut upstream = Upstream::start().await;
    let (proxy, before) = tidy(upstream.address, &ONE).await;
    let mut holder = hold(&proxy, &mut upstream).await;
    for version in VERSIONS {
        assert_stopped(&proxy, version, "/", "pool").await;
    }
    assert_eq!(holder.answer().await.1, "ok\n");
    drop(holder);
    upstream.assert_no_more();
    assert_eq!(upstream.accepted(), 1);
    before.assert_again(&proxy).await;
}

#[tokio::test]
async fn who_waits_in_vain_is_told_of_overload_where_the_policy_says_so() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::configured(&format!(
        "workers = 1\nadmin = \"127.0.0.1:0\"\n[[listener]]\naddress = \"127.0.0.1:0\"\n\
         [upstream.app]\ntargets = \"http://{}\"\nconnections = 1\n[policy.default]\npool_status = 503\n",
        upstream.address
    ))
    .await;
    let holder = hold(&proxy, &mut upstream).await;
    for version in VERSIONS {
        let waited = ask(&proxy, version, "/", "300ms").await;
        assert_eq!((waited.exit, waited.status), (Some(0), 503), "{version}: {}", waited.text());
        assert_due(waited.took, BUDGET);
        assert_eq!(waited.field("retry-after"), "1");
        assert_eq!(waited.field("deadline-exceeded"), r#"origin=header, stage=pool, cause=deadline, hop="proxy""#);
    }
    drop(holder);
    upstream.assert_no_more();
}

#[tokio::test]
async fn one_more_than_may_wait_is_told_so_at_once_and_who_waits_is_served() {
    let mut upstream = Upstream::start().await;
    let (proxy, before) = tidy(upstream.address, &[&ONE[..], &["--upstream-waiting", "1"]].concat()).await;
    for version in VERSIONS {
        let mut holder = hold(&proxy, &mut upstream).await;
        let url = proxy.url("/waits");
        let waiting = tokio::spawn(async move { curl(&[version, "-H", "X-Request-Timeout: 9s", &url]).await });
        until_requests(&proxy, 2).await;
        let refused = ask(&proxy, version, "/", "9s").await;
        assert_eq!((refused.exit, refused.status), (Some(0), 503), "{version}");
        assert_at_once(refused.took);
        assert_eq!(refused.field("retry-after"), "1");
        assert!(!refused.headers.contains_key("deadline-exceeded"));
        assert_eq!(holder.answer().await.1, "ok\n");
        let served = soon("who waits", waiting).await.unwrap();
        assert_eq!((served.status, served.text().as_str()), (200, "ok\n"), "{version}");
        assert_eq!(upstream.request().await.path(), "/waits");
    }
    upstream.assert_no_more();
    before.assert_again(&proxy).await;
}

#[tokio::test]
async fn who_waits_is_served_in_order() {
    let mut upstream = Upstream::start().await;
    let (proxy, before) = tidy(upstream.address, &ONE).await;
    let holder = hold(&proxy, &mut upstream).await;
    let mut waiting = Vec::new();
    for number in 1..=6 {
        let mut client = Http1Client::connect(proxy.address).await;
        client.get(&format!("/{number}"), "x-request-timeout: 9s\r\n").await;
        until_requests(&proxy, 1 + number).await;
        waiting.push(client);
    }
    // One who leaves has no place.
    drop(waiting.remove(2));
    until_requests(&proxy, 6).await;
    for (client, path) in waiting.iter_mut().zip(["/1", "/2", "/4", "/5", "/6"]) {
        assert_eq!(client.answer().await.1, "ok\n");
        assert_eq!(upstream.request().await.path(), path);
    }
    upstream.assert_no_more();
    drop((holder, waiting));
    before.assert_again(&proxy).await;
}

// R2
#[tokio::test]
async fn what_was_spent_on_waiting_is_not_sent() {
    let mut upstream = Upstream::start().await;
    let (proxy, before) = tidy(upstream.address, &ONE).await;
    let holder = hold(&proxy, &mut upstream).await;
    let (mut client, clock) = (Http1Client::connect(proxy.address).await, Stopwatch::start());
    client.get("/", "x-request-timeout: 5s\r\n").await;
    let left = upstream.request().await.timeout();
    let waited = clock.elapsed();
    assert!(waited > 500 * MS, "it did not wait: {waited:?}");
    assert!(left <= 5_000 * MS - 500 * MS, "{left:?} left after {waited:?}");
    // It came a moment after it was sent, and was seen a moment after it went on; a millisecond is cut off.
    assert!(left + 2 * MS >= 5_000 * MS - waited, "{left:?} left after {waited:?}");
    client.answer().await;
    drop((holder, client));
    before.assert_again(&proxy).await;
}

/// An upstream of HTTP/2 that allows one stream at a time, and answers after 700 ms.
async fn narrow() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let server = h2::server::Builder::new().max_concurrent_streams(1).handshake::<_, Bytes>(stream);
                let Ok(mut connection) = server.await else { return };
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    tokio::spawn(async move {
                        if request.uri().path() == "/soon" {
                            sleep(700 * MS).await;
                        }
                        // Who has left needs no answer.
                        let _ = respond.send_response(Response::new(()), true);
                    });
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn who_waits_for_a_stream_is_answered_at_the_deadline() {
    let (proxy, before) = tidy(narrow().await, &[&ONE[..], &["--upstream-http", "2"]].concat()).await;
    for version in VERSIONS {
        // By now it is known how many streams there may be.
        assert_eq!(ask(&proxy, version, "/", "5s").await.status, 200);
        let (mut holder, clock) = (Http1Client::connect(proxy.address).await, Stopwatch::start());
        holder.get("/soon", "x-request-timeout: 9s\r\n").await;
        until_requests(&proxy, 1).await;
        assert_stopped(&proxy, version, "/", "pool").await;
        let waits = ask(&proxy, version, "/", "9s").await;
        assert_eq!((waits.exit, waits.status), (Some(0), 200), "{version}");
        assert_due(clock.elapsed(), 700 * MS);
        assert_eq!(holder.head().await.status(), 200);
    }
    before.assert_again(&proxy).await;
}
