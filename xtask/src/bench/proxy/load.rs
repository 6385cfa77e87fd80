//! Who asks: `wrk` and `h2load`, as fast as answers come, and what they say of it.

use std::path::Path;

use super::process;
use crate::Outcome;

/// Asked by all: whoever knows what it means keeps to it, and the others pass it on.
const FIELD: &str = "x-request-timeout: 5s";

/// The same for gRPC.
const GRPC_FIELDS: [&str; 3] = ["content-type: application/grpc", "te: trailers", "grpc-timeout: 5S"];

/// One kind of request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Ask {
    /// Over HTTP/1.1; the answer has so many bytes.
    Get(usize),
    /// The same, with so many fields beside that of the deadline.
    Fields(usize),
    /// The same with a body of so many bytes, and an answer of 128.
    Post(usize),
    /// Over HTTP/2 without TLS; the upstream is asked over HTTP/1.1.
    H2c,
    /// A unary call, over HTTP/2 on both sides.
    Grpc,
}

impl Ask {
    /// Which of the ports of a proxy takes it, counted from the first.
    pub(super) fn entrance(self) -> u16 {
        match self {
            Self::Get(_) | Self::Fields(_) | Self::Post(_) => 0,
            Self::H2c => 1,
            Self::Grpc => 2,
        }
    }

    /// The command that asks so, for so many seconds.
    pub(super) fn command(self, url: &str, load: Load<'_>) -> Outcome<Vec<String>> {
        let Load { seconds, connections, folder } = load;
        if matches!(self, Self::H2c | Self::Grpc) {
            return self.h2load(url, load);
        }
        let line = format!("wrk -t1 -c{connections} -d{seconds}s --timeout 10s --latency -H");
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        words.push(FIELD.to_owned());
        let length = match self {
            Self::Get(length) => length,
            _ => 128,
        };
        if let Self::Fields(count) = self {
            words.extend((0..count).flat_map(|at| ["-H".to_owned(), field(at)]));
        }
        if let Self::Post(length) = self {
            let script = format!("wrk.method = \"POST\"\nwrk.body = string.rep(\"x\", {length})\n");
            words.extend(["-s".to_owned(), file(folder, "post.lua", script.as_bytes())?]);
        }
        words.push(format!("{url}/{length}"));
        Ok(words)
    }

    /// Eight streams on each of an eighth of the connections: as much is under way as elsewhere.
    fn h2load(self, url: &str, Load { seconds, connections, folder }: Load<'_>) -> Outcome<Vec<String>> {
        let clients = connections.div_ceil(8);
        let line = format!("h2load -t1 -c{clients} -m8 -D{seconds}");
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let fields: &[&str] = if self == Self::Grpc { &GRPC_FIELDS } else { &[FIELD] };
        words.extend(fields.iter().flat_map(|field| ["-H", field]).map(str::to_owned));
        if self == Self::Grpc {
            words.extend(["-d".to_owned(), file(folder, "call.bin", b"\0\0\0\0\x08deadline")?]);
        }
        words.push(format!("{url}/{}", if self == Self::Grpc { "a.B/128" } else { "128" }));
        Ok(words)
    }
}

/// How much is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load<'a> {
    pub(super) seconds: u64,
    pub(super) connections: usize,
    /// Where files may be written.
    pub(super) folder: &'a Path,
}

/// A field such as browsers and proxies send: 40 bytes, more or less.
fn field(at: usize) -> String {
    format!("x-field-{at:02}: value-{at:02}-of-a-usual-length")
}

fn file(folder: &Path, name: &str, content: &[u8]) -> Outcome<String> {
    let path = folder.join(name);
    std::fs::write(&path, content).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path.display().to_string())
}

/// What became of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Answered {
    pub(super) answered: u64,
    /// Answers that are no good ones, and requests without one.
    pub(super) errors: u64,
    pub(super) each_second: f64,
    /// In microseconds, where they are said.
    pub(super) p50: Option<f64>,
    pub(super) p99: Option<f64>,
}

/// Runs such a command on these cores.
pub(super) fn run(command: &[String], cores: &str) -> Outcome<Answered> {
    let output = process::pinned(cores).args(command).output();
    let output = output.map_err(|error| format!("`{}` cannot be run: {error}", command.join(" ")))?;
    let said = String::from_utf8_lossy(&output.stdout);
    read(&said).ok_or_else(|| {
        let wrong = String::from_utf8_lossy(&output.stderr);
        format!("`{}` says no figures: {}{}", command.join(" "), said, wrong.trim())
    })
}

pub(super) fn read(said: &str) -> Option<Answered> {
    if said.contains("Requests/sec:") { wrk(said) } else { h2load(said) }
}

fn wrk(said: &str) -> Option<Answered> {
    let lines = || said.lines().map(str::trim);
    let after = |name: &str| lines().find_map(|line| Some(line.strip_prefix(name)?.trim()));
    let requests = lines().find_map(|line| line.split_once(" requests in ")?.0.parse().ok())?;
    let bad = after("Non-2xx or 3xx responses:").and_then(|count| count.parse().ok()).unwrap_or(0);
    let errors = bad + after("Socket errors:").map_or(0, sum);
    Some(Answered {
        answered: requests,
        errors,
        each_second: after("Requests/sec:")?.parse().ok()?,
        p50: after("50%").and_then(micros),
        p99: after("99%").and_then(micros),
    })
}

fn h2load(said: &str) -> Option<Answered> {
    let line = |name: &str| said.lines().find_map(|line| line.strip_prefix(name));
    let requests = line("requests: ")?;
    let count = |name: &str| {
        let part = requests.split(", ").find_map(|part| part.strip_suffix(name));
        part.and_then(|count| count.trim().parse::<u64>().ok())
    };
    let each_second = line("finished in ")?.split(", ").find_map(|part| part.strip_suffix(" req/s"));
    Some(Answered {
        answered: count(" succeeded")?,
        errors: count(" failed")? + count(" timeout")?,
        each_second: each_second?.parse().ok()?,
        p50: None,
        p99: None,
    })
}

/// All numbers of a list such as `connect 0, read 3`.
fn sum(list: &str) -> u64 {
    list.split([' ', ',']).filter_map(|word| word.parse::<u64>().ok()).sum()
}

/// Of a time such as `2.62ms`.
fn micros(time: &str) -> Option<f64> {
    let units = [("us", 1.0), ("ms", 1e3), ("s", 1e6)];
    units.iter().find_map(|(unit, factor)| Some(time.strip_suffix(unit)?.parse::<f64>().ok()? * factor))
}

#[cfg(test)]
mod tests {
    use std::env;

    use super::*;

    const WRK: &str = "Running 2s test @ http://127.0.0.1:4500/128
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.72ms  848.13us  11.67ms   81.70%
    Req/Sec    23.68k     3.57k   30.40k    80.00%
  Latency Distribution
     50%  850.10us
     75%    3.00ms
     90%    3.49ms
     99%    1.20s
  47141 requests in 2.00s, 13.44MB read
";

    const H2LOAD: &str = "finished in 2.00s, 6172.50 req/s, 500.00KB/s
requests: 12353 total, 12361 started, 12345 done, 12340 succeeded, 5 failed, 1 errored, 2 timeout
status codes: 12340 2xx, 0 3xx, 0 4xx, 5 5xx
";

    #[test]
    fn wrk_is_read_with_its_errors() {
        let good = format!("{WRK}Requests/sec:  23517.53\nTransfer/sec:      6.71MB\n");
        let figures =
            Answered { answered: 47_141, errors: 0, each_second: 23_517.53, p50: Some(850.1), p99: Some(1_200_000.0) };
        assert_eq!(read(&good), Some(figures.clone()));
        let errors = "  Socket errors: connect 1, read 2, write 0, timeout 4\n  Non-2xx or 3xx responses: 10\n";
        let bad = format!("{WRK}{errors}Requests/sec:  23517.53\n");
        assert_eq!(read(&bad), Some(Answered { errors: 17, ..figures }));
    }

    #[test]
    fn h2load_is_read_with_its_errors() {
        let figures = read(H2LOAD).unwrap();
        assert_eq!((figures.answered, figures.errors, figures.each_second), (12_340, 7, 6172.5));
        for bad in ["", "requests: 1 total", "unable to connect to 127.0.0.1:9 Connection refused"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn each_kind_is_asked_by_a_command_of_its_own() {
        let load = Load { seconds: 2, connections: 64, folder: &env::temp_dir() };
        let command = |ask: Ask| ask.command("http://a", load).unwrap().join(" ");
        assert!(command(Ask::Get(16_384)).ends_with("-H x-request-timeout: 5s http://a/16384"));
        assert_eq!(command(Ask::Fields(20)).matches("-H x-").count(), 21);
        assert!(command(Ask::Post(3)).contains("post.lua") && command(Ask::Post(3)).ends_with("/128"));
        assert!(command(Ask::H2c).starts_with("h2load -t1 -c8 -m8 -D2 -H x-request-timeout: 5s"));
        assert!(command(Ask::Grpc).contains("grpc-timeout: 5S") && command(Ask::Grpc).contains("call.bin"));
    }
}
