//! A client that takes nothing.

use super::*;

const STALL: Duration = Duration::from_secs(30);

/// A request for what is large, after `HELLO`: fields of the static table, a path and an authority.
const GET_HTTP2: &[u8] = b"\0\0\x0d\x01\x05\0\0\0\x01\x82\x86\x04\x06/large\x41\x01a";

async fn ask(client: &mut DuplexStream, path: &str, fields: &str) {
    client
        .write_all(format!("GET {path} HTTP/1.1\r\nhost: a\r\n{fields}\r\n").as_bytes())
        .await
        .unwrap();
}

// R13b
#[tokio::test(start_paused = true)]
async fn over_http1_a_client_that_takes_nothing_is_given_up_at_the_limit() {
    let (mut client, serving) = served();
    ask(&mut client, "/large", "").await;
    ends_after(STALL, serving).await;
}

// R13b
#[tokio::test(start_paused = true)]
async fn over_http2_too() {
    let (mut client, serving) = served();
    client.write_all(&[HELLO, GET_HTTP2].concat()).await.unwrap();
    ends_after(STALL, serving).await;
    let mut taken = Vec::new();
    client.read_to_end(&mut taken).await.unwrap();
    assert!(taken.len() > 32 * 1024, "the answer had begun: {}", taken.len());
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_renews_the_limit() {
    let (mut client, serving) = served();
    ask(&mut client, "/large", "").await;
    for _ in 0..5 {
        sleep(STALL - MOMENT).await;
        client.read_exact(&mut [0; 64 * 1024]).await.unwrap();
    }
    ends_after(STALL, serving).await;
}

#[tokio::test(start_paused = true)]
async fn over_http2_too_it_does() {
    let (mut client, serving) = served();
    client.write_all(&[HELLO, GET_HTTP2].concat()).await.unwrap();
    // It answers no ping, and would be given up for that later on.
    for _ in 0..2 {
        sleep(STALL - MOMENT).await;
        client.read_exact(&mut [0; 64 * 1024]).await.unwrap();
    }
    ends_after(STALL, serving).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_taken_all_may_be_idle_for_longer() {
    let (mut client, serving) = served();
    ask(&mut client, "/large", "").await;
    sleep(STALL / 2).await;
    let mut taken = 0;
    while taken < LARGE {
        taken += client.read(&mut [0; 64 * 1024]).await.unwrap();
    }
    assert!(timeout(STALL + SECOND, serving).await.is_err());
    ask(&mut client, "/", "").await;
    assert!(client.read(&mut [0; 1024]).await.unwrap() > 0);
}

// R17
#[tokio::test(start_paused = true)]
async fn whoever_was_switched_to_a_tunnel_may_read_when_it_likes() {
    let (mut client, _serving) = served();
    ask(&mut client, "/source", "connection: upgrade\r\nupgrade: source\r\n").await;
    sleep(20 * STALL).await;
    let mut told = rest(&mut client).await;
    assert!(told.starts_with("HTTP/1.1 101 "));
    told.drain(..told.find("\r\n\r\n").unwrap() + 4);
    assert_eq!(told.len(), LARGE);
}

/// Its other streams are requests like any other.
// R13b
#[tokio::test(start_paused = true)]
async fn a_tunnel_over_http2_does_not_lift_the_limit_of_its_connection() {
    let inner = service_fn(|_: Request<()>| async { Ok::<_, ScriptedError>(Response::new(())) });
    for (version, is_lifted) in [(http::Version::HTTP_11, true), (http::Version::HTTP_2, false)] {
        let (_client, server) = duplex(8);
        let (mut stream, timed) = Timed::on(server, &Limits::default());
        let request = Request::connect("a:1").version(version).body(()).unwrap();
        tower::ServiceExt::oneshot(timed.layer(inner), request).await.unwrap();
        let writing = timeout(2 * STALL, stream.write_all(&[0; 9])).await;
        assert_eq!(writing.is_err(), is_lifted, "{version:?}");
    }
}
