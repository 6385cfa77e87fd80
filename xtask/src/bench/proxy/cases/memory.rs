//! What a connection that is kept costs in memory: once it has asked, and after a burst.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout};
use std::thread::sleep;
use std::time::Duration;

use super::super::contest::Contestant;
use super::super::process::Running;
use super::super::report::{Report, Table};
use super::super::setting::Setting;
use super::super::spread::Spread;
use super::super::{peers, proc};
use crate::Outcome;

/// Enough that a page more or less is nothing, and few enough for the descriptors of an ordinary user.
const CONNECTIONS: usize = 2000;

/// What is freed may be given back a little later: by an allocator that looks once a second whether it was a second ago.
const SETTLE: Duration = Duration::from_millis(2500);
const SETTLED: f64 = 100.0;

pub(super) fn run(setting: &Setting, report: &mut Report) -> Outcome {
    let head =
        ["proxy", "KiB a connection, idle", "KiB a connection, after a burst", "MiB before", "MiB after all are gone"];
    let mut table = Table::new(head);
    for name in setting.names() {
        let contestant = peers::start(&name, 0, setting)?;
        let [before, idle, after, gone] = measure(&contestant, setting)?;
        let each = [idle, after].map(|kib| (kib - before) / CONNECTIONS as f64);
        for (what, kib) in ["memory idle", "memory after"].iter().zip(each) {
            report.figure(what, &name, "", Spread::of([kib]).ok_or_else(String::new));
        }
        let mib = [before, gone].map(|kib| format!("{:.1}", kib / 1024.0));
        table.row([vec![name], each.map(|kib| format!("{kib:.1}")).to_vec(), mib.to_vec()].concat());
    }
    let text = format!(
        "{CONNECTIONS} connections, each of which has asked once for 128 bytes; then four times for 16 KiB, 500 of them at \
         a time. Resident memory, what processes share counted once.\n\n{table}"
    );
    report.section("memory", "Memory of connections", &text);
    Ok(())
}

/// Resident KiB: warm, with idle connections, after the burst, without them.
fn measure(contestant: &Contestant, setting: &Setting) -> Outcome<[f64; 4]> {
    let address = format!("127.0.0.1:{}", contestant.port);
    let mut talk = Talk::start(setting, &["idle", &address, &CONNECTIONS.to_string()])?;
    let mut step = |wanted: &str| -> Outcome<f64> {
        talk.until(wanted)?;
        let resident = settled(contestant)?;
        talk.go_on()?;
        Ok(resident)
    };
    Ok([step("warm")?, step("idle")?, step("after")?, step("gone")?])
}

fn settled(contestant: &Contestant) -> Outcome<f64> {
    let resident = || proc::resident(&contestant.running.pids());
    let mut before = resident()?;
    for _ in 0..10 {
        sleep(SETTLE);
        let now = resident()?;
        if (now - before).abs() < SETTLED {
            return Ok(now);
        }
        before = now;
    }
    Ok(before)
}

/// A `load` that does one step after the other.
pub(super) struct Talk {
    // Before what it reads from: it ends when that is closed.
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    _running: Running,
}

impl Talk {
    pub(super) fn start(setting: &Setting, args: &[&str]) -> Outcome<Self> {
        let (running, stdin, stdout) = Running::talking(setting.load(args))?;
        Ok(Self { stdin, stdout: BufReader::new(stdout), _running: running })
    }

    /// Waits until a step is done.
    pub(super) fn until(&mut self, wanted: &str) -> Outcome {
        let mut line = String::new();
        let read = self.stdout.read_line(&mut line);
        match read {
            Ok(_) if line.trim() == wanted => Ok(()),
            _ => Err(format!("the load was to be {wanted}, and says `{}`", line.trim())),
        }
    }

    fn go_on(&mut self) -> Outcome {
        self.stdin.write_all(b"\n").map_err(|error| format!("the load has ended: {error}"))
    }
}
