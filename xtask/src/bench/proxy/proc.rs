//! What the system says of a process and of all that it has started: time on a core, and memory.

use std::ops::Sub;
use std::{fs, iter};

use crate::Outcome;

/// What `/proc/PID/stat` counts in; Linux says so to every program, whatever the kernel counts in.
const TICK: f64 = 0.01;

/// Seconds on a core.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Cpu {
    pub(super) user: f64,
    pub(super) system: f64,
    /// Both, as the scheduler counts it: finer than a tick. Zero where it does not.
    scheduled: f64,
}

impl Cpu {
    /// Of these processes, up to now.
    pub(super) fn of(pids: &[u32]) -> Outcome<Self> {
        let mut sum = Self::default();
        for pid in pids {
            let stat = Stat::parse(&read(&format!("/proc/{pid}/stat"))?)?;
            sum.user += stat.user as f64 * TICK;
            sum.system += stat.system as f64 * TICK;
            sum.scheduled += scheduled(*pid);
        }
        Ok(sum)
    }

    pub(super) fn total(&self) -> f64 {
        if self.scheduled > 0.0 { self.scheduled } else { self.user + self.system }
    }

    /// The share of it that was spent in the kernel.
    pub(super) fn system_share(&self) -> f64 {
        let both = self.user + self.system;
        if both > 0.0 { self.system / both } else { 0.0 }
    }

    #[cfg(test)]
    pub(super) fn ticked(user: f64, system: f64) -> Self {
        Self { user, system, scheduled: 0.0 }
    }
}

impl Sub for Cpu {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            user: self.user - before.user,
            system: self.system - before.system,
            scheduled: self.scheduled - before.scheduled,
        }
    }
}

/// Nanoseconds of all threads, as seconds.
fn scheduled(pid: u32) -> f64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let nanos = threads.filter_map(|thread| {
        let said = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        said.split(' ').next()?.parse::<f64>().ok()
    });
    nanos.sum::<f64>() / 1e9
}

/// A line of `/proc/PID/stat`, what is wanted of it.
#[derive(Debug, PartialEq)]
struct Stat {
    parent: u32,
    user: u64,
    system: u64,
}

impl Stat {
    /// The name, which may have blanks and brackets in it, ends with the last bracket.
    fn parse(line: &str) -> Outcome<Self> {
        let fields: Vec<&str> = line.rsplit_once(") ").map_or(Vec::new(), |(_, rest)| rest.split(' ').collect());
        let field = |at: usize| fields.get(at).and_then(|field| field.parse().ok());
        let parsed = || Some(Self { parent: u32::try_from(field(1)?).ok()?, user: field(11)?, system: field(12)? });
        parsed().ok_or_else(|| format!("no line of a process: `{line}`"))
    }
}

/// A process and all that come of it.
pub(super) fn tree(root: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let parents: Vec<(u32, u32)> = pids
        .filter_map(|pid| Some((pid, Stat::parse(&read(&format!("/proc/{pid}/stat")).ok()?).ok()?.parent)))
        .collect();
    descendants(root, &parents)
}

fn descendants(root: u32, parents: &[(u32, u32)]) -> Vec<u32> {
    let children = parents.iter().filter(|(_, parent)| *parent == root);
    iter::once(root).chain(children.flat_map(|(child, _)| descendants(*child, parents))).collect()
}

/// The most that these processes were ever resident with, in KiB.
pub(super) fn peak(pids: &[u32]) -> Outcome<f64> {
    pids.iter().map(|pid| kilobytes(&read(&format!("/proc/{pid}/status"))?, "VmHWM:")).sum()
}

/// What they are resident with, in KiB; what they share with one another counts once.
pub(super) fn resident(pids: &[u32]) -> Outcome<f64> {
    pids.iter().map(|pid| kilobytes(&read(&format!("/proc/{pid}/smaps_rollup"))?, "Pss:")).sum()
}

fn kilobytes(text: &str, name: &str) -> Outcome<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
    number.ok_or_else(|| format!("no `{name}` in what the system says of a process"))
}

/// The cores that this process may use.
pub(super) fn cores() -> Outcome<Vec<usize>> {
    let status = read("/proc/self/status")?;
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    Ok(listed(list.unwrap_or_default().trim()))
}

/// Of a list such as `0-2,5`.
fn listed(list: &str) -> Vec<usize> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    list.split(',').filter_map(range).flatten().collect()
}

fn read(path: &str) -> Outcome<String> {
    fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_whatever_the_name_of_the_process_is() {
        let rest = "S 7 1 1 0 -1 4194304 1 0 0 0 123 45 0 0 20 0 3 0 100 1 1";
        for name in ["nginx", "tokio (a) b", "x) S 1 2"] {
            assert_eq!(Stat::parse(&format!("42 ({name}) {rest}")), Ok(Stat { parent: 7, user: 123, system: 45 }));
        }
        for bad in ["", "42 (nginx) S 7 1", "42 (nginx) S a 1 1 0 -1 4194304 1 0 0 0 123 45"] {
            assert!(Stat::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn children_of_children_are_found_and_nobody_else() {
        let parents = [(2, 1), (3, 2), (4, 2), (5, 4), (6, 1), (7, 9)];
        assert_eq!(descendants(2, &parents), [2, 3, 4, 5]);
        assert!(tree(std::process::id()).contains(&std::process::id()));
    }

    #[test]
    fn memory_is_read_by_its_name() {
        let status = "VmPeak:\t  99 kB\nVmHWM:\t    7012 kB\n";
        assert_eq!(kilobytes(status, "VmHWM:"), Ok(7012.0));
        assert!(kilobytes(status, "VmRSS:").is_err_and(|wrong| wrong.contains("VmRSS:")));
    }

    #[test]
    fn a_list_of_cores_is_read() {
        assert_eq!(listed("0-2,5"), [0, 1, 2, 5]);
        assert_eq!(listed("3"), [3]);
        assert!(listed("").is_empty());
    }

    #[test]
    fn the_scheduler_is_believed_where_it_counts() {
        assert_eq!(Cpu::ticked(1.0, 3.0).total(), 4.0);
        assert_eq!(Cpu { user: 1.0, system: 3.0, scheduled: 4.1 }.total(), 4.1);
        assert_eq!((Cpu::ticked(1.0, 3.0).system_share(), Cpu::default().system_share()), (0.75, 0.0));
    }
}
