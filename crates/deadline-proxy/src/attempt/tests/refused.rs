//! What an upstream says of HTTP/2 by which nothing was done (RFC 9113 §8.7).

use super::*;
use crate::attempt::Outcome;
use crate::attempt::came::Came;
use h2::Reason;

/// What comes of a request where the peer does this.
async fn came(act: fn(h2::server::Connection<tokio::io::DuplexStream, Bytes>) -> BoxFuture<'static, ()>) -> Came {
    let (near, far) = tokio::io::duplex(1 << 16);
    tokio::spawn(async move { act(h2::server::handshake(far).await.unwrap()).await });
    asked(near).await
}

/// What comes of a request on this connection.
async fn asked(near: tokio::io::DuplexStream) -> Came {
    let (mut send, connection) = h2::client::handshake(near).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post("http://peer.example/").body(()).unwrap();
    let source = send.send_request(request, true).unwrap().0.await.unwrap_err();
    let endpoint = crate::upstream::Name::scripted("peer");
    let error = SendError::<PropagateError>::Exchange { endpoint, is_kept: false, head: None, source: source.into() };
    Came::of::<()>(&Err(PropagateError::Inner(error.into())), false)
}

async fn reset(mut connection: h2::server::Connection<tokio::io::DuplexStream, Bytes>, reason: Reason) {
    let (_request, mut respond) = connection.accept().await.unwrap().unwrap();
    respond.send_reset(reason);
    while connection.accept().await.is_some() {}
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_was_refused_was_not_sent() {
    let came = came(|connection| Box::pin(reset(connection, Reason::REFUSED_STREAM))).await;
    assert_eq!((came.outcome, came.is_sent), (Some(Outcome::Broken), false));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_was_reset_for_another_reason_was() {
    for reset_for in [
        (|connection| Box::pin(reset(connection, Reason::INTERNAL_ERROR)) as BoxFuture<'static, ()>)
            as fn(h2::server::Connection<tokio::io::DuplexStream, Bytes>) -> BoxFuture<'static, ()>,
        |connection| Box::pin(reset(connection, Reason::CANCEL)),
        |connection| Box::pin(reset(connection, Reason::NO_ERROR)),
    ] {
        let came = came(reset_for).await;
        assert_eq!((came.outcome, came.is_sent), (Some(Outcome::Broken), true));
    }
}

/// A GOAWAY whose last stream is an earlier one: this one was not looked at.
#[tokio::test(start_paused = true)]
async fn a_stream_beyond_the_last_of_a_goodbye_was_not_sent() {
    let came = goodbye(0, Reason::NO_ERROR).await;
    assert_eq!((came.outcome, came.is_sent), (Some(Outcome::Broken), false));
}

#[tokio::test(start_paused = true)]
async fn a_stream_within_a_goodbye_was() {
    for reason in [Reason::NO_ERROR, Reason::INTERNAL_ERROR, Reason::ENHANCE_YOUR_CALM] {
        let came = goodbye(1, reason).await;
        assert_eq!((came.outcome, came.is_sent), (Some(Outcome::Broken), true), "{reason:?}");
    }
}

/// Says in plain frames that this was the last stream that it looked at, and closes.
async fn goodbye(last: u8, reason: Reason) -> Came {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (near, mut far) = tokio::io::duplex(1 << 16);
    tokio::spawn(async move {
        far.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
        let mut read = vec![0; 4096];
        // The preface, its settings, and the head of the request.
        for _ in 0..8 {
            let _ = tokio::time::timeout(MS, far.read(&mut read)).await;
        }
        let reason = u32::from(reason) as u8;
        far.write_all(&[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, last, 0, 0, 0, reason]).await.unwrap();
        tokio::time::sleep(MS).await;
    });
    asked(near).await
}
