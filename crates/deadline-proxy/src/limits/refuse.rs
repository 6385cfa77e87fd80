//! The answer to a connection for which there is no room.
//!
//! Covers HTTP/1.1 and HTTP/2 on any stream: one answer (503 with `Retry-After`, or gRPC's code 8) to whatever is
//! asked, and the end of the connection. Takes a moment at most, and never calls anything.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::time::timeout;
use tower_deadline::Answers;
use tower_deadline::dialect::Call;

use std::sync::Arc;

use super::in_flight::COME_BACK;
use super::{ExtendedConnect, Limits, Timed, Version};

/// How long it may take to be told. What is told fits into one packet, and those who wait for it are few.
const REFUSAL_LIMIT: Duration = Duration::from_secs(5);

/// Answers the first request that the connection has in this way, and closes it; after five seconds without any.
/// Dropping the future closes it at once.
pub async fn refuse<I, F>(io: I, limits: &Limits, answer: F)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(Request<Incoming>) -> Response<Bytes>,
{
    let told = Arc::new(Notify::new());
    let tell = Arc::clone(&told);
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let answer = answer(request).map(Full::new);
        tell.notify_one();
        async { Ok::<_, Infallible>(answer) }
    });
    let exchange = async {
        let (mut stream, _) = Timed::on(io, limits);
        match stream.version().await {
            Ok(Version::Http1) => {
                let connection = limits.http1().keep_alive(false).serve_connection(TokioIo::new(stream), service);
                end(pin!(connection), http1::Connection::graceful_shutdown, &told).await;
            }
            Ok(Version::Http2) => {
                let connection = limits.http2(ExtendedConnect::Off).serve_connection(TokioIo::new(stream), service);
                end(pin!(connection), http2::Connection::graceful_shutdown, &told).await;
            }
            // There is nobody to tell.
            Err(_) => {}
        }
    };
    // Who is too slow to be told is not told.
    let _ = timeout(REFUSAL_LIMIT, exchange).await;
}

/// Serves until the answer is told, and what has been begun by then.
async fn end<C: Future>(mut connection: Pin<&mut C>, finish: fn(Pin<&mut C>), told: &Notify) {
    tokio::select! {
        biased;
        // The client has seen how it ended.
        _ = connection.as_mut() => return,
        () = told.notified() => finish(connection.as_mut()),
    }
    connection.await;
}

/// The answer to a request on a connection for which there is no room.
#[must_use]
pub fn no_room(answers: &Answers, call: Call) -> Response<Bytes> {
    let mut answer = answers.failure(StatusCode::SERVICE_UNAVAILABLE, "there is no room for another connection", call);
    answer.headers_mut().insert(RETRY_AFTER, COME_BACK);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{BodyExt, Empty};
    use hyper_util::rt::TokioExecutor;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::Instant;

    fn refused() -> (tokio::io::DuplexStream, tokio::task::JoinHandle<()>) {
        let (client, server) = duplex(64 * 1024);
        let answer = |request: Request<Incoming>| no_room(&Answers::new().hop("edge"), Call::of(request.headers()));
        let refusing = async move { refuse(server, &Limits::default(), answer).await };
        (client, tokio::spawn(refusing))
    }

    #[tokio::test(start_paused = true)]
    async fn http1_is_told_and_closed() {
        let (mut client, refusing) = refused();
        client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let mut told = String::new();
        client.read_to_string(&mut told).await.unwrap();
        assert!(told.starts_with("HTTP/1.1 503 "), "{told}");
        assert!(told.contains("retry-after: 1\r\n") && told.contains("connection: close\r\n"), "{told}");
        assert!(told.ends_with(r#""hop":"edge"}"#), "{told}");
        refusing.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn http2_is_told_and_closed() {
        let (client, refusing) = refused();
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(client)).await;
        let (mut client, connection) = handshake.unwrap();
        let connection = tokio::spawn(connection);
        let request = Request::get("http://a/").body(Empty::<Bytes>::new()).unwrap();
        let answer = client.send_request(request).await.unwrap();
        assert_eq!((answer.status().as_u16(), &answer.headers()[RETRY_AFTER]), (503, &COME_BACK));
        assert!(answer.into_body().collect().await.unwrap().to_bytes().starts_with(b"{"));
        refusing.await.unwrap();
        connection.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_for_nothing_is_closed_after_a_moment() {
        let (mut client, refusing) = refused();
        let start = Instant::now();
        assert_eq!(client.read_to_end(&mut Vec::new()).await.unwrap(), 0);
        assert_eq!(start.elapsed(), REFUSAL_LIMIT);
        refusing.await.unwrap();
    }
}
