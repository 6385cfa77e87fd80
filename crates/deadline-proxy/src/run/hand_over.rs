//! The next process: the program as it lies there now, in the place of this one.
//!
//! Covers starting it with the same arguments and with every socket that listens, waiting until it says that it serves,
//! and ending it where it does not. Sockets are passed as service managers pass them (`LISTEN_FDS`), so nobody is ever
//! refused: both processes take connections until this one leaves. Does not leave: that is of whoever asked for it.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::{self, Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::listen::name;

/// What it says then.
const WORD: &[u8] = b"ready";

/// How long the next process may take until it serves. A start asks for names, and for nothing else that takes time.
const LIMIT: Duration = Duration::from_secs(30);

/// How often it is looked at whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The first descriptor that is passed, after `sd_listen_fds(3)`.
const FIRST: i32 = 3;

/// What the socket is called by which it says that it serves.
pub(super) const READY: &str = "deadline-proxy:ready";

/// How to start this program once more, as it was started.
#[derive(Debug)]
pub(super) struct Successor {
    program: PathBuf,
    name: OsString,
    arguments: Vec<OsString>,
    /// What it is given beside listeners, whose names are these.
    beside: Vec<(String, OwnedFd)>,
    limit: Duration,
}

/// Why there is no next process, and this one goes on.
#[derive(Debug)]
pub(super) enum Failure {
    /// What runs this process ends with it.
    First,
    /// Nothing was started.
    Start { program: PathBuf, source: io::Error },
    /// It ended before it served.
    Ended(ExitStatus),
    /// It did not say that it serves.
    Silent(Duration),
}

impl Successor {
    /// By the path and the arguments of this process. To be called at its start: what lies at its path is replaced later.
    pub(super) fn of_process() -> Self {
        let mut arguments = std::env::args_os();
        let name = arguments.next().unwrap_or_default();
        Self { program: program(&name), name, arguments: arguments.collect(), beside: Vec::new(), limit: LIMIT }
    }

    /// Gives it this socket too, under the name of what it is for.
    pub(super) fn with(mut self, what: &str, socket: OwnedFd) -> Self {
        self.beside.push((name(what), socket));
        self
    }

    /// It was not started, for this reason.
    pub(super) fn failed(&self, source: io::Error) -> Failure {
        Failure::Start { program: self.program.clone(), source }
    }

    /// Starts it with these sockets, and waits until it serves; the number of its process. To drop the future is to end it.
    ///
    /// # Errors
    ///
    /// Why it does not serve; nothing is left of it then.
    pub(super) async fn start(&self, sockets: Vec<(String, OwnedFd)>) -> Result<u32, Failure> {
        let failed = |source| self.failed(source);
        may_leave(std::process::id())?;
        let (herald, theirs) = UnixDatagram::pair().map_err(failed)?;
        herald.set_nonblocking(true).map_err(failed)?;
        let herald = tokio::net::UnixDatagram::from_std(herald).map_err(failed)?;
        let mut child = Kept(Some(self.spawn(sockets, theirs).map_err(failed)?));
        let mut word = [0; WORD.len()];
        let outcome = tokio::select! {
            biased;
            said = herald.recv(&mut word) => said.map(drop).map_err(failed),
            ended = child.ended() => Err(ended.map_or_else(failed, Failure::Ended)),
            () = sleep(self.limit) => Err(Failure::Silent(self.limit)),
        };
        match (outcome, child.0.take()) {
            (Ok(()), Some(child)) => Ok(child.id()),
            (outcome, child) => {
                // It may take a moment to end, and is reaped meanwhile.
                let _ = spawn_blocking(move || drop(Kept(child))).await;
                Err(outcome.err().unwrap_or(Failure::Silent(self.limit)))
            }
        }
    }

    fn spawn(&self, mut sockets: Vec<(String, OwnedFd)>, herald: UnixDatagram) -> io::Result<Child> {
        for (name, socket) in &self.beside {
            sockets.push((name.clone(), socket.try_clone()?));
        }
        sockets.push((name(READY), herald.into()));
        let (names, sockets): (Vec<_>, Vec<_>) = sockets.into_iter().unzip();
        let mapping = |(child_fd, parent_fd)| FdMapping { parent_fd, child_fd };
        let mut command = Command::new(&self.program);
        command.arg0(&self.name).args(&self.arguments);
        command.env("LISTEN_FDS", names.len().to_string()).env("LISTEN_FDNAMES", names.join(":"));
        // They speak of this process, and it has another number.
        for name in ["LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS_FIRST_FD"] {
            command.env_remove(name);
        }
        // Where it speaks of another process, that one alone has a watchdog.
        if std::env::var("WATCHDOG_PID").is_ok_and(|process| process == std::process::id().to_string()) {
            command.env_remove("WATCHDOG_PID");
        }
        command.fd_mappings((FIRST..).zip(sockets).map(mapping).collect()).map_err(io::Error::other)?;
        // The copies that it was given are closed here with the command.
        command.spawn()
    }
}

/// A container ends with its first process, and so would the next one.
fn may_leave(process: u32) -> Result<(), Failure> {
    if process == 1 { Err(Failure::First) } else { Ok(()) }
}

/// What was called by a path is found there again, whatever lies there then, also behind a link that was turned. What was
/// called by its name alone is found where it was.
fn program(name: &OsString) -> PathBuf {
    let by_path = Path::new(name).components().count() > 1 || name.to_string_lossy().contains('/');
    let called = path::absolute(name).ok().filter(|path| by_path && path.is_file());
    called
        .or_else(|| std::env::current_exe().ok().map(|path| undeleted(&path)))
        .unwrap_or_else(|| name.into())
}

/// Linux marks the path of a program that was replaced.
fn undeleted(path: &Path) -> PathBuf {
    let path = path.to_string_lossy();
    PathBuf::from(path.strip_suffix(" (deleted)").unwrap_or(&path))
}

/// Tells the process before this one, if there is one, that this one serves.
pub(super) fn tell(herald: Option<UnixDatagram>) {
    // Whoever waited for it may have gone.
    herald.iter().for_each(|herald| drop(herald.send(WORD)));
}

/// A process that is ended when this is dropped.
#[derive(Debug)]
struct Kept(Option<Child>);

impl Kept {
    /// Waits for its end. Cancel-safe.
    async fn ended(&mut self) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.0.as_mut().map_or(Ok(None), Child::try_wait)? {
                return Ok(status);
            }
            sleep(LOOK_EVERY).await;
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Failure {
    /// The word for it in counts.
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::First | Self::Start { .. } => "not_started",
            Self::Ended(_) => "ended",
            Self::Silent(_) => "silent",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First => f.write_str(
                "it is process 1 of a container, which ends with it; start another container, and stop this one then",
            ),
            Self::Start { program, source } => write!(f, "{} cannot be started: {source}", program.display()),
            Self::Ended(status) => write!(f, "the next process has ended ({status}) before it served"),
            Self::Silent(limit) => write!(f, "the next process has not served within {limit:?}, and was ended"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    /// The shell does this in its place.
    fn shell(script: &str, limit: Duration) -> Successor {
        let arguments = ["-c", script].map(OsString::from).to_vec();
        Successor { program: "/bin/sh".into(), name: "sh".into(), arguments, beside: Vec::new(), limit }
    }

    async fn told(successor: &Successor) -> String {
        successor.start(Vec::new()).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn one_that_ends_or_cannot_be_started_is_told() {
        let ends = told(&shell("exit 7", LIMIT)).await;
        assert_eq!(ends, "the next process has ended (exit status: 7) before it served");
        let missing = Successor { program: "/nowhere/proxy".into(), ..shell("", LIMIT) };
        let told = told(&missing).await;
        assert!(told.starts_with("/nowhere/proxy cannot be started: "), "{told}");
    }

    #[test]
    fn the_first_process_of_a_container_stays() {
        assert!(may_leave(2).is_ok());
        let told = may_leave(1).unwrap_err();
        assert_eq!(told.as_str(), "not_started");
        assert!(told.to_string().starts_with("it is process 1 of a container, which ends with it"), "{told}");
    }

    #[tokio::test]
    async fn one_that_says_nothing_is_ended_at_the_limit() {
        let limit = Duration::from_millis(100);
        let start = Instant::now();
        let told = told(&shell("exec sleep 60", limit)).await;
        assert_eq!(told, "the next process has not served within 100ms, and was ended");
        assert!((limit..Duration::from_secs(10)).contains(&start.elapsed()), "{:?}", start.elapsed());
    }

    #[test]
    fn a_path_is_kept_and_the_mark_of_one_that_was_replaced_is_not() {
        assert_eq!(program(&"/bin/sh".into()), Path::new("/bin/sh"));
        let ours = std::env::current_exe().unwrap();
        for other in ["sh", "/nowhere/proxy", ""] {
            assert_eq!(program(&other.into()), ours, "{other}");
        }
        assert_eq!(undeleted(Path::new("/a/proxy (deleted)")), Path::new("/a/proxy"));
        assert_eq!(undeleted(Path::new("/a/proxy")), Path::new("/a/proxy"));
    }
}
