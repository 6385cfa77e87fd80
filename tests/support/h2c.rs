//! An HTTP/2 client with prior knowledge that sees frames and the codes of resets.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request};
use tokio::net::TcpStream;

use super::soon;

pub(crate) struct H2Client(SendRequest<Bytes>);

/// What a stream carried.
#[derive(Debug)]
pub(crate) struct Reply {
    /// 0 where the stream ended before a head.
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) data: Vec<u8>,
    pub(crate) end: End,
}

/// How a stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With its last data or its head.
    Data,
    Trailers(HeaderMap),
    Reset(Reason),
}

impl H2Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = soon("a connection", TcpStream::connect(address)).await.expect("somebody listens");
        let handshake = soon("a handshake", h2::client::handshake(stream)).await;
        let (client, connection) = handshake.expect("HTTP/2 is spoken");
        tokio::spawn(async move { connection.await.map_or_else(drop, drop) });
        Self(client)
    }

    /// Sends a request without a body.
    pub(crate) async fn get(&mut self, request: Request<()>) -> Reply {
        let (response, _) = self.open(request, true).await;
        Self::reply(response).await
    }

    /// Sends a request with a body, and trailers if there are any.
    pub(crate) async fn post(&mut self, request: Request<()>, body: Bytes, trailers: Option<HeaderMap>) -> Reply {
        let (response, mut stream) = self.open(request, false).await;
        stream.send_data(body, trailers.is_none()).expect("the stream is open");
        if let Some(trailers) = trailers {
            stream.send_trailers(trailers).expect("the stream is open");
        }
        Self::reply(response).await
    }

    /// Sends the head of a request, with which it is `ended` or not. To drop both parts is to reset the stream.
    pub(crate) async fn open(&mut self, request: Request<()>, ended: bool) -> (ResponseFuture, SendStream<Bytes>) {
        let mut client = soon("room for a stream", self.0.clone().ready()).await.expect("the connection is open");
        client.send_request(request, ended).expect("the request is valid")
    }

    /// What comes in return.
    pub(crate) async fn reply(response: ResponseFuture) -> Reply {
        let (head, mut body) = match soon("a head", response).await {
            Ok(response) => response.into_parts(),
            Err(error) => return Reply { status: 0, headers: HeaderMap::new(), data: Vec::new(), end: reset(&error) },
        };
        let mut data = Vec::new();
        let end = soon("the end of a stream", read(&mut body, &mut data)).await;
        Reply { status: head.status.as_u16(), headers: head.headers, data, end }
    }
}

async fn read(body: &mut RecvStream, data: &mut Vec<u8>) -> End {
    while let Some(frame) = body.data().await {
        match frame {
            Ok(frame) => {
                data.extend_from_slice(&frame);
                body.flow_control().release_capacity(frame.len()).expect("the capacity was taken");
            }
            Err(error) => return reset(&error),
        }
    }
    match body.trailers().await {
        Ok(trailers) => trailers.map_or(End::Data, End::Trailers),
        Err(error) => reset(&error),
    }
}

fn reset(error: &h2::Error) -> End {
    assert!(error.is_reset() && error.is_remote(), "{error}");
    End::Reset(error.reason().expect("a reset has a reason"))
}
