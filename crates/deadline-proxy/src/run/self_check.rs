//! What a start needs, looked at before anybody is told that it serves.
//!
//! Covers what the settings name: certificates, upstreams, limits, the file of the access log, every port, and the names
//! of upstreams. All that cannot work is told at once, so that nobody starts five times to learn of five things. What was
//! opened for that stays open and is what is served on: nobody takes a port between the look and the use. A name that
//! has no address is a warning: it may have one before anybody asks.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use tokio::net::TcpListener;

use super::hand_over::{READY, Successor};
use crate::access::{AccessLog, Flush};
use crate::check::check;
use crate::error::Error;
use crate::limits::Limits;
use crate::listen::{self, Address, Bound, Inherited};
use crate::proxy::Proxy;
use crate::settings::Settings;

/// How long names may take before it serves all the same: a resolver that is asked twice, which gives each 5 s, is dead
/// or nearly so, and whoever asks later is no worse off.
const NAMES_AT_MOST: Duration = Duration::from_secs(5);

/// The argument that says where an operator asks.
const ADMIN: &str = "--admin";

/// All that it needs to start.
pub(super) struct Start {
    pub(super) limits: Limits,
    pub(super) access: Option<AccessLog>,
    pub(super) flush: Option<Flush>,
    pub(super) proxy: Proxy,
    pub(super) bound: Vec<Bound>,
    pub(super) admin: TcpListener,
    /// What no listener has taken.
    pub(super) inherited: Inherited,
    /// By which a process before this one wants to hear that it serves.
    pub(super) herald: Option<UnixDatagram>,
    /// The next one, which has the admin listener too.
    pub(super) heir: Successor,
}

impl Start {
    /// Makes everything ready, and opens every port. To be called once, as [`Inherited::take`] is.
    ///
    /// # Errors
    ///
    /// [`Error::Unready`], with all that is wrong. Nothing stays open then.
    pub(super) async fn of(settings: &Settings) -> Result<Self, Error> {
        let mut inherited = Inherited::take();
        let made = made(settings);
        let log = AccessLog::open(&settings.access).map_err(Error::Access);
        let herald = inherited.herald(READY);
        let admin = open_admin(settings.admin, &mut inherited).await;
        let taken = admin.is_ok().then_some(Address::Tcp(settings.admin));
        let bound = open_all(&settings.listeners, settings.workers, &mut inherited, taken.as_ref());
        match (made, log, bound, admin) {
            (Ok((limits, proxy)), Ok(log), Ok(bound), Ok(admin)) => {
                let (access, flush) = log.unzip();
                let proxy = proxy.access_log(access.clone()).keep_expired(settings.expired);
                let heir = heir(&admin, settings.admin)?;
                Ok(Self { limits, access, flush, proxy, bound, admin, inherited, herald, heir })
            }
            (made, log, bound, admin) => {
                let (mut wrong, bound) = (made.err().unwrap_or_default(), bound.err().unwrap_or_default());
                // The look at everything that was made has told of certificates too.
                let is_told = |error: &Error| !wrong.is_empty() && is_of_certificates(error);
                let bound: Vec<_> = bound.into_iter().filter(|error| !is_told(error)).collect();
                wrong.extend(log.err().into_iter().chain(bound).chain(admin.err()));
                Err(Error::Unready(wrong))
            }
        }
    }
}

/// Warns of the names of upstreams that have no address, and waits for them no longer than [`NAMES_AT_MOST`].
pub(super) async fn names(proxy: &Proxy) {
    for unresolved in proxy.resolve(NAMES_AT_MOST).await {
        // WARN: whoever is sent there is not served, for now.
        tracing::warn!("upstream {unresolved}; requests ask again");
    }
}

/// Opens these listeners, where those at `taken` are open already.
///
/// # Errors
///
/// What each of them fails of. Nothing stays open then.
pub(super) fn open_all<'a>(
    listeners: impl IntoIterator<Item = &'a listen::Settings>,
    workers: NonZeroUsize,
    inherited: &mut Inherited,
    taken: impl IntoIterator<Item = &'a Address>,
) -> Result<Vec<Bound>, Vec<Error>> {
    let (mut opened, mut wrong, mut ours) = (Vec::new(), Vec::new(), taken.into_iter().collect::<Vec<_>>());
    for listener in listeners {
        match Bound::bind(listener, workers.get(), inherited) {
            Ok(bound) => {
                opened.push(bound);
                ours.push(&listener.address);
            }
            Err(listen::Error::Listen { address: Address::Tcp(address), source }) => {
                wrong.push(in_the_way(address, &source, &ours).unwrap_or_else(|| {
                    Error::Listen(listen::Error::Listen { address: Address::Tcp(address), source })
                }));
            }
            Err(error) => wrong.push(Error::Listen(error)),
        }
    }
    if wrong.is_empty() { Ok(opened) } else { Err(wrong) }
}

async fn open_admin(address: SocketAddr, inherited: &mut Inherited) -> Result<TcpListener, Error> {
    let opened = match inherited.port(&admin(address)) {
        Some(listener) => TcpListener::from_std(listener),
        None => TcpListener::bind(address).await,
    };
    opened.map_err(|source| Error::Bind { address, argument: ADMIN, source })
}

fn heir(admin: &TcpListener, address: SocketAddr) -> Result<Successor, Error> {
    let copy = admin.as_fd().try_clone_to_owned();
    let copy = copy.map_err(|source| Error::Bind { address, argument: ADMIN, source })?;
    Ok(Successor::of_process().with(&self::admin(address), copy))
}

/// What the socket of the admin listener is called, where it is handed on.
fn admin(address: SocketAddr) -> String {
    format!("admin:{address}")
}

/// What has no port. Where something is wrong with it, everything of it is looked at once more, because only the first
/// fault is known.
fn made(settings: &Settings) -> Result<(Limits, Proxy), Vec<Error>> {
    let make = || {
        let limits = Limits::new(settings.limits.clone()).map_err(Error::Limits)?;
        let proxy = Proxy::new(&settings.proxy, &limits).map_err(Error::Proxy)?;
        Ok((limits, proxy))
    };
    make().map_err(|first: Error| check(settings).err().unwrap_or_else(|| vec![first]))
}

/// Whether it is one of ours that has the address: from the message of the system one would look for another process.
fn in_the_way(address: SocketAddr, why: &io::Error, ours: &[&Address]) -> Option<Error> {
    let is_in_the_way = |other: &&&Address| matches!(other, Address::Tcp(other) if overlap(address, *other));
    let other = ours.iter().find(is_in_the_way).filter(|_| why.kind() == io::ErrorKind::AddrInUse)?;
    Some(Error::OwnAddress { address, other: (**other).clone() })
}

/// Whether one of them takes what comes for the other. `[::]` has IPv4 too, where the system has not been told otherwise.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let covers = |all: IpAddr, ip: IpAddr| all == ip || all.is_unspecified() && (all.is_ipv6() || ip.is_ipv4());
    one.port() == other.port() && (covers(one.ip(), other.ip()) || covers(other.ip(), one.ip()))
}

fn is_of_certificates(error: &Error) -> bool {
    matches!(error, Error::Listen(listen::Error::Certificates(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listen::ServerTls;
    use crate::{access, limits, proxy, upstream};

    fn settings(listeners: &[&str], admin: &str) -> Settings {
        let upstream = upstream::Settings::new(["http://127.0.0.1:1".parse().unwrap()]);
        Settings {
            listeners: listeners.iter().map(|address| listen::Settings::new(address.parse().unwrap())).collect(),
            admin: admin.parse().unwrap(),
            workers: NonZeroUsize::MIN,
            limits: limits::Settings::default(),
            drain_limit: Duration::from_secs(1),
            access: access::Settings::default(),
            traces: None,
            expired: 0,
            proxy: proxy::Settings::new(upstream),
        }
    }

    async fn wrong(settings: &Settings) -> Vec<String> {
        match Start::of(settings).await {
            Ok(_) => Vec::new(),
            Err(Error::Unready(wrong)) => wrong.iter().map(ToString::to_string).collect(),
            Err(other) => panic!("{other}"),
        }
    }

    #[tokio::test]
    async fn what_is_well_is_opened() {
        let start = Start::of(&settings(&["127.0.0.1:0", "127.0.0.1:0"], "127.0.0.1:0")).await.ok().unwrap();
        assert_eq!(start.bound.len(), 2);
        assert!(start.admin.local_addr().is_ok_and(|address| address.port() > 0));
    }

    #[tokio::test]
    async fn all_that_cannot_work_is_told_and_each_of_it_once() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let taken = taken.local_addr().map(|address| (taken, address.to_string())).unwrap();
        let mut settings = settings(&[&taken.1, "127.0.0.1:0", "fd:web"], &taken.1);
        let missing = || "/nowhere.pem".into();
        settings.listeners[1].tls = Some(ServerTls { certificate: missing(), key: missing(), client_ca: None });
        settings.access.what = access::What::Full;
        settings.access.output = access::Output::File("/nowhere/access.log".into());
        let expect = |told: &[String], starts: &[&str]| {
            assert_eq!(told.len(), starts.len(), "{told:#?}");
            told.iter().zip(starts).for_each(|(told, start)| assert!(told.contains(start), "{told:?}: {start}"));
        };
        let in_use = format!("address in use: {}; choose another with --", taken.1);
        let log = "cannot write the access log to /nowhere/access.log";
        expect(&wrong(&settings).await, &[log, &in_use, "/nowhere.pem", "fd:web: no socket", &in_use]);
        // What is found a second time, because something else is wrong too, is told once.
        settings.limits.head_bytes = 1;
        let told = ["/nowhere.pem", "limits.head_bytes", log, &in_use, "fd:web: no socket", &in_use];
        expect(&wrong(&settings).await, &told);
    }

    /// Port 0 is another each time, so the port is one that was free a moment ago.
    #[tokio::test]
    async fn an_address_that_is_our_own_already_is_told_as_such() {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let (all, one) = (format!("0.0.0.0:{}", free.port()), free.to_string());
        let told = |address: &str, other: &str| {
            format!("address in use: {address}, by our own {other}; give one of them another, or leave it out")
        };
        assert_eq!(wrong(&settings(&[&all, &one], "127.0.0.1:0")).await, [told(&one, &all)]);
        assert_eq!(wrong(&settings(&[&one], &one)).await, [told(&one, &one)]);
    }

    #[test]
    fn two_addresses_overlap_where_one_takes_what_comes_for_the_other() {
        let overlap = |one: &str, other: &str| overlap(one.parse().unwrap(), other.parse().unwrap());
        for (one, other, expected) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("0.0.0.0:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "0.0.0.0:80", true),
            ("[::]:80", "127.0.0.1:80", true),
            ("0.0.0.0:80", "[::]:80", true),
            ("0.0.0.0:80", "[::1]:80", false),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("0.0.0.0:80", "127.0.0.1:81", false),
        ] {
            assert_eq!(overlap(one, other), expected, "{one} {other}");
        }
    }
}
