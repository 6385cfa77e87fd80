//! System calls a request makes, by name, with many connections and with one.

use std::path::Path;
use std::process::Command;

use super::super::contest::Contestant;
use super::super::load::{self, Ask, Load};
use super::super::report::{Report, Table};
use super::super::setting::Setting;
use super::super::spread::Spread;
use super::super::{peers, process};
use crate::Outcome;
use crate::machine;

const ALL: &str = "raw_syscalls:sys_enter";

const EVENTS: &str = "/sys/kernel/tracing/events/syscalls";

/// Those that proxies make for a request; what else there is makes up the rest.
const NAMES: [&str; 24] = [
    "read",
    "readv",
    "recvfrom",
    "recvmsg",
    "write",
    "writev",
    "sendto",
    "sendmsg",
    "sendfile64",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_ctl",
    "futex",
    "timerfd_settime",
    "setsockopt",
    "accept4",
    "openat",
    "pread64",
    "pwrite64",
    "clock_gettime",
    "getrusage",
    "getsockopt",
    "ioctl",
];

pub(super) fn run(setting: &Setting, report: &mut Report) -> Outcome {
    if let Err(lacking) = machine::prepare(&machine::PERF).and_then(|()| counts()) {
        report.section("syscalls", "System calls a request", &format!("Skipped: {lacking}.\n"));
        return Ok(());
    }
    let mut table = Table::new(["proxy", "connections", "system calls a request", "of which"]);
    for name in setting.names() {
        let contestant = peers::start(&name, 0, setting)?;
        for connections in [setting.options.connections, 1] {
            let counts = count(&contestant, connections, setting)?;
            let total = counts.first().map_or(0.0, |(_, each)| *each);
            let figure = Spread::of([total]).ok_or_else(String::new);
            report.figure(if connections == 1 { "syscalls 1" } else { "syscalls 64" }, &name, "", figure);
            table.row([name.clone(), connections.to_string(), format!("{total:.2}"), of_which(&counts)]);
        }
    }
    let text = format!("GET, 128 bytes, counted by `perf stat`; what is below 0.01 is left out.\n\n{table}");
    report.section("syscalls", "System calls a request", &text);
    Ok(())
}

/// Whether this user may count them.
fn counts() -> Outcome {
    let counted = Command::new("perf").args(["stat", "-e", ALL, "true"]).output();
    let counts = counted.is_ok_and(|output| output.status.success());
    if counts { Ok(()) } else { Err("perf may not count system calls here".to_owned()) }
}

/// All of them first, then those with a name, for each request.
fn count(contestant: &Contestant, connections: usize, setting: &Setting) -> Outcome<Vec<(String, f64)>> {
    let (folder, helper) = (&setting.folder, &setting.helper("load"));
    let load = Load { seconds: setting.options.seconds, connections, folder, helper };
    let file = setting.write("syscalls.csv", "")?;
    // Which of them there are depends on the processor.
    let is_known = |name: &&&str| Path::new(EVENTS).join(format!("sys_enter_{name}")).exists();
    let names = NAMES.iter().filter(is_known);
    let events: Vec<String> = names.map(|name| format!("syscalls:sys_enter_{name}")).collect();
    let pids: Vec<String> = contestant.running.pids().iter().map(u32::to_string).collect();
    let mut perf = process::pinned(&setting.rest);
    perf.args(["perf", "stat", "-x,", "-o", &file, "-e", &[&[ALL.to_owned()][..], &events].concat().join(",")]);
    perf.args(["-p", &pids.join(",")]).args(Ask::Get(128).command(contestant.port, load)?);
    let output = perf.output().map_err(|error| format!("perf cannot be run: {error}"))?;
    let answered = load::read(&String::from_utf8_lossy(&output.stdout)).filter(|of| of.errors == 0);
    let answered = answered.ok_or_else(|| format!("perf: {}", String::from_utf8_lossy(&output.stderr).trim()))?;
    let said = std::fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?;
    Ok(read(&said).map(|(name, count)| (name.to_owned(), count / answered.answered as f64)).collect())
}

/// Names and counts; what was not counted is none.
fn read(said: &str) -> impl Iterator<Item = (&str, f64)> {
    said.lines().filter_map(|line| {
        let mut cells = line.split(',');
        let count = cells.next()?.parse().ok()?;
        let event = cells.nth(1)?;
        Some((event.rsplit_once("sys_enter_").map_or(event, |(_, name)| name), count))
    })
}

/// From the most to the fewest, and the rest.
fn of_which(counts: &[(String, f64)]) -> String {
    let [(_, total), named @ ..] = counts else { return String::new() };
    let rest = total - named.iter().map(|(_, each)| each).sum::<f64>();
    let mut named: Vec<_> = named.iter().map(|(name, each)| (name.as_str(), *each)).collect();
    named.push(("others", rest));
    named.retain(|(_, each)| *each >= 0.01);
    named.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    named.iter().map(|(name, each)| format!("{name} {each:.2}")).collect::<Vec<_>>().join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_by_name_and_the_rest_is_told() {
        let said = "# started on Sun\n\n500,,raw_syscalls:sys_enter,100,100.00,,\n200,,syscalls:sys_enter_read,1,100.00,,\n\
                    290,,syscalls:sys_enter_writev,1,100.00,,\n<not counted>,,syscalls:sys_enter_futex,0,0.00,,\n";
        let counts: Vec<_> = read(said).map(|(name, count)| (name.to_owned(), count / 100.0)).collect();
        assert_eq!(counts[0], ("raw_syscalls:sys_enter".to_owned(), 5.0));
        assert_eq!(of_which(&counts), "writev 2.90 · read 2.00 · others 0.10");
        assert_eq!(of_which(&[]), "");
    }
}
