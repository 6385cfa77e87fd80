//! `deadline-proxy run`, as a program.

use std::net::SocketAddr;

use super::{Folder, Program};

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
        let mut program = Program::start("deadline-proxy", always.iter().chain(arguments));
        let (address, admin) = (program.address().await, program.address().await);
        Self { program, address, admin }
    }

    /// Keeps to a file of this text, which names the ports that it listens on.
    pub(crate) async fn configured(text: &str) -> Self {
        let folder = Folder::new();
        let file = folder.write("proxy.toml", text);
        let mut program = Program::start("deadline-proxy", ["run", "--config", &file]);
        let (address, admin) = (program.address().await, program.address().await);
        Self { program, address, admin }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}
