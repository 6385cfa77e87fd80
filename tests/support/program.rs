//! The programs of the workspace, as they were built.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread::sleep;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinHandle;

use super::{MS, soon};

/// The file of a program, beside the test.
pub(crate) fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test is a file");
    let profile = test.parent().and_then(Path::parent).expect("a test lies in target/PROFILE/deps");
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    let places = [profile.join(&file), profile.join("examples").join(&file)];
    let found = places.into_iter().find(|place| place.is_file());
    found.unwrap_or_else(|| panic!("no program {name} in {}; run `cargo xtask test`", profile.display()))
}

/// Sends this process the signal of this name.
pub(crate) async fn signal(process: u32, name: &str) {
    // The shell's own word: not every machine has a program for it.
    let sent = Command::new("sh").args(["-c", &format!("kill -{name} {process}")]).status().await;
    assert!(sent.expect("a shell can be run").success());
}

/// A program that runs. It is killed when this is dropped.
pub(crate) struct Program {
    name: String,
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: Option<JoinHandle<()>>,
    said: Arc<Mutex<String>>,
}

/// How a program ended, and what it said that was not read before.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Program {
    pub(crate) fn start(name: &str, arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> Self {
        let mut command = Command::new(binary(name));
        command.args(arguments).stdin(Stdio::null());
        Self::launch(name, command)
    }

    /// Starts a command that becomes this program.
    pub(crate) fn launch(name: &str, mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program can be run");
        let stdout = child.stdout.take().expect("stdout is piped");
        let mut stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let said: Arc<Mutex<String>> = Arc::default();
        let heard = Arc::clone(&said);
        let stderr = tokio::spawn(async move {
            let mut line = String::new();
            while stderr.read_line(&mut line).await.expect("stderr is text") > 0 {
                heard.lock().expect("nobody panics with it").push_str(&std::mem::take(&mut line));
            }
        });
        Self { name: name.to_owned(), child, stdout: BufReader::new(stdout).lines(), stderr: Some(stderr), said }
    }

    /// Runs a program to its end.
    pub(crate) async fn run(name: &str, arguments: &[&str]) -> Finished {
        Self::start(name, arguments).finish().await
    }

    /// The next line of its standard output.
    pub(crate) async fn line(&mut self) -> String {
        let line = soon("a line of a program", self.stdout.next_line()).await.expect("stdout is text");
        let Some(line) = line else {
            let stderr = self.stderr().await;
            panic!("{} ended: {stderr}", self.name)
        };
        line
    }

    /// The address after `http://` in its next line.
    pub(crate) async fn address(&mut self) -> SocketAddr {
        self.address_of("").await
    }

    /// The same, in the next line that says this.
    pub(crate) async fn address_of(&mut self, what: &str) -> SocketAddr {
        let mut line = self.line().await;
        while !line.contains(what) {
            line = self.line().await;
        }
        let address = line.split("http://").nth(1).and_then(|rest| rest.split(' ').next());
        let address = address.and_then(|address| address.trim_end_matches('/').parse().ok());
        address.unwrap_or_else(|| panic!("no address: {line}"))
    }

    /// How much memory it holds, in bytes.
    pub(crate) fn resident(&self) -> u64 {
        self.status("VmRSS") * 1_024
    }

    /// How many threads it has.
    pub(crate) fn threads(&self) -> u64 {
        self.status("Threads")
    }

    /// How many files and sockets it has open.
    pub(crate) fn descriptors(&self) -> usize {
        let open = std::fs::read_dir(self.proc("fd")).expect("Linux tells of its processes");
        open.count()
    }

    /// How many files and sockets it may have open.
    pub(crate) fn descriptors_allowed(&self) -> u64 {
        let limits = std::fs::read_to_string(self.proc("limits")).expect("Linux tells of its processes");
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.unwrap_or_else(|| panic!("no number of files: {limits}"))
    }

    /// How many of them are sockets.
    pub(crate) fn sockets(&self) -> usize {
        let open = std::fs::read_dir(self.proc("fd")).expect("Linux tells of its processes");
        let targets = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
    }

    /// A number that Linux tells of it.
    fn status(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(self.proc("status")).expect("Linux tells of its processes");
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.unwrap_or_else(|| panic!("no {name}: {status}"))
    }

    fn proc(&self, what: &str) -> String {
        format!("/proc/{}/{what}", self.id())
    }

    /// Sends it SIGTERM.
    pub(crate) async fn terminate(&self) {
        self.signal("TERM").await;
    }

    /// Sends it the signal of this name.
    pub(crate) async fn signal(&self, name: &str) {
        signal(self.id(), name).await;
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("the program runs")
    }

    /// Waits for its end, and not for that of whoever goes on writing where it has written.
    pub(crate) async fn code(mut self) -> Option<i32> {
        soon("the end of a program", self.child.wait()).await.expect("the program ends").code()
    }

    /// Waits for its end.
    pub(crate) async fn finish(mut self) -> Finished {
        let mut stdout = String::new();
        while let Some(line) = soon("the end of a program", self.stdout.next_line()).await.expect("stdout is text") {
            stdout += &line;
            stdout.push('\n');
        }
        let status = soon("the end of a program", self.child.wait()).await.expect("the program ends");
        Finished { code: status.code(), stdout, stderr: self.stderr().await }
    }

    /// What it has written to its standard error so far, line by line.
    pub(crate) fn said(&self) -> String {
        self.said.lock().expect("nobody panics with it").clone()
    }

    async fn stderr(&mut self) -> String {
        let stderr = self.stderr.take().expect("stderr is read once");
        soon("stderr", stderr).await.expect("stderr is read");
        self.said()
    }
}

impl Drop for Program {
    /// Kills and reaps this one process.
    fn drop(&mut self) {
        if self.child.start_kill().is_err() {
            return;
        }
        for _ in 0..1_000 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            sleep(MS);
        }
    }
}
