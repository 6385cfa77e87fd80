//! What is measured, each by a name of its own.

use super::load::Ask;
use super::report::Report;
use super::setting::Setting;
use crate::Outcome;

mod cpu;
mod growth;
mod instructions;
mod latency;
mod memory;
mod syscalls;

/// One thing that is measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    run: Run,
}

#[derive(Clone, Copy, Debug)]
enum Run {
    /// What one request of a kind costs, as fast as they are answered; beside the peers that are asked for, this one.
    Cpu(Ask, Option<&'static str>),
    /// Something of its own.
    Own(fn(&Setting, &mut Report) -> Outcome),
}

/// In the order in which they are run and stand in the paper.
pub(super) const ALL: &[Case] = &[
    cpu("get-128", "GET, 128 bytes", Ask::Get(128)),
    cpu("get-16k", "GET, 16 KiB", Ask::Get(16 * 1024)),
    cpu("get-1m", "GET, 1 MiB", Ask::Get(1024 * 1024)),
    Case {
        run: Run::Cpu(Ask::Post(16 * 1024), Some(super::peers::UNBUFFERED)),
        ..cpu("post-16k", "POST, 16 KiB", Ask::Post(0))
    },
    cpu("fields-20", "GET with 20 more fields", Ask::Fields(20)),
    cpu("h2c", "HTTP/2 in, HTTP/1.1 out", Ask::H2c),
    cpu("grpc", "gRPC in, HTTP/2 out", Ask::Grpc),
    Case {
        run: Run::Cpu(Ask::Get(128), Some(super::peers::SPLICE)),
        ..cpu("floor", "GET, 128 bytes, beside a splice of TCP", Ask::Get(0))
    },
    own("latency", "Latency", latency::run),
    own("memory", "Memory of connections", memory::run),
    own("syscalls", "System calls a request", syscalls::run),
    own("instructions", "Instructions a request", instructions::run),
    own("growth", "Growth", growth::run),
];

const fn cpu(name: &'static str, title: &'static str, ask: Ask) -> Case {
    Case { name, title, run: Run::Cpu(ask, None) }
}

const fn own(name: &'static str, title: &'static str, run: fn(&Setting, &mut Report) -> Outcome) -> Case {
    Case { name, title, run: Run::Own(run) }
}

/// All of them, a line each.
pub(super) fn told() -> String {
    ALL.iter().map(|case| format!("  {:<13} {}\n", case.name, case.title)).collect()
}

impl Case {
    pub(super) fn parse(name: &str) -> Outcome<Self> {
        let known = || ALL.iter().map(|case| case.name).collect::<Vec<_>>().join(", ");
        let case = ALL.iter().find(|case| case.name == name);
        case.copied().ok_or_else(|| format!("no case `{name}`, but {}", known()))
    }

    /// Measures, and adds what was found to the report.
    pub(super) fn run(&self, setting: &Setting, report: &mut Report) -> Outcome {
        match self.run {
            Run::Cpu(ask, beside) => cpu::run(self, ask, beside, setting, report),
            Run::Own(run) => run(setting, report),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_case_is_found_by_its_name() {
        for case in ALL {
            assert_eq!(Case::parse(case.name).unwrap().title, case.title);
        }
        assert!(Case::parse("get").is_err_and(|wrong| wrong.contains("`get`") && wrong.contains("get-128")));
    }
}
