//! A pooler in transaction mode, between a test and a server.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;

use deadline_sql::throwaway::Server;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::sleep;

use super::Database;
use crate::support::{Folder, MS, Place, Program, soon};

/// In `PATH` for root alone, on some systems.
const PROGRAMS: [&str; 2] = ["pgbouncer", "/usr/sbin/pgbouncer"];

/// 1.18.0 is `[1, 18, 0]`.
pub(crate) type Version = [u32; 3];

/// PgBouncer in front of every database of one server. Killed when this is dropped.
pub(crate) struct PgBouncer {
    pub(crate) address: SocketAddr,
    pub(crate) version: Version,
    program: Program,
    _folder: Folder,
    /// Keeps the port, also once nobody listens on it.
    _place: Place,
}

impl PgBouncer {
    /// With so many connections to the server for each database. `None` where it is not installed, which is said: what
    /// needs it is skipped.
    pub(crate) async fn in_front_of(server: &Server, connections: usize) -> Option<Self> {
        let Some((path, version)) = installed().await else {
            eprintln!("SKIPPED: there is no pgbouncer; `cargo xtask test` installs it where it may");
            return None;
        };
        let (folder, place) = (Folder::new(), Place::take());
        let mut command = Command::new(path);
        // Like the server itself, it refuses to be root, and may become nobody.
        if fs::metadata(folder.path()).expect("a folder of ours").uid() == 0 {
            command.args(["-u", "nobody"]);
        }
        command.arg(settings(&folder, place.address, server, connections)).stdin(Stdio::null());
        let program = Program::launch("pgbouncer", command);
        let address = place.address;
        let listening = async {
            while TcpStream::connect(address).await.is_err() {
                sleep(5 * MS).await;
            }
        };
        soon("pgbouncer", listening).await;
        Some(Self { address, version, program, _folder: folder, _place: place })
    }

    /// The same database, by way of it.
    pub(crate) fn way_to(&self, database: &Database) -> Database {
        database.by_way_of(self.address)
    }

    /// Whether it still takes connections: 1.18 does not survive a cancel whose sender closes before it is answered.
    pub(crate) async fn is_up(&self) -> bool {
        TcpStream::connect(self.address).await.is_ok()
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.program.id()
    }
}

/// The file that it is started with.
fn settings(folder: &Folder, listen: SocketAddr, server: &Server, connections: usize) -> String {
    let users = folder.write("users.txt", "\"postgres\" \"\"\n");
    let (host, port) = (listen.ip(), listen.port());
    let text = format!(
        "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = {host}\nlisten_port = {port}\n\
         unix_socket_dir =\nauth_type = trust\nauth_file = {users}\npool_mode = transaction\n\
         default_pool_size = {connections}\nmax_client_conn = 400\nstats_users = postgres\n",
        server.port()
    );
    folder.write("pgbouncer.ini", &text)
}

/// Where it is, and which.
async fn installed() -> Option<(&'static str, Version)> {
    for program in PROGRAMS {
        if let Ok(output) = Command::new(program).arg("--version").output().await {
            let version = version(&String::from_utf8_lossy(&output.stdout));
            return Some((program, version.expect("it says its version")));
        }
    }
    None
}

/// `PgBouncer 1.18.0`, and other lines.
fn version(said: &str) -> Option<Version> {
    let mut numbers = said.lines().next()?.strip_prefix("PgBouncer ")?.split('.').map(str::parse);
    let mut number = || numbers.next()?.ok();
    Some([number()?, number()?, number()?])
}

#[test]
fn its_version_is_read() {
    assert_eq!(version("PgBouncer 1.18.0\nlibevent 2.1.12-stable\n"), Some([1, 18, 0]));
    for bad in ["", "PgBouncer", "PgBouncer 1.x.0", "libevent 2.1.12", "PgBouncer 1.18"] {
        assert_eq!(version(bad), None, "{bad}");
    }
}
