//! A cancel that is known to have been acted on.
//!
//! Covers the CancelRequest of the protocol (PostgreSQL, "Canceling Requests in Progress"), sent on a connection of its
//! own, and waited for until the server closes it: by then the server's process has signalled the backend, and a signal
//! that finds the backend idle is forgotten before it reads its next command. Does not know whether anything was
//! running, nor does the server tell.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio_postgres::CancelToken;
use tokio_postgres::tls::TlsConnect;

use super::address::Address;
use super::stream::{CancelStream, Socket};
use super::tls::Tls;
use crate::adapter::{Delivery, Ticket};
use crate::timer;

/// How long the socket of a cancel is kept open for a server that does not answer, whoever has given up meanwhile.
const PATIENCE: Duration = Duration::from_secs(60);

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
    let Ok(socket) = returned.await else { return Delivery::Unknown };
    // In a task of its own: whoever waits for it may give up, and PgBouncer 1.18 dies of a cancel that is closed before
    // it is answered (issue 801).
    match tokio::spawn(timer::within(PATIENCE, farewell(socket))).await {
        Ok(Some(())) => Delivery::Acted,
        Ok(None) | Err(_) => Delivery::Unknown,
    }
}

/// The server says nothing here but TLS's farewell. A reset is an end as well: it had unread bytes of ours.
async fn farewell(mut socket: Socket) {
    let mut rest = [0; 256];
    while let Ok(1..) = socket.read(&mut rest).await {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    use tokio::net::{TcpListener, TcpStream};
    use tokio_postgres::{Config, NoTls};

    /// A token of a session with a server that says no more than it has to.
    async fn token(listener: &TcpListener, address: SocketAddr) -> CancelToken {
        let mut config = Config::new();
        config.hostaddr(address.ip()).port(address.port()).user("u");
        let serving = async {
            let (mut session, _) = listener.accept().await.unwrap();
            let mut start = [0; 1_024];
            assert!(session.read(&mut start).await.unwrap() > 0);
            // Authentication is done, the keys of a cancel, ready for a query.
            let said = b"R\0\0\0\x08\0\0\0\0K\0\0\0\x0c\0\0\0\x01\0\0\0\x02Z\0\0\0\x05I";
            tokio::io::AsyncWriteExt::write_all(&mut session, said).await.unwrap();
            session
        };
        let (connected, _session) = tokio::join!(config.connect(NoTls), serving);
        connected.unwrap().0.cancel_token()
    }

    async fn cancelled() -> (TcpStream, impl Future<Output = Delivery>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let token = token(&listener, address).await;
        let mut cancelling = Box::pin(async move { cancel(&token, &Address::Tcp(address, None), NoTls).await });
        let taken = async {
            let (mut taken, _) = listener.accept().await.unwrap();
            let mut packet = [0; 16];
            taken.read_exact(&mut packet).await.unwrap();
            assert_eq!(packet, *b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x01\0\0\0\x02");
            taken
        };
        let taken = tokio::select! {
            taken = taken => taken,
            delivery = &mut cancelling => panic!("{delivery:?} before the server has closed"),
        };
        (taken, cancelling)
    }

    #[tokio::test]
    async fn a_cancel_is_acted_on_when_the_server_closes() {
        let (taken, cancelling) = cancelled().await;
        drop(taken);
        assert_eq!(cancelling.await, Delivery::Acted);
    }

    #[tokio::test]
    async fn a_cancel_that_nobody_waits_for_stays_open_until_the_server_closes() {
        let (mut taken, mut cancelling) = cancelled().await;
        let waited = timer::within(Duration::from_millis(50), &mut cancelling).await;
        assert_eq!(waited, None);
        drop(cancelling);
        let closed = timer::within(Duration::from_millis(200), taken.read_u8()).await;
        assert!(closed.is_none(), "{closed:?}");
    }

    #[tokio::test]
    async fn nobody_there_is_not_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let token = token(&listener, address).await;
        drop(listener);
        assert_eq!(cancel(&token, &Address::Tcp(address, None), NoTls).await, Delivery::NotSent);
    }
}
