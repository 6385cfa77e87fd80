//! A configuration for one of its hosts.
//!
//! tokio-postgres tries the hosts of a configuration, and the addresses of each, one after the other, and does not tell
//! which one it was. A cancel has to go to the same one, so we try them ourselves.

use std::net::IpAddr;

use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// The same configuration, for this host alone, by this address if it has one.
pub(super) fn single(config: &Config, host: Option<&Host>, address: Option<IpAddr>, port: u16) -> Config {
    let mut single = without_hosts(config);
    match host {
        Some(Host::Tcp(name)) => {
            single.host(name);
        }
        #[cfg(unix)]
        Some(Host::Unix(folder)) => {
            single.host_path(folder);
        }
        #[cfg(not(unix))]
        Some(_) => {}
        None => {}
    }
    if let Some(address) = address {
        single.hostaddr(address);
    }
    single.port(port);
    single
}

fn without_hosts(config: &Config) -> Config {
    let mut copy = Config::new();
    config.get_user().map(|user| copy.user(user));
    config.get_password().map(|password| copy.password(password));
    config.get_dbname().map(|name| copy.dbname(name));
    config.get_options().map(|options| copy.options(options));
    config.get_application_name().map(|name| copy.application_name(name));
    config.get_connect_timeout().map(|limit| copy.connect_timeout(*limit));
    config.get_tcp_user_timeout().map(|limit| copy.tcp_user_timeout(*limit));
    config.get_keepalives_interval().map(|interval| copy.keepalives_interval(interval));
    config.get_keepalives_retries().map(|retries| copy.keepalives_retries(retries));
    copy.ssl_mode(config.get_ssl_mode())
        .ssl_negotiation(config.get_ssl_negotiation())
        .keepalives(config.get_keepalives())
        .keepalives_idle(config.get_keepalives_idle())
        .target_session_attrs(config.get_target_session_attrs())
        .channel_binding(config.get_channel_binding());
    copy
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &str = "user=u password=p dbname=d options='-c a=b' application_name=n sslmode=require \
        sslnegotiation=direct connect_timeout=3 tcp_user_timeout=4 keepalives=0 keepalives_idle=5 \
        keepalives_interval=6 keepalives_retries=7 target_session_attrs=read-write channel_binding=require";

    fn debug(config: &Config) -> String {
        format!("{config:?}")
    }

    #[test]
    fn nothing_is_lost_but_the_other_hosts() {
        let parsed = |text: &str| text.parse::<Config>().unwrap();
        let all = parsed(&format!("host=a,b port=1,2 {ALL}"));
        let host = Host::Tcp("b".to_owned());
        let one = single(&all, Some(&host), Some([127, 0, 0, 1].into()), 2);
        assert_eq!(debug(&one), debug(&parsed(&format!("host=b hostaddr=127.0.0.1 port=2 {ALL}"))));
        let plain = parsed("user=u hostaddr=::1");
        assert_eq!(
            debug(&single(&plain, None, Some("::1".parse().unwrap()), 5432)),
            debug(&parsed("user=u hostaddr=::1 port=5432"))
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_socket_is_a_host_without_an_address() {
        let all = format!("host=/run/postgresql,a port=5433,1 {ALL}").parse::<Config>().unwrap();
        let one = single(&all, Some(&all.get_hosts()[0]), None, 5433);
        assert_eq!(debug(&one), debug(&format!("host=/run/postgresql port=5433 {ALL}").parse().unwrap()));
    }
}
