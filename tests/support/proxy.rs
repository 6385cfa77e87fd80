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
    /// Where its file is, if it has one.
    folder: Option<Folder>,
}

/// What the file of a proxy is called.
const FILE: &str = "proxy.toml";

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
        Self::announced(Program::start("deadline-proxy", always.iter().chain(arguments)), None).await
    }

    /// Keeps to a file of this text, which names the ports that it listens on.
    pub(crate) async fn configured(text: &str) -> Self {
        Self::configured_with(text, &[]).await
    }

    /// Keeps to a file of this text, with these variables in its environment.
    pub(crate) async fn configured_with(text: &str, variables: &[(&str, &str)]) -> Self {
        let folder = Folder::new();
        let mut command = Command::new(binary("deadline-proxy"));
        command.args(["run", "--config", &folder.write(FILE, text)]).stdin(Stdio::null());
        command.envs(variables.iter().copied());
        Self::announced(Program::launch("deadline-proxy", command), Some(folder)).await
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
    async fn announced(mut program: Program, folder: Option<Folder>) -> Self {
        let (address, admin) = (program.address().await, program.address_of("admin on").await);
        Self { program, address, admin, folder }
    }

    /// The folder of its file, `proxy.toml`.
    pub(crate) fn folder(&self) -> &Folder {
        self.folder.as_ref().expect("it has a file")
    }

    /// Writes this into its file, at once as a whole, and leaves it to the proxy to notice.
    pub(crate) fn rewrite(&self, text: &str) {
        let next = self.folder().write("proxy.toml.next", text);
        std::fs::rename(next, self.folder().of(FILE)).expect("a file can be renamed");
    }

    /// Asks it to read its file again: the status, and what it says of it.
    pub(crate) async fn reload(&self) -> (u16, String) {
        let answer = curl(&["-X", "POST", &format!("http://{}/reload", self.admin)]).await;
        (answer.status, answer.text())
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
