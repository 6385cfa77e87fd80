//! What may become a tunnel.

use std::time::Duration;

use clap::Args;
use tower_deadline::UpgradePolicy;

use super::value::{count, limit};
use crate::error::Error;
use crate::proxy::tunnel;

/// What may become a tunnel.
#[derive(Args, Debug)]
#[command(next_help_heading = "Tunnels")]
pub struct TunnelArgs {
    /// Let clients switch to this protocol, such as websocket. Can be given several times; every other wish to switch
    /// is stripped.
    #[arg(long, value_name = "PROTOCOL")]
    pub upgrade: Vec<String>,

    /// How long a tunnel lasts in which no byte goes either way.
    #[arg(long, value_name = "DURATION", value_parser = limit, requires = "upgrade", default_value = "5m")]
    pub tunnel_idle: Duration,

    /// How long a tunnel lasts at most. [default: no limit]
    #[arg(long, value_name = "DURATION", value_parser = limit, requires = "upgrade")]
    pub tunnel_lifetime: Option<Duration>,

    /// The most tunnels at a time, beside --max-connections; the next one is answered with 503.
    #[arg(long, value_name = "N", value_parser = count, requires = "upgrade", default_value = "16384")]
    pub max_tunnels: usize,
}

impl TunnelArgs {
    /// What tunnels are held to.
    ///
    /// # Errors
    ///
    /// A protocol that cannot be switched to.
    pub fn settings(&self) -> Result<tunnel::Settings, Error> {
        let upgrades = match self.upgrade.as_slice() {
            [] => UpgradePolicy::Strip,
            protocols => UpgradePolicy::allow(protocols).map_err(Error::Upgrade)?,
        };
        let (idle_limit, lifetime_limit, most) = (self.tunnel_idle, self.tunnel_lifetime, self.max_tunnels);
        Ok(tunnel::Settings { upgrades, idle_limit, lifetime_limit, most })
    }
}
