//! `deadline-proxy run`, as a program.

use std::fmt::Write;
use std::net::SocketAddr;
use std::process::Stdio;

use tokio::process::Command;

use super::{Folder, Program, binary, curl};

pub(crate) struct Proxy {
    pub(crate) program: Program,
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Proxy {
    /// Stands in front of `upstream`, without limits of its own.
    pub(crate) async fn to(upstream: SocketAddr) -> Self {
        Self::with(upstream, &[]).await
    }

    /// Stands in front of `upstream`, with more arguments.
    pub(crate) async fn with(upstream: SocketAddr, arguments: &[&str]) -> Self {
        Self::in_front_of(&format!("http://{upstream}"), arguments).await
    }

    /// Stands in front of an upstream of this URL, with more arguments.
    pub(crate) async fn in_front_of(upstream: &str, arguments: &[&str]) -> Self {
        let always = ["run", "--upstream", upstream, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
        Self::announced(Program::start("deadline-proxy", always.iter().chain(arguments))).await
    }

    /// Keeps to a file of this text, which names the ports that it listens on.
    pub(crate) async fn configured(text: &str) -> Self {
        Self::configured_with(text, &[]).await
    }

    /// Keeps to a file of this text, with these variables in its environment.
    pub(crate) async fn configured_with(text: &str, variables: &[(&str, &str)]) -> Self {
        let folder = Folder::new();
        let mut command = Command::new(binary("deadline-proxy"));
        command.args(["run", "--config", &folder.write("proxy.toml", text)]).stdin(Stdio::null());
        command.envs(variables.iter().copied());
        Self::announced(Program::launch("deadline-proxy", command)).await
    }

    /// Has upstreams of these names, and does with them what the rest of its file says.
    pub(crate) async fn of(upstreams: &[(&str, SocketAddr)], rest: &str) -> Self {
        let mut text = "admin = \"127.0.0.1:0\"\n[[listener]]\naddress = \"127.0.0.1:0\"\n".to_owned();
        for (name, address) in upstreams {
            writeln!(text, "[upstream.{name}]\ntargets = [\"http://{address}\"]").expect("a string takes it");
        }
        Self::configured(&(text + rest)).await
    }

    /// Once it has said where it listens.
    async fn announced(mut program: Program) -> Self {
        let (address, admin) = (program.address().await, program.address().await);
        Self { program, address, admin }
    }

    /// The sum of these series of a metric, each of which has all of these labels (`name="value"`).
    pub(crate) async fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let metrics = curl(&[&format!("http://{}/metrics", self.admin)]).await.text();
        let series = metrics.lines().filter_map(|line| {
            let rest = line.strip_prefix(name).filter(|rest| rest.starts_with(['{', ' ']))?;
            let (said, value) = rest.rsplit_once(' ')?;
            labels.iter().all(|label| said.contains(label)).then(|| value.parse::<f64>().ok())?
        });
        series.sum()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}
