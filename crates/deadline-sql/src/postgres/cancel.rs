//! A cancel that is known to have been acted on.
//!
//! Covers the CancelRequest of the protocol (PostgreSQL, "Canceling Requests in Progress"), sent on a connection of its
//! own, and waited for until the server closes it: by then the server's process has signalled the backend, and a signal
//! that finds the backend idle is forgotten before it reads its next command. Does not know whether anything was
//! running, nor does the server tell.

use std::fmt;
use std::sync::Arc;

use tokio::io::AsyncReadExt;
use tokio_postgres::CancelToken;
use tokio_postgres::tls::TlsConnect;

use super::address::Address;
use super::stream::CancelStream;
use super::tls::Tls;
use crate::adapter::{Delivery, Ticket};

/// Stops what one connection runs.
#[derive(Clone)]
pub struct CancelTicket {
    pub(super) token: CancelToken,
    pub(super) address: Address,
    pub(super) tls: Arc<dyn Tls>,
}

impl Ticket for CancelTicket {
    async fn cancel(&self) -> Delivery {
        self.tls.cancel(&self.token, &self.address).await
    }
}

impl fmt::Debug for CancelTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelTicket").field("address", &self.address).finish_non_exhaustive()
    }
}

pub(super) async fn cancel<T>(token: &CancelToken, address: &Address, tls: T) -> Delivery
where
    T: TlsConnect<CancelStream>,
{
    let Ok(socket) = address.connect().await else { return Delivery::NotSent };
    let (stream, returned) = CancelStream::new(socket);
    // Under TLS an error can come before or after the packet left.
    if token.cancel_query_raw(stream, tls).await.is_err() {
        return Delivery::Unknown;
    }
    let Ok(mut socket) = returned.await else { return Delivery::Unknown };
    // The server says nothing here but TLS's farewell. A reset is an end as well: it had unread bytes of ours.
    let mut farewell = [0; 256];
    while let Ok(1..) = socket.read(&mut farewell).await {}
    Delivery::Acted
}
