//! Who asks: `load`, which is ours, and `h2load`, as fast as answers come; and what they say of it.

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
    /// The same of 128 bytes, by this path.
    Path(&'static str),
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
            Self::Get(_) | Self::Path(_) | Self::Fields(_) | Self::Post(_) => 0,
            Self::H2c => 1,
            Self::Grpc => 2,
        }
    }

    /// The command that asks so, for so many seconds.
    pub(super) fn command(self, port: u16, load: Load<'_>) -> Outcome<Vec<String>> {
        let Load { seconds, connections, folder: _, helper } = load;
        let (path, fields, body) = match self {
            Self::Get(length) => (format!("/{length}"), 0, 0),
            Self::Path(path) => (path.to_owned(), 0, 0),
            Self::Fields(fields) => ("/128".to_owned(), fields, 0),
            Self::Post(body) => ("/128".to_owned(), 0, body),
            Self::H2c | Self::Grpc => return self.h2load(port, load),
        };
        let line = format!("closed 127.0.0.1:{port} {path} {fields} {body} {seconds} {connections}");
        Ok([helper.display().to_string()].into_iter().chain(line.split(' ').map(str::to_owned)).collect())
    }

    /// Sixteen streams on each of an eighth of the connections: answers come in bunches, and a proxy must not run dry
    /// between two of them.
    fn h2load(self, port: u16, Load { seconds, connections, folder, .. }: Load<'_>) -> Outcome<Vec<String>> {
        let clients = connections.div_ceil(8);
        let line = format!("h2load -t1 -c{clients} -m16 -D{seconds}");
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let fields: &[&str] = if self == Self::Grpc { &GRPC_FIELDS } else { &[FIELD] };
        words.extend(fields.iter().flat_map(|field| ["-H", field]).map(str::to_owned));
        if self == Self::Grpc {
            words.extend(["-d".to_owned(), file(folder, "call.bin", b"\0\0\0\0\x08deadline")?]);
        }
        words.push(format!("http://127.0.0.1:{port}/{}", if self == Self::Grpc { "a.B/128" } else { "128" }));
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
    /// `load`, which asks over HTTP/1.1.
    pub(super) helper: &'a Path,
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
    if said.starts_with("answered ") { load(said) } else { h2load(said) }
}

/// One line of names and figures.
fn load(said: &str) -> Option<Answered> {
    let words: Vec<&str> = said.split_whitespace().collect();
    let figure = |name: &str| words.chunks(2).find(|pair| pair[0] == name)?.get(1)?.parse::<f64>().ok();
    let answered = figure("answered")?;
    Some(Answered {
        answered: answered as u64,
        errors: figure("errors")? as u64,
        each_second: answered / figure("seconds")?,
        p50: figure("p50"),
        p99: figure("p99"),
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

#[cfg(test)]
mod tests {
    use std::env;

    use super::*;

    const H2LOAD: &str = "finished in 2.00s, 6172.50 req/s, 500.00KB/s
requests: 12353 total, 12361 started, 12345 done, 12340 succeeded, 5 failed, 1 errored, 2 timeout
status codes: 12340 2xx, 0 3xx, 0 4xx, 5 5xx
";

    #[test]
    fn our_own_line_is_read_with_its_errors() {
        let line = "answered 187062 p50 673.0 p90 711.1 p99 913.2 p999 4032.6 max 4485.2 errors 3 seconds 2.000\n";
        let figures =
            Answered { answered: 187_062, errors: 3, each_second: 93_531.0, p50: Some(673.0), p99: Some(913.2) };
        assert_eq!(read(line), Some(figures));
        assert_eq!(read("answered 1 p50 2.0 errors"), None);
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
        let load = Load { seconds: 2, connections: 64, folder: &env::temp_dir(), helper: Path::new("load") };
        let command = |ask: Ask| ask.command(4510, load).unwrap().join(" ");
        assert_eq!(command(Ask::Get(16_384)), "load closed 127.0.0.1:4510 /16384 0 0 2 64");
        assert_eq!(command(Ask::Fields(20)), "load closed 127.0.0.1:4510 /128 20 0 2 64");
        assert_eq!(command(Ask::Post(3)), "load closed 127.0.0.1:4510 /128 0 3 2 64");
        assert!(command(Ask::H2c).starts_with("h2load -t1 -c8 -m16 -D2 -H x-request-timeout: 5s"));
        assert!(command(Ask::Grpc).contains("grpc-timeout: 5S") && command(Ask::Grpc).contains("call.bin"));
    }
}
