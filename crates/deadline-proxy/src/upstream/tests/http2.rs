//! What a connection of HTTP/2 is like on the wire.

use super::*;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

const PREFACE: usize = 24;
const PING: u8 = 6;
const ACK: u8 = 1;

/// Carries what is said to a server, and counts the pings in it.
fn counted(pings: Arc<AtomicUsize>, server: DuplexStream) -> DuplexStream {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let ((mut said, mut heard), (mut answers, mut asks)) = (tokio::io::split(theirs), tokio::io::split(server));
    tokio::spawn(async move {
        let mut preface = [0; PREFACE];
        said.read_exact(&mut preface).await?;
        asks.write_all(&preface).await?;
        loop {
            let mut head = [0; 9];
            said.read_exact(&mut head).await?;
            pings.fetch_add(usize::from(head[3] == PING && head[4] & ACK == 0), Ordering::Relaxed);
            let mut rest = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
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

/// Servers of gRPC end the connection of a client that asks more often than every five minutes.
#[tokio::test(start_paused = true)]
async fn a_quiet_stream_is_not_asked_more_often_than_every_five_minutes() {
    let (pings, peer) = (Arc::new(AtomicUsize::new(0)), Peer::serving(|_| std::future::pending()));
    let counting = Peer::scripted({
        let pings = Arc::clone(&pings);
        move |_| {
            let (pings, peer) = (Arc::clone(&pings), peer.clone());
            async move { Ok(counted(pings, peer.dial().await?)) }
        }
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
