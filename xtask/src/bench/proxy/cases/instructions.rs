//! Instructions of a proxied GET in user space, counted by valgrind: the same on every machine, to a per mille.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use super::super::process::Program;
use super::super::report::{Report, Table};
use super::super::setting::Setting;
use super::super::spread::Spread;
use super::super::{contest::Contestant, peers};
use crate::Outcome;
use crate::machine;

/// Requests before anything is counted: what a proxy does once is nobody's request. One of ours tries its clock at the
/// start, for as many instructions as it takes.
const BEFORE: usize = 300;
const COUNTED: usize = 1000;

const FIELD: &str = "x-request-timeout: 5s\r\n";

/// What valgrind writes at the end, and when it is told to.
const FILE: &str = "callgrind.out";
const DUMP: &str = "callgrind.out.1";

/// Functions that are told.
const FUNCTIONS: usize = 25;

pub(super) fn run(setting: &Setting, report: &mut Report) -> Outcome {
    if let Err(lacking) = machine::prepare(&machine::VALGRIND) {
        report.section("instructions", "Instructions a request", &format!("Skipped: {lacking}.\n"));
        return Ok(());
    }
    let mut table = Table::new(["proxy", "instructions a request", "without a deadline field"]);
    let mut functions = String::new();
    for (at, name) in setting.names().into_iter().enumerate() {
        let with = each(&name, FIELD, setting)?;
        let is_ours = at < setting.ours.len();
        if is_ours && functions.is_empty() {
            functions = by_function(&name, with, &setting.folder.join(DUMP))?;
        }
        report.figure("instructions", &name, "", Spread::of([with]).ok_or_else(String::new));
        let mut row = vec![name.clone(), format!("{with:.0}")];
        row.push(if is_ours {
            let without = each(&name, "", setting)?;
            report.figure("instructions deadline", &name, "", Spread::of([with - without]).ok_or_else(String::new));
            format!("{without:.0}")
        } else {
            String::new()
        });
        table.row(row);
    }
    let text = format!("GET, 128 bytes, one connection, counted by callgrind over {COUNTED} requests.\n\n{table}");
    report.section("instructions", "Instructions a request", &text);
    report.section("functions", "Where the instructions go", &functions);
    Ok(())
}

/// Of one request.
fn each(name: &str, field: &str, setting: &Setting) -> Outcome<f64> {
    let (file, dump) = (setting.folder.join(FILE), setting.folder.join(DUMP));
    let contestant = peers::started(&observed(peers::program(name, 0, setting)?, &file), 1, setting)?;
    let mut stream = TcpStream::connect(("127.0.0.1", contestant.port)).map_err(|error| format!("{name}: {error}"))?;
    let mut ask = |requests| ask(&mut stream, field, requests).map_err(|error| format!("{name}: {error}"));
    ask(BEFORE)?;
    control("--zero", &contestant)?;
    ask(COUNTED)?;
    control("--dump", &contestant)?;
    let said = fs::read_to_string(&dump).map_err(|error| format!("{}: {error}", dump.display()))?;
    // So that the next one is not taken for this.
    fs::rename(&dump, setting.folder.join(format!("{DUMP}.{name}"))).map_err(|error| error.to_string())?;
    let total = summary(&said).ok_or_else(|| format!("{}: no count in it", dump.display()))?;
    Ok(total / COUNTED as f64)
}

/// Has valgrind begin anew, or write down what it has counted.
fn control(what: &str, contestant: &Contestant) -> Outcome {
    let pids = contestant.running.pids();
    let output = Command::new("callgrind_control").arg(what).args(pids.iter().map(u32::to_string)).output();
    let output = output.map_err(|error| format!("callgrind_control cannot be run: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    if output.status.success() && said.contains("OK") { Ok(()) } else { Err(format!("callgrind_control: {said}")) }
}

/// The same program under valgrind, in one process.
fn observed(program: Program, file: &Path) -> Program {
    let mut args = vec!["--tool=callgrind".to_owned(), format!("--callgrind-out-file={}", file.display())];
    args.push(program.path.display().to_string());
    args.extend(program.args);
    if program.path.ends_with("nginx") {
        args.extend(["-g", "master_process off;"].map(str::to_owned));
    }
    Program { path: "valgrind".into(), args, ..program }
}

fn ask(stream: &mut TcpStream, field: &str, requests: usize) -> std::io::Result<()> {
    let request = format!("GET /128 HTTP/1.1\r\nhost: a\r\n{field}\r\n");
    let mut bytes = [0; 4096];
    for _ in 0..requests {
        stream.write_all(request.as_bytes())?;
        let mut read = 0;
        while read < 128 || !bytes[..read].ends_with(&[b'x'; 128]) {
            match stream.read(&mut bytes[read..])? {
                0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                more => read += more,
            }
        }
    }
    Ok(())
}

fn summary(said: &str) -> Option<f64> {
    let line = said.lines().find_map(|line| line.strip_prefix("summary:").or(line.strip_prefix("totals:")));
    line?.split_whitespace().next()?.parse().ok()
}

/// Those functions of a proxy that have the most, of so many a request.
fn by_function(name: &str, total: f64, dump: &Path) -> Outcome<String> {
    let dump = format!("{}.{name}", dump.display());
    let output = Command::new("callgrind_annotate").args(["--threshold=100", "--auto=no", &dump]).output();
    let output = output.map_err(|error| format!("callgrind_annotate cannot be run: {error}"))?;
    let mut functions: Vec<_> = functions(&String::from_utf8_lossy(&output.stdout)).into_iter().collect();
    functions.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    let mut table = Table::new(["function", "instructions a request"]);
    let each = functions.iter().map(|(function, count)| (function, count / COUNTED as f64));
    // Those that had been called before the count began, and return after it, are told with all that they call.
    for (function, each) in each.filter(|(_, each)| *each < 0.9 * total).take(FUNCTIONS) {
        table.row([format!("`{function}`"), format!("{each:.0}")]);
    }
    Ok(format!("Of {name}, what a function does itself.\n\n{table}"))
}

/// Names and counts of what callgrind_annotate prints; what is counted apart for a recursion is put together.
fn functions(said: &str) -> BTreeMap<String, f64> {
    let mut found = BTreeMap::new();
    for line in said.lines() {
        let Some((count, rest)) = line.trim().split_once(" (") else { continue };
        let Ok(count) = count.replace(',', "").parse::<f64>() else { continue };
        let Some((_, function)) = rest.split_once(") ").and_then(|(_, rest)| rest.trim().split_once(':')) else {
            continue;
        };
        *found.entry(plain(function)).or_insert(0.0) += count;
    }
    found
}

/// Without the file it is in, the number of a recursion, the hash of a symbol, and what a table of Markdown stumbles at.
fn plain(function: &str) -> String {
    let function = function.rsplit_once(" [").map_or(function, |(function, _)| function);
    let (name, tail) = function.rsplit_once('\'').unwrap_or((function, ""));
    let function = if tail.is_empty() || tail.bytes().any(|byte| !byte.is_ascii_digit()) { function } else { name };
    let (name, hash) = function.rsplit_once("::h").unwrap_or((function, ""));
    let function = if hash.len() == 16 { name } else { function };
    function.replace('|', "\\|").chars().take(140).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_of_a_run_is_read() {
        assert_eq!(summary("version: 1\nevents: Ir\nsummary: 1234\n\ntotals: 99\n"), Some(1234.0));
        assert_eq!(summary("events: Ir\ntotals: 99 1\n"), Some(99.0));
        assert_eq!(summary("events: Ir\n"), None);
    }

    #[test]
    fn functions_are_read_with_their_recursions() {
        let said = "1,200,000 (100.0%)  PROGRAM TOTALS\n\
                    20,000 ( 2.1%)  ???:memcpy [/lib/libc.so]\n   400 ( 0.1%)  a/b.rs:a::b::h0123456789abcdef [/bin/a]\n\
                    100 ( 0.1%)  a/b.rs:a::b::h0123456789abcdef'2 [/bin/a]\n";
        let found = functions(said);
        assert_eq!((found["memcpy"], found["a::b"], found.len()), (20_000.0, 500.0, 2));
    }
}
