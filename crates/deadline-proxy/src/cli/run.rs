//! What a proxy is told on the command line.

use std::path::PathBuf;

use clap::{Arg, ArgGroup, Args};

use super::{DeadlineArgs, ForwardArgs, LimitArgs, ListenArgs, LogArgs, TraceArgs, TunnelArgs, UpstreamArgs};
use crate::error::Error;
use crate::settings::Settings;
use crate::{config, proxy};

/// The heading of what is said of a request, and not of the proxy.
pub(super) const REQUEST: &str = "Request";

/// How to proxy.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("told").args(["config", "upstream"]).required(true))]
pub struct RunArgs {
    /// Everything, from a file: listeners, routes, upstreams, policies. Instead of all the flags below.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Where requests go.
    #[command(flatten)]
    pub upstream: UpstreamArgs,

    /// Where requests come in.
    #[command(flatten)]
    pub listening: ListenArgs,

    /// How long they may take.
    #[command(flatten)]
    pub deadline: DeadlineArgs,

    /// What may become a tunnel.
    #[command(flatten)]
    pub tunnels: TunnelArgs,

    /// What is said about who asked.
    #[command(flatten)]
    pub forwarding: ForwardArgs,

    /// How much is taken on.
    #[command(flatten)]
    pub limits: LimitArgs,

    /// What is written of requests.
    #[command(flatten)]
    pub logging: LogArgs,

    /// Where spans go.
    #[command(flatten)]
    pub traces: TraceArgs,
}

/// A file says everything, so every flag that says a part of it contradicts it.
pub(super) fn alone(arg: Arg) -> Arg {
    let is_part = arg.get_help_heading().is_some_and(|heading| heading != REQUEST);
    if is_part { arg.conflicts_with("config") } else { arg }
}

impl RunArgs {
    /// What the process is told, by a file or by flags.
    ///
    /// # Errors
    ///
    /// What is wrong with the file, or where two arguments contradict each other.
    pub fn settings(&self) -> Result<Settings, Error> {
        match &self.config {
            Some(file) => config::read(file).map_err(Error::Config),
            None => self.flags(),
        }
    }

    fn flags(&self) -> Result<Settings, Error> {
        let (forwarding, hop) = (self.forwarding.settings(), self.deadline.hop.clone());
        let expose_origin = self.deadline.expose_origin;
        let base = proxy::Settings::new(self.upstream.settings());
        let mut proxy = proxy::Settings { forwarding, hop, expose_origin, ..base };
        for route in &mut proxy.routes {
            route.policy = self.deadline.policy()?;
            route.tunnel = self.tunnels.settings()?;
        }
        Ok(Settings {
            listeners: self.listening.listeners()?,
            admin: self.listening.admin,
            workers: self.listening.workers(),
            limits: self.limits.settings(),
            drain_limit: self.limits.drain_timeout,
            access: self.logging.settings()?,
            expired: self.listening.expired,
            traces: self.traces.settings()?,
            proxy,
        })
    }
}
