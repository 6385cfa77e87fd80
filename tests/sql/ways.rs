//! The ways to a server: whichever a connection was opened by, its cancels go by the same.

use std::sync::Arc;
use std::time::Duration;

use deadline_sql::deadpool_postgres::Pool;
use deadline_sql::postgres::Tls;
use deadline_sql::throwaway::Server;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;
use tower_deadline::{Deadline, now};

use super::support::{Counts, Database, Newcomers, Relay, Watcher, own_server, server};
use crate::support::{MS, SLACK};

const LONG: Duration = Duration::from_secs(20);

const SLEEP: &str = "SELECT pg_sleep(20)";
/// Whether this session is under TLS.
const SECURE: &str = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

/// A statement is stopped, by a cancel, on the connection that is used afterwards.
async fn assert_stopped(config: Config, tls: impl Tls, watcher: &Watcher, secure: bool) {
    let counts = Counts::default();
    let _recording = counts.record();
    let pool = Pool::builder(config, tls).max_size(1).build().unwrap();
    let mut connection = pool.get_before(Deadline::after(now(), LONG)).await.unwrap();
    assert_eq!(connection.query_one(SECURE, &[]).await.unwrap().get::<_, bool>(0), secure);
    let (pid, sleeping) = (connection.backend(), timeout(30 * MS, connection.query(SLEEP, &[])).await);
    assert!(sleeping.is_err(), "{sleeping:?}");
    watcher.until_idle(250 * MS + SLACK).await;
    assert_eq!(connection.query_one("SELECT 1", &[]).await.unwrap().get::<_, i32>(0), 1);
    assert_eq!((pid.is_some(), connection.backend()), (true, pid));
    assert_eq!(counts.of("deadline_sql_cancelled_total{outcome=cancel_request}"), 1.0);
}

/// A server with a certificate, and who trusts it.
fn secure() -> (Server, MakeRustlsConnect) {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let server = own_server(Server::builder().tls(own.cert.pem(), own.signing_key.serialize_pem()));
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(own.cert)).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    (server, MakeRustlsConnect::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

fn by_name(database: &Database, mode: SslMode) -> Config {
    let mut config = Config::new();
    config.host("localhost").hostaddr(database.address.ip()).port(database.address.port());
    config.user("postgres").dbname(&database.name).ssl_mode(mode);
    config
}

fn by_socket(database: &Database, server: &Server) -> Config {
    let mut config = Config::new();
    config.host_path(server.socket_folder()).port(server.port()).user("postgres").dbname(&database.name);
    config
}

#[tokio::test]
async fn a_statement_is_stopped_over_tcp() {
    let database = Database::new().await;
    assert_stopped(database.config(), NoTls, &database.watcher().await, false).await;
}

#[tokio::test]
async fn a_statement_is_stopped_under_tls() {
    let (server, tls) = secure();
    let database = Database::on(&server).await;
    let watcher = database.watcher().await;
    assert_stopped(by_name(&database, SslMode::Require), tls.clone(), &watcher, true).await;
    assert_stopped(by_name(&database, SslMode::Disable), tls, &watcher, false).await;
}

#[tokio::test]
async fn a_statement_is_stopped_where_a_server_has_no_tls_and_it_is_only_preferred() {
    let database = Database::new().await;
    let (_other, tls) = secure();
    assert_stopped(by_name(&database, SslMode::Prefer), tls, &database.watcher().await, false).await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_statement_is_stopped_over_a_unix_socket() {
    let database = Database::new().await;
    let watcher = database.watcher().await;
    assert_stopped(by_socket(&database, server()), NoTls, &watcher, false).await;
    let (secure, tls) = secure();
    let database = Database::on(&secure).await;
    let watcher = database.watcher().await;
    assert_stopped(by_socket(&database, &secure), tls, &watcher, false).await;
}

#[tokio::test]
async fn of_several_hosts_the_one_that_answered_is_told_to_stop() {
    let database = Database::new().await;
    let dead = Relay::to(database.address).await;
    dead.newcomers(Newcomers::Reset);
    let living = Relay::to(database.address).await;
    let unused = Relay::to(database.address).await;
    let mut config = Config::new();
    config.user("postgres").dbname(&database.name);
    for relay in [&dead, &living, &unused] {
        config.hostaddr(relay.address.ip()).port(relay.address.port());
    }
    assert_stopped(config, NoTls, &database.watcher().await, false).await;
    assert_eq!([&dead, &living, &unused].map(Relay::accepted), [1, 2, 0]);
}

#[tokio::test]
async fn a_primary_among_several_is_found_and_told_to_stop() {
    let (replica, primary) = (own_server(Server::builder()), Database::new().await);
    let read_only = Database::on(&replica).await;
    let creator = read_only.connect().await;
    creator.batch_execute(&format!("CREATE DATABASE {}", primary.name)).await.unwrap();
    // As read-only as a replica.
    creator.batch_execute("ALTER ROLE postgres SET default_transaction_read_only = on").await.unwrap();
    let config = format!(
        "host=127.0.0.1,127.0.0.1 port={},{} user=postgres dbname={} target_session_attrs=read-write",
        read_only.address.port(),
        primary.address.port(),
        primary.name,
    );
    assert_stopped(config.parse().unwrap(), NoTls, &primary.watcher().await, false).await;
}
