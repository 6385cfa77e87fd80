use super::*;
use std::future::{pending, ready};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, repeat};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, yield_now};
use tokio::time::advance;

const MS: Duration = Duration::from_millis(1);
const IDLE: Duration = Duration::from_secs(60);
const LIMITS: Limits = Limits { idle: IDLE, lifetime: None };
/// What fits between two of the pairs.
const ROOM: usize = 64;

/// The far ends of a tunnel.
struct Ends {
    client: DuplexStream,
    upstream: DuplexStream,
    shutdown: oneshot::Sender<()>,
    tunnel: JoinHandle<End>,
}

fn ends(limits: Limits) -> Ends {
    let (client, near) = duplex(ROOM);
    let (upstream, far) = duplex(ROOM);
    let (shutdown, told) = oneshot::channel();
    let both = (ready(io::Result::Ok(near)), ready(Ok(far)));
    let told = async {
        if told.await.is_err() {
            pending::<()>().await;
        }
    };
    let tunnel = tokio::spawn(join(both.0, both.1, limits, told));
    Ends { client, upstream, shutdown, tunnel }
}

async fn read(side: &mut DuplexStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    side.read_exact(&mut bytes).await.unwrap();
    bytes
}

async fn rest(side: &mut DuplexStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    side.read_to_end(&mut bytes).await.unwrap();
    bytes
}

async fn settle() {
    for _ in 0..10 {
        yield_now().await;
    }
}

// R32
#[tokio::test(start_paused = true)]
async fn the_end_of_one_way_is_passed_on_and_the_other_goes_on() {
    let Ends { mut client, mut upstream, tunnel, shutdown: _shutdown } = ends(LIMITS);
    client.write_all(b"ask").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut upstream).await, b"ask");
    advance(IDLE - MS).await;
    settle().await;
    upstream.write_all(b"one").await.unwrap();
    assert_eq!(read(&mut client, 3).await, b"one");
    advance(IDLE - MS).await;
    upstream.write_all(b"two").await.unwrap();
    upstream.shutdown().await.unwrap();
    assert_eq!(rest(&mut client).await, b"two");
    assert_eq!(tunnel.await.unwrap(), End::Closed);
}

/// A side that has said its last and takes nothing more: the other gets all of it, though it goes on to speak.
#[tokio::test(start_paused = true)]
async fn what_was_said_by_a_side_that_takes_nothing_more_arrives() {
    let (mut client, near) = duplex(4);
    let said = [b'x'; 3 * ROOM];
    // Reads give it all at once; each write fails.
    let upstream = tokio::io::join(&said[..], Refusing);
    let both = (ready(io::Result::Ok(near)), ready(Ok(upstream)));
    let tunnel = async { join(both.0, both.1, LIMITS, pending()).await };
    let talk = async {
        client.write_all(b"more").await.unwrap();
        settle().await;
        rest(&mut client).await
    };
    let (end, heard) = tokio::join!(tunnel, talk);
    assert_eq!((end, heard), (End::Broken, said.to_vec()));
}

/// Takes nothing.
struct Refusing;

impl AsyncWrite for Refusing {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_in_which_nothing_moves_ends_at_the_idle_limit() {
    let Ends { mut client, mut upstream, tunnel, shutdown: _shutdown } = ends(LIMITS);
    settle().await;
    // Either way counts.
    advance(IDLE - MS).await;
    client.write_all(b"a").await.unwrap();
    assert_eq!(read(&mut upstream, 1).await, b"a");
    advance(IDLE - MS).await;
    upstream.write_all(b"b").await.unwrap();
    assert_eq!(read(&mut client, 1).await, b"b");
    let quiet = Instant::now();
    advance(IDLE - MS).await;
    settle().await;
    assert!(!tunnel.is_finished());
    assert_eq!((rest(&mut client).await.len(), rest(&mut upstream).await.len()), (0, 0));
    assert_eq!(quiet.elapsed(), IDLE);
    drop((client, upstream));
    assert_eq!(tunnel.await.unwrap(), End::Idle);
}

#[tokio::test(start_paused = true)]
async fn a_side_that_takes_nothing_is_idle_however_much_the_other_has_to_say() {
    let Ends { mut client, upstream: _upstream, tunnel, shutdown: _shutdown } = ends(LIMITS);
    let talking = tokio::spawn(async move {
        client.write_all(&[7; 1 << 20]).await.unwrap();
        rest(&mut client).await
    });
    let start = Instant::now();
    assert_eq!(tunnel.await.unwrap(), End::Idle);
    assert_eq!(start.elapsed(), IDLE + CLOSE_LIMIT + LINGER_LIMIT);
    assert_eq!(talking.await.unwrap().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_lives_no_longer_than_it_may_however_much_moves() {
    let lifetime = 3 * IDLE - 20_000 * MS;
    let Ends { mut client, mut upstream, tunnel, shutdown: _shutdown } =
        ends(Limits { lifetime: Some(lifetime), ..LIMITS });
    let start = Instant::now();
    for _ in 0..5 {
        client.write_all(b"a").await.unwrap();
        assert_eq!(read(&mut upstream, 1).await, b"a");
        advance(IDLE / 2).await;
    }
    assert!(!tunnel.is_finished());
    assert_eq!((rest(&mut client).await.len(), rest(&mut upstream).await.len()), (0, 0));
    assert_eq!(start.elapsed(), lifetime);
    drop((client, upstream));
    assert_eq!(tunnel.await.unwrap(), End::Lifetime);
}

#[tokio::test(start_paused = true)]
async fn what_was_read_before_a_shutdown_is_written_before_both_sides_are_told() {
    let Ends { mut client, mut upstream, tunnel, shutdown } = ends(LIMITS);
    // More than fits on the other side: some of it is only read.
    client.write_all(&[7; 3 * ROOM]).await.unwrap();
    settle().await;
    shutdown.send(()).unwrap();
    settle().await;
    assert!(!tunnel.is_finished());
    assert_eq!(rest(&mut upstream).await, [7; 3 * ROOM]);
    assert_eq!(rest(&mut client).await.len(), 0);
    // A side that has not heard of it yet is not reset for what it says.
    client.write_all(&[8; 3 * ROOM]).await.unwrap();
    drop((client, upstream));
    assert_eq!(tunnel.await.unwrap(), End::Shutdown);
}

#[tokio::test(start_paused = true)]
async fn a_side_that_does_not_leave_is_left() {
    let Ends { client, upstream, tunnel, shutdown } = ends(LIMITS);
    settle().await;
    let start = Instant::now();
    shutdown.send(()).unwrap();
    assert_eq!(tunnel.await.unwrap(), End::Shutdown);
    assert_eq!(start.elapsed(), LINGER_LIMIT);
    drop((client, upstream));
}

/// R12 has it for deadlines: what is always ready uses up the budget in which a timer would be polled.
#[tokio::test(start_paused = true)]
async fn two_busy_sides_do_not_keep_a_tunnel_open() {
    let busy = || ready(io::Result::Ok(tokio::io::join(repeat(7), sink())));
    let (shutdown, told) = oneshot::channel::<()>();
    let tunnel = tokio::spawn(join(busy(), busy(), LIMITS, async { told.await.unwrap_or_default() }));
    settle().await;
    shutdown.send(()).unwrap();
    settle().await;
    advance(LINGER_LIMIT).await;
    settle().await;
    assert!(tunnel.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_side_that_breaks_off_takes_the_other_with_it() {
    let Ends { mut client, upstream, tunnel, shutdown: _shutdown } = ends(LIMITS);
    drop(upstream);
    client.write_all(b"to nobody").await.unwrap();
    assert_eq!(rest(&mut client).await.len(), 0);
    assert_eq!(tunnel.await.unwrap(), End::Broken);
}

#[tokio::test(start_paused = true)]
async fn a_side_that_never_comes_is_waited_for_no_longer_than_an_idle_one() {
    let (mut client, near) = duplex(ROOM);
    let never = pending::<io::Result<DuplexStream>>();
    let start = Instant::now();
    assert_eq!(join(ready(Ok(near)), never, LIMITS, pending()).await, End::Idle);
    assert_eq!(start.elapsed(), IDLE);
    assert_eq!(rest(&mut client).await.len(), 0);
    let failed = ready(Err::<DuplexStream, _>(io::Error::other("gone")));
    assert_eq!(join(ready(Ok(duplex(ROOM).0)), failed, LIMITS, pending()).await, End::Broken);
}
