//! WebSocket through the program, by a client and a server of their own (R32).

use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{Request, Version};
use http_body_util::Empty;
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_async, client_async};

use crate::support::{MS, Proxy, soon};

/// A server that sends every message back.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut socket = accept_async(stream).await.unwrap();
                while let Some(Ok(message)) = socket.next().await {
                    if !message.is_close() && socket.send(message).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

async fn allowing(upstream: SocketAddr) -> Proxy {
    Proxy::with(upstream, &["--upgrade", "websocket"]).await
}

/// A WebSocket whose handshake has a deadline.
async fn connect(proxy: &Proxy) -> WebSocketStream<TcpStream> {
    let mut request = format!("ws://{}/chat", proxy.address).into_client_request().unwrap();
    request.headers_mut().insert("x-request-timeout", "300ms".parse().unwrap());
    let stream = TcpStream::connect(proxy.address).await.unwrap();
    soon("a tunnel", client_async(request, stream)).await.unwrap().0
}

/// The same by an extended CONNECT.
async fn connect_http2(proxy: &Proxy) -> WebSocketStream<impl AsyncRead + AsyncWrite + Unpin + use<>> {
    let stream = TokioIo::new(TcpStream::connect(proxy.address).await.unwrap());
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake::<_, _, Empty<Bytes>>(TokioExecutor::new(), stream)
            .await
            .unwrap();
    tokio::spawn(connection);
    let request = || {
        let request = Request::connect(proxy.url("/chat")).version(Version::HTTP_2);
        let fields = [("sec-websocket-version", "13"), ("x-request-timeout", "300ms")];
        let request = fields.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        let mut request = request.body(Empty::new()).unwrap();
        request.extensions_mut().insert(Protocol::from_static("websocket"));
        request
    };
    let opened = async {
        loop {
            // Refused by the client itself until the settings of the server have come.
            match sender.send_request(request()).await {
                Ok(response) => return response,
                Err(_) => sleep(MS).await,
            }
        }
    };
    let response = soon("a tunnel", opened).await;
    assert_eq!(response.status(), 200);
    let stream = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    WebSocketStream::from_raw_socket(stream, Role::Client, None).await
}

/// Sends messages of all sizes, more than fit at once, and reads each back.
async fn soak<S: AsyncRead + AsyncWrite + Unpin>(socket: WebSocketStream<S>, rounds: usize) {
    let message = |round: usize| match round % 7 {
        0 => Message::binary(vec![7; round * 997 % 100_000]),
        1 => Message::Ping(Bytes::from_static(b"ping")),
        _ => Message::text("x".repeat(round % 300)),
    };
    let (mut sink, mut source) = socket.split();
    let send = async {
        for round in 0..rounds {
            sink.send(message(round)).await.unwrap();
        }
    };
    let receive = async {
        for round in (0..rounds).filter(|round| round % 7 != 1) {
            let next = loop {
                match source.next().await.unwrap().unwrap() {
                    Message::Pong(_) | Message::Ping(_) => {}
                    other => break other,
                }
            };
            assert_eq!(next, message(round), "{round}");
        }
    };
    soon("every message", async { tokio::join!(send, receive) }).await;
    sink.send(Message::Close(None)).await.unwrap();
    let closed = soon("the end", async { while source.next().await.is_some_and(|message| message.is_ok()) {} });
    closed.await;
}

#[tokio::test]
async fn every_message_goes_both_ways_through_many_tunnels() {
    let proxy = allowing(echo().await).await;
    let tunnels = (0..20).map(|_| async { soak(connect(&proxy).await, 300).await });
    futures_util::future::join_all(tunnels).await;
}

#[tokio::test]
async fn every_message_goes_both_ways_through_streams_of_http2() {
    let proxy = allowing(echo().await).await;
    let tunnels = (0..5).map(|_| async { soak(connect_http2(&proxy).await, 300).await });
    futures_util::future::join_all(tunnels).await;
}

// R17
#[tokio::test]
async fn a_tunnel_outlives_the_deadline_of_its_handshake() {
    let proxy = allowing(echo().await).await;
    let mut socket = connect(&proxy).await;
    sleep(600 * MS).await;
    socket.send(Message::text("still here")).await.unwrap();
    assert_eq!(soon("an echo", socket.next()).await.unwrap().unwrap(), Message::text("still here"));
}

#[tokio::test]
async fn a_tunnel_that_nobody_allowed_is_none() {
    let proxy = Proxy::to(echo().await).await;
    let stream = TcpStream::connect(proxy.address).await.unwrap();
    let refused = client_async(format!("ws://{}/chat", proxy.address), stream).await;
    assert!(matches!(refused, Err(Error::Http(_))), "{refused:?}");
}

#[tokio::test]
async fn one_tunnel_too_many_is_refused_by_whichever_worker() {
    let arguments = ["--upgrade", "websocket", "--max-tunnels", "2", "--workers", "2"];
    let proxy = Proxy::with(echo().await, &arguments).await;
    let _two = (connect(&proxy).await, connect_http2(&proxy).await);
    for _ in 0..4 {
        let stream = TcpStream::connect(proxy.address).await.unwrap();
        let refused = client_async(format!("ws://{}/chat", proxy.address), stream).await;
        assert!(matches!(&refused, Err(Error::Http(answer)) if answer.status() == 503), "{refused:?}");
    }
}

/// Nobody waits for the end of a tunnel, and nothing of one is lost that was read.
async fn assert_ends_at_sigterm(proxy: Proxy, mut socket: WebSocketStream<impl AsyncRead + AsyncWrite + Unpin>) {
    socket.send(Message::text("last")).await.unwrap();
    assert_eq!(soon("an echo", socket.next()).await.unwrap().unwrap(), Message::text("last"));
    proxy.program.terminate().await;
    assert!(soon("the end", socket.next()).await.is_none_or(|message| message.is_err()));
    drop(socket);
    let finished = soon("the program to end", proxy.program.finish()).await;
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn at_sigterm_tunnels_end_and_so_does_the_program() {
    for workers in ["1", "4"] {
        let arguments = ["--upgrade", "websocket", "--workers", workers];
        let proxy = Proxy::with(echo().await, &arguments).await;
        let socket = connect(&proxy).await;
        assert_ends_at_sigterm(proxy, socket).await;
        let proxy = Proxy::with(echo().await, &arguments).await;
        let socket = connect_http2(&proxy).await;
        assert_ends_at_sigterm(proxy, socket).await;
    }
}
