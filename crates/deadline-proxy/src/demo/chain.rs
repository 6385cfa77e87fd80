//! The chain: three servers on loopback ports, in one process, and a database behind the last, where there is one.
//!
//! The proxy is the one that `run` starts, and the services are served as it is. Nothing but sockets connects
//! them.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::Service;
use tower_deadline::BoxError;

use super::Hop;
use super::cases::Terms;
use super::database::Statements;
use super::ledger::Ledger;
use super::record::recorded;
use super::service::{Payments, charge, order, service};
use crate::limits::Limits;
use crate::proxy::{Proxy, Settings};
use crate::serve::{self, serve};
use crate::upstream::{self, Pools};

/// The running chain.
pub(super) struct Chain {
    /// Where clients go.
    pub(super) address: SocketAddr,
    pub(super) ledger: Ledger,
    terms: Terms,
    closed: Vec<Hop>,
    stop: watch::Sender<bool>,
    servers: JoinSet<()>,
}

impl Chain {
    /// Opens all ports, closes again those of the hops that are stopped, and serves the others.
    pub(super) async fn start(
        terms: Terms,
        closed: Vec<Hop>,
        ledger: Ledger,
        statements: Option<Statements>,
    ) -> io::Result<Self> {
        // All at once, so that no hop is given the port that another has just closed.
        let (proxy, orders, payments) = (bind().await?, bind().await?, bind().await?);
        let target = format!("http://{}", orders.local_addr()?).parse().map_err(io::Error::other)?;
        let (upstream, hop) = (upstream::Settings::new([target]), Hop::Proxy.as_str().to_owned());
        let settings = Settings { hop, ..Settings::new(upstream).policy(terms.policy()) };
        let front = Proxy::new(&settings, &Limits::default()).map_err(io::Error::other)?;
        let to_payments = Payments::at(payments.local_addr()?);
        let (stop, servers) = (watch::Sender::new(false), JoinSet::new());
        let mut chain = Self { address: proxy.local_addr()?, ledger, terms, closed, stop, servers };
        let policy = chain.terms.policy();
        let handler = move |head| charge(statements.clone(), head);
        chain.serve(Hop::Payments, payments, service(Hop::Payments, policy.clone(), handler));
        let handler = move |head| order(to_payments.clone(), head);
        chain.serve(Hop::Orders, orders, service(Hop::Orders, policy, handler));
        chain.serve(Hop::Proxy, proxy, front.service(&Pools::new(1)));
        Ok(chain)
    }

    fn serve<S, B>(&mut self, hop: Hop, listener: TcpListener, service: S)
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError> + Send,
        S::Future: Send,
        B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        if self.closed.contains(&hop) {
            return;
        }
        let service = recorded(self.ledger.clone(), hop, self.terms.policy(), service);
        let mut stopped = self.stop.subscribe();
        self.servers.spawn(serve(listener, service, serve::Terms::default(), async move {
            // A sender that is gone means the same.
            let _ = stopped.wait_for(|stopped| *stopped).await;
        }));
    }

    /// Closes all ports.
    pub(super) async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.servers.join_next().await.is_some() {}
    }
}

async fn bind() -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await
}
