//! The client's end: the request is written, and the head of its answer is read.
//!
//! Over HTTP/1.1 byte for byte as it was asked about, so that also what is malformed is explained.

use std::convert::Infallible;
use std::future::pending;
use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderName, HeaderValue, Request, StatusCode, Uri};
use http_body::{Body, Frame, SizeHint};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, split};
use tower_deadline::BoxError;

use super::{Ask, Error};
use crate::client::Client;
use crate::settings::Settings;

/// RFC 9113 §8.2.2: none of these stands in a message of HTTP/2.
static HTTP1_ALONE: [HeaderName; 5] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TRANSFER_ENCODING,
    UPGRADE,
];

/// And `TE` has one value there.
fn is_of_http1(name: &HeaderName, value: &HeaderValue) -> bool {
    HTTP1_ALONE.contains(name) || *name == TE && value != "trailers"
}

/// So many bytes of a body are written at a time.
static ZEROS: [u8; 16 * 1024] = [0; 16 * 1024];

/// A request, and who makes it.
pub(super) struct Exchange<'a> {
    ask: &'a Ask,
    client: Client,
    length: u64,
}

impl<'a> Exchange<'a> {
    /// By a listener of these settings.
    pub(super) fn of(ask: &'a Ask, settings: &Settings) -> Result<Self, Error> {
        let misplaced = ask.fields.iter().find(|(name, value)| ask.http2 && is_of_http1(name, value));
        if let Some((name, _)) = misplaced {
            return Err(Error::NotInHttp2(name.clone()));
        }
        Ok(Self { ask, client: ask.client(&settings.listeners)?, length: ask.length()? })
    }

    pub(super) fn client(&self) -> Client {
        self.client
    }

    /// Puts the request on a connection, and returns the status of its answer.
    pub(super) async fn on(&self, connection: DuplexStream) -> Result<StatusCode, Error> {
        if self.ask.http2 {
            return self.http2(connection).await.map_err(Error::Exchange);
        }
        let (mut reader, mut writer) = split(connection);
        let write = async {
            // Whoever refuses a request need not read all of it: its answer says so.
            let _: io::Result<()> = async {
                writer.write_all(&self.head()?).await?;
                self.write_body(&mut writer).await
            }
            .await;
            // Half closed, it would have left.
            pending::<()>().await;
        };
        tokio::select! {
            status = status(&mut reader) => status,
            () = write => Err(Error::Closed),
        }
    }

    fn head(&self) -> io::Result<Vec<u8>> {
        let Ask { method, path, fields, .. } = self.ask;
        let mut head = Vec::new();
        write!(head, "{method} {path} HTTP/1.1\r\n")?;
        let host = self.ask.default_host().map(|host| (HOST, host));
        for (name, value) in host.iter().chain(fields).chain(&self.length_field()) {
            write!(head, "{name}: ")?;
            head.extend_from_slice(value.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        Ok(head)
    }

    /// The length of a body, where no field says how it ends.
    fn length_field(&self) -> Option<(HeaderName, HeaderValue)> {
        let has_length = self.ask.says(&CONTENT_LENGTH).is_some() || self.is_chunked();
        let length = self.ask.body.filter(|_| !has_length);
        length.map(|length| (CONTENT_LENGTH, HeaderValue::from(length)))
    }

    fn is_chunked(&self) -> bool {
        self.ask.says(&TRANSFER_ENCODING).is_some()
    }

    async fn write_body(&self, writer: &mut (impl AsyncWriteExt + Unpin)) -> io::Result<()> {
        for piece in Zeros(self.length) {
            if self.is_chunked() {
                writer.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await?;
            }
            writer.write_all(&piece).await?;
            if self.is_chunked() {
                writer.write_all(b"\r\n").await?;
            }
        }
        if self.is_chunked() { writer.write_all(b"0\r\n\r\n").await } else { Ok(()) }
    }

    async fn http2(&self, connection: DuplexStream) -> Result<StatusCode, BoxError> {
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(connection)).await?;
        tokio::spawn(connection);
        let host = self.ask.default_host().or_else(|| self.ask.says(&HOST).cloned());
        let host = host.unwrap_or_else(|| HeaderValue::from_static("localhost"));
        let scheme = if self.client.tls { "https" } else { "http" };
        let uri = Uri::builder().scheme(scheme).authority(host.as_bytes()).path_and_query(self.ask.path.clone());
        let mut request = Request::new(Zeros(self.length));
        *request.method_mut() = self.ask.method.clone();
        *request.uri_mut() = uri.build()?;
        for (name, value) in self.ask.fields.iter().chain(&self.length_field()) {
            request.headers_mut().append(name, value.clone());
        }
        Ok(sender.send_request(request).await?.status())
    }
}

/// The status of the first head that is no `1xx`, unless it switches protocols.
async fn status(reader: &mut (impl AsyncReadExt + Unpin)) -> Result<StatusCode, Error> {
    let mut read = Vec::new();
    loop {
        while let Some(end) = read.windows(4).position(|end| end == b"\r\n\r\n") {
            let status = read.get(9..12).and_then(|code| StatusCode::from_bytes(code).ok()).ok_or(Error::Closed)?;
            if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
                return Ok(status);
            }
            read.drain(..end + 4);
        }
        match reader.read_buf(&mut read).await {
            Ok(1..) => {}
            Ok(_) => return Err(Error::Closed),
            Err(error) => return Err(Error::Exchange(error.into())),
        }
    }
}

/// So many bytes of nothing.
struct Zeros(u64);

impl Iterator for Zeros {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let piece = usize::try_from(self.0).unwrap_or(usize::MAX).min(ZEROS.len());
        self.0 -= piece as u64;
        (piece > 0).then(|| Bytes::from_static(ZEROS.get(..piece).unwrap_or_default()))
    }
}

impl Body for Zeros {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.next().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.0 == 0
    }

    /// Nothing: hyper would tell the length of a body that the request does not have.
    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
