//! What a connection of HTTP/2 is like on the wire.

use super::*;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

const PREFACE: usize = 24;
const HEADERS: u8 = 1;
const PING: u8 = 6;
const ACK: u8 = 1;

/// Carries what is said to a server, and tells the head of each frame of it.
fn told(tell: impl Fn(&[u8; 9]) + Send + 'static, server: DuplexStream) -> DuplexStream {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let ((mut said, mut heard), (mut answers, mut asks)) = (tokio::io::split(theirs), tokio::io::split(server));
    tokio::spawn(async move {
        let mut preface = [0; PREFACE];
        said.read_exact(&mut preface).await?;
        asks.write_all(&preface).await?;
        loop {
            let mut head = [0; 9];
            said.read_exact(&mut head).await?;
            tell(&head);
            let mut rest = vec![0; length(&head)];
            said.read_exact(&mut rest).await?;
            asks.write_all(&head).await?;
            asks.write_all(&rest).await?;
        }
        #[expect(unreachable_code, reason = "says what the errors are")]
        io::Result::Ok(())
    });
    tokio::spawn(async move { tokio::io::copy(&mut answers, &mut heard).await });
    ours
}

fn length(head: &[u8; 9]) -> usize {
    u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize
}

/// A peer that tells the head of each frame that is sent to it.
fn telling(peer: Peer, tell: impl Fn(&[u8; 9]) + Clone + Send + Sync + 'static) -> Peer {
    Peer::scripted(move |_| {
        let (peer, tell) = (peer.clone(), tell.clone());
        async move { Ok(told(tell, peer.dial().await?)) }
    })
}

/// Servers of gRPC end the connection of a client that asks more often than every five minutes.
#[tokio::test(start_paused = true)]
async fn a_quiet_stream_is_not_asked_more_often_than_every_five_minutes() {
    let (pings, peer) = (Arc::new(AtomicUsize::new(0)), Peer::serving(|_| std::future::pending()));
    let seen = Arc::clone(&pings);
    let counting = telling(peer, move |head| {
        seen.fetch_add(usize::from(head[3] == PING && head[4] & ACK == 0), Ordering::Relaxed);
    });
    let pool = pool(&counting, |_| {});
    let quiet = tokio::spawn({
        let pool = pool.clone();
        async move { send(&pool, grpc("/")).await.map(drop) }
    });
    sleep(Duration::from_secs(300)).await;
    assert_eq!(pings.load(Ordering::Relaxed), 0);
    // A peer that is stuck is found out all the same.
    sleep(Duration::from_secs(60)).await;
    assert_eq!(pings.load(Ordering::Relaxed), 1);
    quiet.abort();
}

/// Answers that nobody reads take none of the room of others on the same connection.
#[tokio::test(start_paused = true)]
async fn streams_that_are_not_read_hold_up_no_other() {
    let peer = Peer::serving(|request| async move {
        let size = if request.uri().path() == "/flood" { 8 * 1024 * 1024 } else { 1024 };
        Response::new(Held::full(vec![0; size]))
    });
    let pool = pool(&peer, |_| {});
    let mut unread = Vec::new();
    for _ in 0..99 {
        unread.push(send(&pool, grpc("/flood")).await.unwrap());
    }
    // All that fits has come.
    sleep(Duration::from_secs(1)).await;
    let answer = timeout(Duration::from_secs(1), async { text(send(&pool, grpc("/")).await.unwrap()).await.len() });
    assert_eq!(answer.await, Ok(1024));
    assert_eq!(peer.dials(), 1, "it was the same connection");
    drop(unread);
}

/// The value is written each time and takes no place in the table; the name is written once.
#[tokio::test(start_paused = true)]
async fn of_what_is_of_one_request_the_table_knows_the_name_alone() {
    const ID: &str = "0b9a5a2e-6a0e-4a53-9a0c-3d6b5e0f9f11";
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    let peer = telling(Peer::echo(), move |head| {
        if head[3] == HEADERS {
            seen.lock().unwrap().push(length(head));
        }
    });
    let pool = pool(&peer, |_| {});
    for id in [None, Some(ID), Some(ID), None] {
        let mut request = grpc("/");
        let headers = request.headers_mut();
        // As long as the other, and of the first request of the connection.
        headers.insert("x-request-id", id.unwrap_or("0b9a5a2e-6a0e-4a53-9a0c-3d6b5e0f9f12").parse().unwrap());
        drop(text(send(&pool, request).await.unwrap()).await);
    }
    let heads = heads.lock().unwrap();
    assert!(heads[0] > heads[1] + "x-request-id".len() / 2, "the name is written once: {heads:?}");
    assert_eq!(heads[1], heads[2], "{heads:?}");
    assert!(heads[1] > heads[3] + ID.len() / 2, "only the first entered the table: {heads:?}");
}
