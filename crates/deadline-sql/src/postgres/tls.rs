//! The one thing that dialling and cancelling are generic over.
//!
//! Covers what a TLS connector has to be able to do, without naming its type any further up.

use std::future::Future;
use std::pin::Pin;

use tokio::task::JoinHandle;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{CancelToken, Client, Config, Error, Socket};

use super::address::Address;
use super::cancel::cancel;
use super::stream::CancelStream;
use crate::adapter::Delivery;

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A connector: `tokio_postgres::NoTls`, `tokio_postgres_rustls::MakeRustlsConnect`, or another one that secures
/// any stream. It is implemented for whatever can be; nothing else has to be done.
pub trait Tls: Send + Sync + 'static {
    #[doc(hidden)]
    fn connect<'a>(&'a self, config: &'a Config) -> BoxFuture<'a, Result<(Client, JoinHandle<()>), Error>>;

    #[doc(hidden)]
    fn cancel<'a>(&'a self, token: &'a CancelToken, address: &'a Address) -> BoxFuture<'a, Delivery>;
}

impl<T> Tls for T
where
    T: MakeTlsConnect<Socket> + MakeTlsConnect<CancelStream> + Clone + Send + Sync + 'static,
    <T as MakeTlsConnect<Socket>>::Stream: Send,
    <T as MakeTlsConnect<Socket>>::TlsConnect: Send,
    <<T as MakeTlsConnect<Socket>>::TlsConnect as TlsConnect<Socket>>::Future: Send,
    <T as MakeTlsConnect<CancelStream>>::Stream: Send,
    <T as MakeTlsConnect<CancelStream>>::TlsConnect: Send,
    <<T as MakeTlsConnect<CancelStream>>::TlsConnect as TlsConnect<CancelStream>>::Future: Send,
{
    fn connect<'a>(&'a self, config: &'a Config) -> BoxFuture<'a, Result<(Client, JoinHandle<()>), Error>> {
        Box::pin(async move {
            let (client, connection) = config.connect(self.clone()).await?;
            let driven = tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(target: "deadline_sql", %error, "a connection to the database ended");
                }
            });
            Ok((client, driven))
        })
    }

    fn cancel<'a>(&'a self, token: &'a CancelToken, address: &'a Address) -> BoxFuture<'a, Delivery> {
        Box::pin(async move {
            let mut tls = self.clone();
            let made = MakeTlsConnect::<CancelStream>::make_tls_connect(&mut tls, address.name()).ok();
            match made {
                Some(tls) => cancel(token, address, tls).await,
                None => Delivery::NotSent,
            }
        })
    }
}
