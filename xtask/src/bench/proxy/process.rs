//! A program that runs on cores of its own until it is dropped.

use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use super::proc;
use crate::Outcome;

/// How long a program may take until it listens: some read a large configuration, or run under valgrind.
const START: Duration = Duration::from_secs(60);

/// How long one may take to end when it is asked to.
const END: Duration = Duration::from_secs(10);

const STEP: Duration = Duration::from_millis(20);

/// What is to be run.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) args: Vec<String>,
    /// Where it listens, first of all.
    pub(super) port: u16,
}

/// A program that is running.
#[derive(Debug)]
pub(super) struct Running(Child);

impl Program {
    /// Runs it on these cores, and waits until it listens. What it says goes into a file of the folder.
    pub(super) fn start(&self, cores: &str, folder: &Path) -> Outcome<Running> {
        let Self { name, path, args, port } = self;
        if is_open(*port) {
            return Err(format!("port {port}, for {name}, is in use: choose others by `--port`"));
        }
        let log = folder.join(format!("{}.log", name.replace(' ', "-")));
        let file = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let mut command = pinned(cores);
        command.arg(path).args(args).current_dir(folder);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        command.env("GOMAXPROCS", "1").env("XDG_CONFIG_HOME", folder);
        let child = command.spawn().map_err(|error| format!("{name} cannot be run: {error}"))?;
        let mut running = Running(child);
        for _ in 0..START.as_millis() / STEP.as_millis() {
            if is_open(*port) {
                return Ok(running);
            }
            if running.has_ended() {
                break;
            }
            sleep(STEP);
        }
        let said = fs::read_to_string(&log).unwrap_or_default();
        Err(format!("{name} does not listen on port {port}; it says: {}", said.trim()))
    }
}

impl Running {
    /// One that reads what it is to do next, and says what it has done.
    pub(super) fn talking(mut command: Command) -> Outcome<(Self, ChildStdin, ChildStdout)> {
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = spawned.map_err(|error| format!("{command:?}: {error}"))?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(stdin), Some(stdout)) => Ok((Self(child), stdin, stdout)),
            _ => Err(format!("{command:?}: it has no pipes")),
        }
    }

    /// It, and all that it has started.
    pub(super) fn pids(&self) -> Vec<u32> {
        proc::tree(self.0.id())
    }

    /// Asks it to end, and waits until it has: what it writes at the end is there then.
    pub(super) fn end(&mut self) {
        if self.has_ended() {
            return;
        }
        let asked = Command::new("kill").arg("-TERM").arg(self.0.id().to_string()).stderr(Stdio::null()).status();
        for _ in 0..asked.map_or(0, |_| END.as_millis() / STEP.as_millis()) {
            if self.has_ended() {
                return;
            }
            sleep(STEP);
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// What runs a program on these cores, before others where this user may ask for that: else `nice` says so, and goes on.
pub(super) fn pinned(cores: &str) -> Command {
    let mut command = Command::new("nice");
    command.args(["-n", "-20", "taskset", "-c", cores]);
    command
}

fn is_open(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn what_does_not_listen_is_told_with_what_it_says() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let program = |port| Program {
            name: format!("xtask-mute-{port}"),
            path: "/bin/sh".into(),
            args: ["-c", "echo because >&2"].map(str::to_owned).into(),
            port,
        };
        let core = proc::cores().unwrap()[0].to_string();
        let wrong = program(free).start(&core, &env::temp_dir()).unwrap_err();
        assert!(wrong.contains("mute") && wrong.ends_with("because"), "{wrong}");
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let wrong = program(taken.local_addr().unwrap().port()).start(&core, &env::temp_dir()).unwrap_err();
        assert!(wrong.contains("is in use"), "{wrong}");
    }

    #[test]
    fn what_is_dropped_has_ended() {
        let mut command = Command::new("sleep");
        command.arg("60");
        let (running, ..) = Running::talking(command).unwrap();
        let pid = running.pids()[0];
        assert!(Path::new(&format!("/proc/{pid}")).exists());
        drop(running);
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }
}
