//! Where connections come in, up to the first byte of HTTP.
//!
//! Covers addresses (TCP, Unix sockets, inherited sockets), one socket for each worker, the PROXY header of peers that
//! are trusted, TLS with certificates that can be renewed while it serves, and an end at which nobody who has connected is
//! lost. Knows no HTTP and no limit: those are of whoever accepts. A connection goes through it so:
//!
//! ```text
//! Settings ─ Bound::bind ─▶ Socket × workers ─ listen ─▶ Listener ─ accept ─▶ Raw ─ establish ─▶ Stream, Client, Alpn
//! ```
//!
//! # Example
//!
//! ```
//! use deadline_proxy::listen::{Bound, Inherited, Settings};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let settings = Settings::new("127.0.0.1:0".parse()?);
//! let bound = Bound::bind(&settings, 1, &mut Inherited::take())?;
//! let client = tokio::net::TcpStream::connect(bound.address()).await?;
//! for socket in bound.sockets() {
//!     let listener = socket.listen()?;
//!     let (_stream, who, _alpn) = listener.accept().await?.establish().await?;
//!     assert_eq!(who.address, client.local_addr().ok());
//! }
//! # Ok(())
//! # }
//! ```

mod address;
mod bound;
mod close;
mod entrance;
mod error;
mod inherited;
mod listener;
mod proxy_header;
mod share;
mod stream;
mod tls;
mod unix;

#[cfg(test)]
mod tests;

pub use address::Address;
pub use bound::{Bound, Socket};
pub(crate) use close::waiting;
pub use entrance::Entrance;
pub use error::Error;
pub use inherited::Inherited;
pub use listener::{Alpn, EstablishError, Listener, Raw};
pub use proxy_header::HeaderError;
pub use share::Share;
pub(crate) use share::name;
pub use stream::Stream;
pub use tls::{Certificates, CertificatesError, ServerTls};

use crate::client::Side;
use crate::peers::Peers;

/// What a listener is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where it stands.
    pub address: Address,
    /// Whether it speaks TLS, and with which files. TLS and plain HTTP do not share a listener.
    pub tls: Option<ServerTls>,
    /// Who must send a PROXY header first: such a peer without one is refused. From everybody else none is read, so
    /// nobody else can say that it is somebody else.
    pub proxy_protocol: Option<Peers>,
    /// On which side those stand who come in here.
    pub side: Side,
}

impl Settings {
    /// A plain listener there, which believes nobody.
    #[must_use]
    pub fn new(address: Address) -> Self {
        Self { address, tls: None, proxy_protocol: None, side: Side::Internal }
    }
}
