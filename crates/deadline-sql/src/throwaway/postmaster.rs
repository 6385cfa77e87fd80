//! The process that serves a cluster.
//!
//! Covers its start, up to where it takes connections, and its stop. Its children it ends itself.

use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::Duration;

use super::cluster::Cluster;
use super::error::Error;

/// A busy machine takes seconds; this is for one that hangs.
const START: Duration = Duration::from_secs(60);
/// For each of the ways to stop it, the polite one first. The server itself kills who is stuck after 5 s.
const STOP: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(5);

/// A server that takes connections. Killed when dropped, which is not how it wants to end: see [`Self::stop`].
#[derive(Debug)]
pub(super) struct Postmaster(Child);

impl Postmaster {
    pub(super) fn start(cluster: &Cluster, port: u16) -> Result<Self, Error> {
        let program = cluster.programs.postgres();
        let mut command = cluster.command(&program)?;
        command.arg("-D").arg(cluster.data()).arg("-k").arg(cluster.path());
        command.args(["-h", &Ipv4Addr::LOCALHOST.to_string(), "-p", &port.to_string()]);
        // In a group of its own: an interrupt on a terminal is for its owner, who ends it.
        let child = command.process_group(0).spawn().map_err(Error::run(&program))?;
        let mut postmaster = Self(child);
        for _ in 0..polls(START) {
            if let Some(status) = postmaster.ended() {
                return Err(Error::Ended { program, status, said: cluster.last_words() });
            }
            if postmaster.is_ready(cluster) {
                return Ok(postmaster);
            }
            sleep(POLL);
        }
        Err(Error::NotReady { waited: START, said: cluster.last_words() })
    }

    pub(super) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Ends its sessions with a word to each, and waits until it is down. One that takes long is told to hurry, then
    /// killed.
    pub(super) fn stop(mut self) {
        for signal in ["INT", "QUIT"] {
            self.signal(signal);
            for _ in 0..polls(STOP) {
                if self.ended().is_some() {
                    return;
                }
                sleep(POLL);
            }
        }
    }

    /// Whether its file says so: of this process, and not of another that has the port.
    fn is_ready(&self, cluster: &Cluster) -> bool {
        let Ok(file) = fs::read_to_string(cluster.pid_file()) else { return false };
        let mut lines = file.lines();
        let number = lines.next().and_then(|line| line.parse().ok());
        number == Some(self.id()) && lines.nth(6).is_some_and(|state| state.trim_end() == "ready")
    }

    /// How, if it has.
    fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().ok().flatten()
    }

    fn signal(&self, name: &str) {
        // The shell's own word: not every machine has a program for it.
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &format!("kill -{name} {}", self.id())]);
        // A process that is gone is not told; whoever waits for its end sees it.
        let _ = shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

impl Drop for Postmaster {
    fn drop(&mut self) {
        // Of one that has ended, both say that it has.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn polls(time: Duration) -> u128 {
    time.as_millis() / POLL.as_millis()
}

/// A port that nobody has at this moment.
pub(super) fn free_port() -> Result<u16, Error> {
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    address.map(|address| address.port()).map_err(Error::folder("a port of 127.0.0.1"))
}

/// Whether somebody has this port by now.
pub(super) fn is_taken(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
}
