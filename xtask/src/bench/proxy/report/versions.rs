//! What a run was made with.

use std::fs;
use std::process::Command;

use super::Table;
use crate::bench::proxy::setting::Setting;

/// A table of programs and of the machine.
pub(super) fn table(setting: &Setting) -> String {
    let mut table = Table::new(["what", "version"]);
    for (name, path) in &setting.ours {
        table.row([name.clone(), said(&path.display().to_string(), &["--version"])]);
    }
    let commit = said("git", &["rev-parse", "--short", "HEAD"]);
    let programs: [(&str, &str, &[&str]); 8] = [
        ("nginx", "nginx", &["-v"]),
        ("HAProxy", "haproxy", &["-v"]),
        ("Caddy", "caddy", &["version"]),
        ("h2load", "h2load", &["--version"]),
        ("perf", "perf", &["--version"]),
        ("valgrind", "valgrind", &["--version"]),
        ("rustc", "rustc", &["--version"]),
        ("kernel", "uname", &["-srm"]),
    ];
    table.row(["commit".to_owned(), commit]);
    for (what, program, args) in programs {
        let said = said(program, args);
        if !said.is_empty() {
            table.row([what.to_owned(), said]);
        }
    }
    table.row(["processor".to_owned(), processor(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default())]);
    table.to_string()
}

/// The date, as everybody writes it.
pub(super) fn today() -> String {
    said("date", &["-u", "+%F"])
}

/// The first line that a program says, on whichever side; nothing where it is not there.
fn said(program: &str, args: &[&str]) -> String {
    let Ok(output) = Command::new(program).args(args).output() else { return String::new() };
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&said).lines().next().unwrap_or_default().trim().to_owned()
}

/// Its name, and how many there are.
fn processor(cpuinfo: &str) -> String {
    let names: Vec<&str> = cpuinfo.lines().filter_map(|line| line.strip_prefix("model name")).collect();
    let name = names.first().map_or("", |name| name.trim_start_matches([' ', '\t', ':']));
    format!("{name}, {} cores", names.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_and_the_processor_say_what_they_are() {
        assert_eq!(processor("model name\t: AMD EPYC\nflags: a\nmodel name\t: AMD EPYC\n"), "AMD EPYC, 2 cores");
        assert!(said("cargo", &["--version"]).starts_with("cargo "));
        assert_eq!(said("no-such-program-anywhere", &[]), "");
    }
}
