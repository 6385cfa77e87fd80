//! Who stops the server when its owner is gone.
//!
//! Covers every end of the owner: dropped, unwound, left in a static at the end of the process, killed by SIGKILL. A
//! shell waits for the end of a pipe whose other side nobody but the owner holds. Does not cover a machine that goes down.

use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};

use super::cluster::Cluster;
use super::error::Error;

const SHELL: &str = "/bin/sh";

/// `$1` is where the server writes its number, and removes it when it is down; `$2` is the folder of all.
///
/// SIGQUIT is the immediate shutdown: nothing is saved, and after 5 s the server kills whoever of its own is stuck.
const SCRIPT: &str = r#"
read -r _
pid=$(head -n 1 "$1" 2>/dev/null) && kill -QUIT "$pid" 2>/dev/null && {
    tries=0
    while [ -e "$1" ] && [ $tries -lt 300 ]; do
        sleep 0.05
        tries=$((tries + 1))
    done
    [ -e "$1" ] && kill -KILL "$pid"
}
rm -rf -- "$2"
"#;

/// Stops the server, and removes its folder, once this is gone.
#[derive(Debug)]
pub(super) struct Guardian {
    shell: Child,
    /// The only handle of its kind: nothing that this process starts inherits it.
    pipe: Option<ChildStdin>,
}

impl Guardian {
    pub(super) fn of(cluster: &Cluster) -> Result<Self, Error> {
        let mut command = Command::new(SHELL);
        command.args(["-c", SCRIPT, SHELL]).arg(cluster.pid_file()).arg(cluster.path()).current_dir("/");
        // In a group of its own: what a terminal sends to its owner is not meant for it.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        cluster.account.inspect(|account| account.run(&mut command));
        let mut shell = command.spawn().map_err(Error::run(SHELL))?;
        let pipe = shell.stdin.take();
        Ok(Self { shell, pipe })
    }
}

impl Drop for Guardian {
    /// Waits until the server is down.
    fn drop(&mut self) {
        drop(self.pipe.take());
        let _ = self.shell.wait();
    }
}
