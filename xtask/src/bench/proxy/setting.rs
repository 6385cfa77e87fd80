//! What a run has: cores, a folder, ports, and the programs that stand around a proxy.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::options::Options;
use super::proc;
use super::process::{self, Program, Running};
use crate::Outcome;
use crate::step::{Step, root};

/// Made for what is measured: without it, a helper would be what is slow.
const HELPERS: &str = "cargo build --release -p deadline-benches --bins";

/// The one that is handed out.
const OURS: &str = "cargo build --profile dist -p deadline-proxy";

/// Where files are in memory: what a proxy spills into one waits for no disk.
const MEMORY: &str = "/dev/shm";

/// The ports of one proxy, and of what belongs to it.
const PORTS_EACH: u16 = 10;

pub(super) struct Setting {
    pub(super) options: Options,
    /// Where everything is written, and run.
    pub(super) folder: PathBuf,
    /// Where a proxy may put bodies; it goes with this.
    pub(super) spill: PathBuf,
    /// Builds of ours, by name.
    pub(super) ours: Vec<(String, PathBuf)>,
    helpers: PathBuf,
    cores: Vec<usize>,
    /// The cores of load and upstream.
    pub(super) rest: String,
}

impl Drop for Setting {
    fn drop(&mut self) {
        first("0");
        let _ = fs::remove_dir_all(&self.spill);
    }
}

/// Where sessions share the cores before processes do, `nice` says nothing beyond one: this session goes first, where
/// this user may ask for that.
fn first(nice: &str) {
    let _ = fs::write("/proc/self/autogroup", nice);
}

impl Setting {
    pub(super) fn new(options: Options) -> Outcome<Self> {
        let folder = root().join("target/bench-proxy");
        let memory = Some(Path::new(MEMORY)).filter(|memory| memory.exists());
        let spill = memory.unwrap_or(&folder).join("bench-proxy-spill");
        for folder in [&folder, &spill] {
            fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir));
        Step::new(HELPERS).run()?;
        let ours = if options.proxies.is_empty() {
            Step::new(OURS).run()?;
            vec![("deadline-proxy".to_owned(), target.join("dist/deadline-proxy"))]
        } else {
            options
                .proxies
                .iter()
                .map(|(name, path)| Ok((name.clone(), absolute(path)?)))
                .collect::<Outcome<_>>()?
        };
        let cores = proc::cores()?;
        let [_, rest @ ..] = &cores[..] else { return Err("no core is to be had".to_owned()) };
        if rest.is_empty() {
            return Err("two cores are needed: one for the proxy, one for load and upstream".to_owned());
        }
        let rest = listed(rest);
        first("-20");
        Ok(Self { options, folder, spill, ours, helpers: target.join("release"), cores, rest })
    }

    /// Of the proxies: ours first, then the peers.
    pub(super) fn names(&self) -> Vec<String> {
        self.ours.iter().map(|(name, _)| name).chain(&self.options.peers).cloned().collect()
    }

    /// The cores of a proxy with so many workers.
    pub(super) fn cores(&self, workers: usize) -> String {
        listed(&self.cores[..workers.min(self.cores.len())])
    }

    /// The first port of the proxy in this place.
    pub(super) fn port(&self, place: usize) -> u16 {
        self.options.port + PORTS_EACH * (1 + place as u16)
    }

    /// The upstream of all, on this many ports from the first.
    pub(super) fn upstream(&self, first: u16, ports: u16) -> Outcome<Running> {
        let program = Program {
            name: "upstream".to_owned(),
            path: self.helper("upstream"),
            args: vec![format!("127.0.0.1:{first}"), ports.to_string()],
            port: first,
        };
        program.start(&self.rest, &self.folder)
    }

    pub(super) fn helper(&self, name: &str) -> PathBuf {
        self.helpers.join(name)
    }

    /// `load`, on the cores that are not the proxy's.
    pub(super) fn load(&self, args: &[&str]) -> Command {
        let mut command = process::pinned(&self.rest);
        command.arg(self.helper("load")).args(args);
        command
    }

    pub(super) fn write(&self, name: &str, content: &str) -> Outcome<String> {
        let path = self.folder.join(name);
        fs::write(&path, content).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(path.display().to_string())
    }
}

fn absolute(path: &Path) -> Outcome<PathBuf> {
    path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))
}

fn listed(cores: &[usize]) -> String {
    cores.iter().map(usize::to_string).collect::<Vec<_>>().join(",")
}
