//! The PROXY header, by which a load balancer says for whom it connected.
//!
//! Covers versions 1 and 2 at the start of a stream, and gives back what was read after it. Whom to believe is
//! decided by the caller, and so is how long to wait. Of version 2, neither checksum nor extensions are looked at.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use proxy_header::{Error as ParseError, ParseConfig, ProxyHeader};
use tokio::io::{AsyncRead, AsyncReadExt};

/// What version 1 is at most, as its specification says.
const V1_AT_MOST: usize = 107;

/// What version 2 may be here. Its length field could say 64 KiB; with the extensions that balancers do write, such
/// as a client's certificate name, it stays far below this.
const V2_AT_MOST: usize = 4096;

/// As much as one read is expected to bring: a header, and not much of what comes after it.
const READ: usize = 256;

const V1_START: &[u8] = b"PROXY ";
const V2_START: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The version and the command of a peer that speaks for itself.
const V2_LOCAL: u8 = 0x20;

/// How much of what is no header is shown.
const SHOWN: usize = 24;

/// Who connected to whom, as the header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Proxied {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
}

/// For whom a peer has connected, by its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// For itself: `LOCAL`.
    Itself,
    /// For somebody of whom it does not say who: `UNKNOWN`, and a client on a Unix socket elsewhere.
    Somebody,
    /// For a client at this address.
    Client(Proxied),
}

/// Why what a trusted peer sent first is not a PROXY header.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderError {
    /// It is something else, or not written as it must be; with its first bytes, escaped.
    Malformed(String),
    /// It is longer than is read.
    TooLong {
        /// In bytes.
        most: usize,
    },
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(found) => write!(f, "a PROXY header is expected, found \"{found}\""),
            Self::TooLong { most } => write!(f, "its PROXY header is longer than {most} bytes"),
        }
    }
}

impl std::error::Error for HeaderError {}

impl HeaderError {
    fn malformed(bytes: &[u8]) -> Self {
        Self::Malformed(bytes[..bytes.len().min(SHOWN)].escape_ascii().to_string())
    }
}

/// Reads the header; what was read after it comes back with it.
///
/// # Errors
///
/// Those of reading, an end in the middle, and a [`HeaderError`] as [`io::ErrorKind::InvalidData`].
pub(super) async fn read<T: AsyncRead + Unpin>(stream: &mut T) -> io::Result<(Said, Bytes)> {
    let mut buffer = BytesMut::with_capacity(READ);
    loop {
        let room = V2_AT_MOST - buffer.len();
        if stream.read_buf(&mut (&mut buffer).limit(room)).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let parsed = parse(&buffer).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        if let Some((said, length)) = parsed {
            buffer.advance(length);
            return Ok((said, buffer.freeze()));
        }
    }
}

/// What the header says, and its length; `None` where more bytes are needed, of which there is room for some.
fn parse(bytes: &[u8]) -> Result<Option<(Said, usize)>, HeaderError> {
    let most = if starts(bytes, V1_START) {
        V1_AT_MOST
    } else if starts(bytes, V2_START) {
        V2_AT_MOST
    } else {
        return Err(HeaderError::malformed(bytes));
    };
    let config = ParseConfig { include_tlvs: false, ..ParseConfig::default() };
    match ProxyHeader::parse(bytes, config) {
        Ok((_, length)) if length > most => Err(HeaderError::TooLong { most }),
        Ok((header, length)) => Ok(Some((said(&header, bytes), length))),
        Err(ParseError::BufferTooShort) if bytes.len() >= most => Err(HeaderError::TooLong { most }),
        Err(ParseError::BufferTooShort) => Ok(None),
        Err(_) => Err(HeaderError::malformed(bytes)),
    }
}

fn said(header: &ProxyHeader<'_>, bytes: &[u8]) -> Said {
    match header.proxied_address() {
        Some(address) => Said::Client(address.into()),
        None if bytes.starts_with(V2_START) && bytes.get(V2_START.len()) == Some(&V2_LOCAL) => Said::Itself,
        None => Said::Somebody,
    }
}

/// Whether the bytes start so, as far as they are there.
fn starts(bytes: &[u8], start: &[u8]) -> bool {
    let length = bytes.len().min(start.len());
    bytes[..length] == start[..length]
}

impl From<&proxy_header::ProxiedAddress> for Proxied {
    fn from(address: &proxy_header::ProxiedAddress) -> Self {
        Self { source: address.source, destination: address.destination }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proxy_header::{ProxiedAddress, Tlv};
    use tokio::io::{AsyncWriteExt, duplex};

    const REST: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

    fn proxied(source: &str, destination: &str) -> Proxied {
        Proxied { source: source.parse().unwrap(), destination: destination.parse().unwrap() }
    }

    fn v2(header: &ProxyHeader<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        header.encode_v2(&mut bytes).unwrap();
        bytes
    }

    /// Every header that must be understood, and what it says.
    fn understood() -> Vec<(Vec<u8>, Said)> {
        let four = proxied("192.0.2.1:12345", "198.51.100.7:443");
        let six = proxied("[2001:db8::1]:12345", "[::1]:443");
        let header = |of: Proxied| ProxyHeader::with_address(ProxiedAddress::stream(of.source, of.destination));
        let mut extended = header(four);
        extended.append_tlv(Tlv::Authority("example.com".into()));
        extended.append_tlv(Tlv::UniqueId(vec![7; 128].into()));
        let mut unix = [V2_START, &[0x21, 0x31, 0, 216]].concat();
        unix.extend([b'x'; 216]);
        let (local_unix, unspecified) =
            ([V2_START, &[0x20, 0x31], &unix[14..]].concat(), [V2_START, &[0x21, 0, 0, 0]].concat());
        vec![
            (b"PROXY TCP4 192.0.2.1 198.51.100.7 12345 443\r\n".to_vec(), Said::Client(four)),
            (b"PROXY TCP6 2001:db8::1 ::1 12345 443\r\n".to_vec(), Said::Client(six)),
            (b"PROXY UNKNOWN\r\n".to_vec(), Said::Somebody),
            (b"PROXY UNKNOWN ffff:f:f ffff 65535 65535\r\n".to_vec(), Said::Somebody),
            (v2(&header(four)), Said::Client(four)),
            (v2(&header(six)), Said::Client(six)),
            (v2(&extended), Said::Client(four)),
            (v2(&ProxyHeader::with_local()), Said::Itself),
            (local_unix, Said::Itself),
            (unix, Said::Somebody),
            (unspecified, Said::Somebody),
        ]
    }

    #[tokio::test]
    async fn a_header_is_read_however_it_is_cut_and_the_rest_is_given_back() {
        for (header, says) in understood() {
            let whole = [&header, REST].concat();
            for cut in 1..whole.len() {
                let (mut ours, mut theirs) = duplex(whole.len());
                theirs.write_all(&whole[..cut]).await.unwrap();
                let reading = tokio::spawn(async move { (read(&mut ours).await, ours) });
                tokio::task::yield_now().await;
                theirs.write_all(&whole[cut..]).await.unwrap();
                drop(theirs);
                let (outcome, mut ours) = reading.await.unwrap();
                let (found, ahead) = outcome.unwrap();
                let mut rest = ahead.to_vec();
                ours.read_to_end(&mut rest).await.unwrap();
                assert_eq!((found, rest.as_slice()), (says, REST), "{:?} at {cut}", header.escape_ascii().to_string());
            }
        }
    }

    #[test]
    fn a_header_that_is_not_whole_needs_more() {
        for (header, says) in understood() {
            for cut in 1..header.len() {
                assert_eq!(parse(&header[..cut]), Ok(None));
            }
            assert_eq!(parse(&header), Ok(Some((says, header.len()))));
        }
    }

    #[test]
    fn what_is_no_header_is_told_by_its_first_bytes() {
        for (bytes, found) in [
            (&b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"[..], "GET / HTTP/1.1\\r\\nHost: a."),
            (b"P U", "P U"),
            (b"POST", "POST"),
            (b"\r\n\r\nG", "\\r\\n\\r\\nG"),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n"),
            (b"PROXY TCP4 192.0.2.256 192.0.2.1 1 2\r\n", "PROXY TCP4 192.0.2.256 1"),
            (b"PROXY TCP4 192.0.2.1 192.0.2.1 1 99999\r\n", "PROXY TCP4 192.0.2.1 192"),
            (b"PROXY UDP4 192.0.2.1 192.0.2.1 1 2\r\n", "PROXY UDP4 192.0.2.1 192"),
            (b"\x16\x03\x01\x02\x00", "\\x16\\x03\\x01\\x02\\x00"),
        ] {
            let error = parse(bytes).unwrap_err();
            assert_eq!(error.to_string(), format!("a PROXY header is expected, found \"{found}\""));
        }
    }

    #[test]
    fn a_header_has_a_bound_and_its_last_byte_is_within() {
        let v1 = |length: usize| [b"PROXY UNKNOWN", &vec![b' '; length - 15][..], b"\r\n"].concat();
        assert_eq!(parse(&v1(V1_AT_MOST)), Ok(Some((Said::Somebody, V1_AT_MOST))));
        assert_eq!(parse(&v1(V1_AT_MOST + 1)), Err(HeaderError::TooLong { most: 107 }));
        let endless = v1(V1_AT_MOST + 2);
        assert_eq!(parse(&endless[..V1_AT_MOST - 1]), Ok(None));
        assert!(matches!(parse(&endless[..V1_AT_MOST]), Err(HeaderError::Malformed(_))));
        let v2 = |length: u16| [V2_START, &[0x20, 0], &(length - 16).to_be_bytes(), &vec![0; length.into()]].concat();
        assert_eq!(parse(&v2(4096)), Ok(Some((Said::Itself, 4096))));
        assert_eq!(parse(&v2(4097)), Err(HeaderError::TooLong { most: 4096 }));
        assert_eq!(parse(&v2(4097)[..4096]), Err(HeaderError::TooLong { most: 4096 }));
    }

    #[tokio::test]
    async fn a_peer_that_ends_within_its_header_is_an_end_and_no_header() {
        let (mut ours, mut theirs) = duplex(64);
        theirs.write_all(b"PROXY TCP4 192.0.2.1").await.unwrap();
        drop(theirs);
        assert_eq!(read(&mut ours).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
