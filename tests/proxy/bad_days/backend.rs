//! An upstream that is a process of its own, which dies and stands still as processes do.

use std::net::SocketAddr;

use crate::support::{Place, Program};

/// A hop in front of a server of the test, which plays what is asked of it: what happens to this process, the system
/// does, and no script.
pub(super) struct Backend {
    pub(super) address: SocketAddr,
    behind: SocketAddr,
    /// Keeps the port while nobody listens on it.
    _place: Place,
    program: Option<Program>,
}

impl Backend {
    pub(super) async fn start(behind: SocketAddr) -> Self {
        let place = Place::take();
        let mut backend = Self { address: place.address, behind, _place: place, program: None };
        backend.rise().await;
        backend
    }

    /// SIGKILL: the system closes what it had open, and refuses whoever comes.
    pub(super) fn kill(&mut self) {
        self.program = None;
    }

    /// Starts anew, at the same address.
    pub(super) async fn rise(&mut self) {
        let (listen, behind) = (self.address.to_string(), format!("http://{}", self.behind));
        let place = ["--listen", &listen, "--admin", "127.0.0.1:0"];
        let rest = ["--upstream", &behind, "--hop", "backend", "--workers", "1", "--upgrade", "websocket"];
        let mut program = Program::start("deadline-proxy", ["run"].iter().chain(&place).chain(&rest));
        assert_eq!(program.address().await, self.address);
        program.address().await;
        self.program = Some(program);
    }

    /// SIGSTOP: the system still takes connections for it, and what is sent; nothing comes back.
    pub(super) async fn stop(&self) {
        self.signal("STOP").await;
    }

    /// SIGCONT.
    pub(super) async fn go_on(&self) {
        self.signal("CONT").await;
    }

    async fn signal(&self, name: &str) {
        self.program.as_ref().expect("it runs").signal(name).await;
    }
}
