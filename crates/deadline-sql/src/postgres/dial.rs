//! Dialling.
//!
//! Covers trying every host of a configuration, and every address of each, in the order that tokio-postgres has, and
//! remembering which one answered. Does not pool.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::net::lookup_host;
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, LoadBalanceHosts};
use tokio_postgres::{Client, Config, Error};

use super::address::Address;
use super::backend::Backend;
use super::cancel::CancelTicket;
use super::pooler::Pooler;
use super::single::single;
use super::tls::Tls;
use crate::adapter::connecting;

/// A connection, the task that drives it, and what is known of its other end.
pub(crate) struct Dialled {
    pub(crate) client: Client,
    pub(crate) driven: JoinHandle<()>,
    pub(crate) backend: Backend,
}

/// Connects to the first that answers, in stage `connect`.
pub(crate) async fn dial(config: &Config, tls: &Arc<dyn Tls>, pooler: Pooler) -> Result<Dialled, Error> {
    // Seldom, and large: it is not to be a part of every wait for a connection.
    Box::pin(connecting(async {
        let mut failed = None;
        for (config, address) in candidates(config).await {
            match tls.connect(&config).await {
                Ok((client, driven)) => {
                    let ticket = CancelTicket { token: client.cancel_token(), address, tls: Arc::clone(tls) };
                    let backend = Backend::of(&client, Some(ticket), pooler).await?;
                    return Ok(Dialled { client, driven, backend });
                }
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) => Err(error),
            // No host has an address: tokio-postgres has the words for it.
            None => nowhere(config, tls, pooler).await,
        }
    }))
    .await
}

async fn nowhere(config: &Config, tls: &Arc<dyn Tls>, pooler: Pooler) -> Result<Dialled, Error> {
    let (client, driven) = tls.connect(config).await?;
    // Nobody knows where it is, so it cannot be told to stop.
    let backend = Backend::of(&client, None, pooler).await?;
    Ok(Dialled { client, driven, backend })
}

/// A configuration for each address that the hosts have, in the order in which they are tried.
async fn candidates(config: &Config) -> Vec<(Config, Address)> {
    let (hosts, addresses, ports) = (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
    let several = hosts.len().max(addresses.len());
    // What tokio-postgres refuses, it is to refuse in its words.
    if (!hosts.is_empty() && !addresses.is_empty() && hosts.len() != addresses.len())
        || (ports.len() > 1 && ports.len() != several)
    {
        return Vec::new();
    }
    let mut order: Vec<usize> = (0..several).collect();
    let random = config.get_load_balance_hosts() == LoadBalanceHosts::Random;
    if random {
        fastrand::shuffle(&mut order);
    }
    let mut candidates = Vec::new();
    for index in order {
        let port = ports.get(index).or(ports.first()).copied().unwrap_or(5432);
        let host = hosts.get(index);
        let mut found = resolved(host, addresses.get(index).copied(), port).await;
        if random {
            fastrand::shuffle(&mut found);
        }
        candidates.extend(found.into_iter().map(|(ip, address)| (single(config, host, ip, port), address)));
    }
    candidates
}

async fn resolved(host: Option<&Host>, given: Option<IpAddr>, port: u16) -> Vec<(Option<IpAddr>, Address)> {
    let name = match host {
        Some(Host::Tcp(name)) => Some(name.clone()),
        #[cfg(unix)]
        Some(Host::Unix(folder)) if given.is_none() => return vec![(None, Address::Unix(folder.clone(), port))],
        _ => None,
    };
    let at = |ip: IpAddr| (Some(ip), Address::Tcp(SocketAddr::new(ip, port), name.clone()));
    match (given, &name) {
        (Some(ip), _) => vec![at(ip)],
        (None, Some(name)) => {
            let found = lookup_host((name.as_str(), port)).await;
            found.map(|found| found.map(|found| at(found.ip())).collect()).unwrap_or_default()
        }
        (None, None) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn addresses(config: &str) -> Vec<Address> {
        let candidates = candidates(&config.parse().unwrap()).await;
        candidates.into_iter().map(|(_, address)| address).collect()
    }

    #[tokio::test]
    async fn every_host_is_tried_in_its_order_at_its_port() {
        let name = |name: &str| Some(name.to_owned());
        let expected =
            [Address::Tcp(([127, 0, 0, 1], 1).into(), name("a")), Address::Tcp(([127, 0, 0, 2], 2).into(), name("b"))];
        assert_eq!(addresses("host=a,b hostaddr=127.0.0.1,127.0.0.2 port=1,2").await, expected);
        let one_port = addresses("hostaddr=127.0.0.1,127.0.0.2 port=7").await;
        assert_eq!(one_port, [1, 2].map(|last| Address::Tcp(([127, 0, 0, last], 7).into(), None)));
        assert_eq!(addresses("host=127.0.0.9").await, [Address::Tcp(([127, 0, 0, 9], 5432).into(), name("127.0.0.9"))]);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_socket_has_its_folder_and_port() {
        assert_eq!(addresses("host=/run/postgresql port=5433").await, [Address::Unix("/run/postgresql".into(), 5433)]);
    }

    #[tokio::test]
    async fn what_the_driver_refuses_is_left_to_it() {
        assert_eq!(addresses("host=a,b hostaddr=127.0.0.1").await, []);
        assert_eq!(addresses("hostaddr=127.0.0.1,127.0.0.2 port=1,2,3").await, []);
        assert_eq!(addresses("user=u").await, []);
    }
}
