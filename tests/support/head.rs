//! The head of an HTTP/1.1 message, as it stood on the wire.

use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue};
use tower_deadline::Dialect;

const END: &[u8] = b"\r\n\r\n";

#[derive(Clone, Debug)]
pub(crate) struct Head {
    /// The request line or status line.
    pub(crate) start: String,
    pub(crate) headers: HeaderMap,
}

impl Head {
    /// Splits a message after its head; `None` while the head is incomplete.
    pub(crate) fn split(message: &[u8]) -> Option<(Self, &[u8])> {
        let end = message.windows(END.len()).position(|window| window == END)?;
        Some((Self::parse(&message[..end]), &message[end + END.len()..]))
    }

    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let mut lines = text.split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        let field = |line: &str| {
            let (name, value) = line.split_once(':').expect("a field has a colon");
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a field has a name");
            (name, HeaderValue::from_str(value.trim()).expect("a field has a value"))
        };
        let mut headers = HeaderMap::new();
        for (name, value) in lines.map(field) {
            headers.append(name, value);
        }
        Self { start, headers }
    }

    pub(crate) fn status(&self) -> u16 {
        let status = self.start.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.unwrap_or_else(|| panic!("no status line: {}", self.start))
    }

    /// The path of a request.
    pub(crate) fn path(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default()
    }

    /// The timeout that a request asks for, which must stand there exactly once.
    #[track_caller]
    pub(crate) fn timeout(&self) -> Duration {
        timeout(&self.headers, Dialect::XRequestTimeout)
    }
}

/// The timeout in this dialect, which must stand there exactly once.
#[track_caller]
pub(crate) fn timeout(headers: &HeaderMap, dialect: Dialect) -> Duration {
    let values: Vec<&HeaderValue> = headers.get_all(dialect.as_str()).iter().collect();
    let [value] = values[..] else { panic!("{dialect}: {values:?}") };
    let decoded = dialect.decode(value.as_bytes(), UNIX_EPOCH);
    decoded.ok().flatten().unwrap_or_else(|| panic!("{dialect}: {value:?}"))
}
