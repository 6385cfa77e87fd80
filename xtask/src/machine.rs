//! What a machine needs beside a Rust toolchain.
//!
//! Covers curl, the client that the tests drive the proxy with (it has to speak HTTP/2), valgrind, which counts
//! instructions, systemd, which judges the units, and what the suites of others are written in. Installs them where that
//! needs no question (root on Debian or Ubuntu), and else says which command does.

use std::fs;
use std::process::Command;

use crate::Outcome;
use crate::step::Step;

/// A program, and how it is had.
pub(crate) struct Tool {
    name: &'static str,
    /// What Debian calls its package; most others call it the same.
    package: &'static str,
    /// What it is needed for.
    does: &'static str,
    /// What it is run with to say its version.
    asked: &'static str,
    /// Whether what it prints of its version will do.
    will_do: fn(&str) -> bool,
}

pub(crate) const CURL: Tool = Tool { will_do: speaks_http2, ..tool("curl", "HTTP/2") };
pub(crate) const VALGRIND: Tool =
    Tool { will_do: |version| version.starts_with("valgrind-3"), ..tool("valgrind", "callgrind") };

pub(crate) const GO: Tool = Tool { package: "golang-go golang-src", asked: "version", ..tool("go", "its own sources") };
pub(crate) const H2LOAD: Tool = Tool { package: "nghttp2-client", ..tool("h2load", "HTTP/2") };
pub(crate) const HAPROXY: Tool = Tool { asked: "-v", ..tool("haproxy", "keep-alive") };
pub(crate) const JAVA: Tool = Tool { package: "default-jdk-headless", ..tool("javac", "HttpClient") };
pub(crate) const NGHTTPX: Tool = Tool { package: "nghttp2-proxy", ..tool("nghttpx", "HTTP/2") };
pub(crate) const NGINX: Tool = Tool { package: "nginx-light", asked: "-v", ..tool("nginx", "keep-alive") };
pub(crate) const NODE: Tool = Tool { package: "nodejs", ..tool("node", "fetch and http2") };
/// What looks at the units in `deploy/`, and runs them.
pub(crate) const SYSTEMD: Tool = Tool { package: "systemd", ..tool("systemd-analyze", "security and verify") };
pub(crate) const PYTHON: Tool = tool("python3", "its library");
/// What makes a folder with packages of Python's own.
pub(crate) const PYTHON_VENV: Tool = Tool {
    package: "python3-venv",
    asked: "-m ensurepip --version",
    will_do: |version| version.starts_with("pip"),
    ..tool("python3", "environments")
};

/// A program that is installed by the package of its name, and of which any version will do.
const fn tool(name: &'static str, does: &'static str) -> Tool {
    Tool { name, package: name, does, asked: "--version", will_do: |_| true }
}

/// What can be done about a missing tool.
#[derive(Debug, PartialEq)]
enum Remedy {
    /// These commands, here and now.
    Run([String; 2]),
    /// This command, by whoever may.
    Tell(String),
}

/// Checks the machine, and installs what it lacks.
pub(crate) fn prepare(tool: &Tool) -> Outcome {
    println!("\n==> looking for {} with {}", tool.name, tool.does);
    let Err(lacking) = tool.check() else { return Ok(()) };
    println!("{lacking}");
    let os = fs::read_to_string("/etc/os-release").unwrap_or_default();
    match tool.remedy(&os, is_root()) {
        Remedy::Run(commands) => {
            commands.iter().try_for_each(|command| Step::new(command).run())?;
            tool.check()
        }
        Remedy::Tell(command) => Err(format!("{lacking}; install it with `{command}`, then try again")),
    }
}

/// The same for a tool without which some tests are skipped: where it cannot be installed, that is said, and no more.
pub(crate) fn prefer(tool: &Tool) {
    if let Err(lacking) = prepare(tool) {
        println!("{lacking}; what needs it is skipped");
    }
}

impl Tool {
    fn check(&self) -> Outcome {
        let Self { name, does, asked, will_do, .. } = self;
        match Command::new(name).args(asked.split(' ')).output() {
            Ok(output) if will_do(&String::from_utf8_lossy(&output.stdout)) => Ok(()),
            Ok(_) => Err(format!("{name} is there, but this build of it does not speak {does}")),
            Err(error) => Err(format!("{name} is missing ({error})")),
        }
    }

    /// `os` is the text of `/etc/os-release`, empty where there is none.
    fn remedy(&self, os: &str, root: bool) -> Remedy {
        let Self { package, does, .. } = self;
        let ids = os.lines().filter_map(|line| line.strip_prefix("ID=").or(line.strip_prefix("ID_LIKE=")));
        let ids: Vec<&str> = ids.flat_map(|ids| ids.trim_matches('"').split(' ')).collect();
        let is = |id: &str| ids.contains(&id);
        if is("debian") || is("ubuntu") {
            let install = format!("apt-get install -y --no-install-recommends {package}");
            return if root {
                Remedy::Run(["apt-get update".to_owned(), install])
            } else {
                Remedy::Tell(format!("sudo apt-get update && sudo {install}"))
            };
        }
        Remedy::Tell(if is("fedora") || is("rhel") {
            format!("sudo dnf install {package}")
        } else if is("alpine") {
            format!("apk add {package}")
        } else if is("arch") {
            format!("sudo pacman -S {package}")
        } else {
            format!("brew install {package}` or the package manager of this system, for a build of it with `{does}")
        })
    }
}

fn speaks_http2(version: &str) -> bool {
    let features = version.lines().find_map(|line| line.strip_prefix("Features:"));
    features.is_some_and(|features| features.split_whitespace().any(|feature| feature == "HTTP2"))
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curl_without_http2_is_told_from_one_with_it() {
        let version = "curl 8.5.0 nghttp2/1.59.0\nProtocols: http https\nFeatures: alt-svc HTTP2 HTTPS-proxy\n";
        assert!(speaks_http2(version));
        for bad in ["", "curl 8.5.0\nFeatures: alt-svc HTTP20 HTTPS-proxy\n", "HTTP2\nFeatures: IPv6"] {
            assert!(!speaks_http2(bad), "{bad}");
        }
    }

    #[test]
    fn installs_only_where_it_may_and_names_the_command_elsewhere() {
        let debian = "PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\n";
        let mint = "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n";
        for os in [debian, mint] {
            assert!(matches!(CURL.remedy(os, true), Remedy::Run([_, install]) if install.ends_with(" curl")));
            let Remedy::Tell(command) = CURL.remedy(os, false) else { panic!("runs without asking") };
            assert!(command.starts_with("sudo apt-get"));
        }
        for (os, words) in [("ID=fedora", "dnf"), ("ID=alpine", "apk"), ("ID=arch", "pacman"), ("", "brew")] {
            for tool in [CURL, VALGRIND, H2LOAD] {
                let Remedy::Tell(command) = tool.remedy(os, true) else { panic!("runs without asking") };
                assert!(command.contains(words) && command.contains(tool.package), "{command}");
            }
        }
    }

    #[test]
    fn a_tool_that_is_missing_is_named() {
        let tool = tool("no-such-program-anywhere", "nothing");
        assert!(tool.check().is_err_and(|wrong| wrong.starts_with("no-such-program-anywhere is missing")));
        let useless = Tool { will_do: |_| false, ..super::tool("cargo", "sing") };
        assert!(useless.check().is_err_and(|wrong| wrong.ends_with("does not speak sing")));
    }
}
