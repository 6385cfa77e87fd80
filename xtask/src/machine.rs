//! What a machine needs for the tests, beside a Rust toolchain.
//!
//! Covers curl, the client that the tests drive the proxy with: it has to speak HTTP/2. Installs it where that
//! needs no question (root on Debian or Ubuntu), and else says which command does.

use std::fs;
use std::process::Command;

use crate::Outcome;
use crate::step::Step;

const INSTALL: [&str; 2] = ["apt-get update", "apt-get install -y --no-install-recommends curl"];

/// What can be done about a missing curl.
#[derive(Debug, PartialEq)]
enum Remedy {
    /// These commands, here and now.
    Run(&'static [&'static str]),
    /// This command, by whoever may.
    Tell(&'static str),
}

/// Checks the machine, and installs what it lacks.
pub(crate) fn prepare() -> Outcome {
    println!("\n==> looking for curl with HTTP/2");
    let Err(lacking) = curl() else { return Ok(()) };
    println!("{lacking}");
    let os = fs::read_to_string("/etc/os-release").unwrap_or_default();
    match remedy(&os, is_root()) {
        Remedy::Run(commands) => {
            commands.iter().try_for_each(|command| Step::new(command).run())?;
            curl()
        }
        Remedy::Tell(command) => Err(format!("{lacking}; install it with `{command}`, then try again")),
    }
}

fn curl() -> Outcome {
    match Command::new("curl").arg("--version").output() {
        Ok(output) if speaks_http2(&String::from_utf8_lossy(&output.stdout)) => Ok(()),
        Ok(_) => Err("curl is there, but this build of it does not speak HTTP/2".to_owned()),
        Err(error) => Err(format!("curl is missing ({error})")),
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

/// `os` is the text of `/etc/os-release`, empty where there is none.
fn remedy(os: &str, root: bool) -> Remedy {
    let ids = os.lines().filter_map(|line| line.strip_prefix("ID=").or(line.strip_prefix("ID_LIKE=")));
    let ids: Vec<&str> = ids.flat_map(|ids| ids.trim_matches('"').split(' ')).collect();
    let is = |id: &str| ids.contains(&id);
    if is("debian") || is("ubuntu") {
        return if root {
            Remedy::Run(&INSTALL)
        } else {
            Remedy::Tell("sudo apt-get update && sudo apt-get install -y --no-install-recommends curl")
        };
    }
    Remedy::Tell(if is("fedora") || is("rhel") {
        "sudo dnf install curl"
    } else if is("alpine") {
        "apk add curl"
    } else if is("arch") {
        "sudo pacman -S curl"
    } else {
        "brew install curl` or the package manager of this system, for a curl whose `curl --version` lists `HTTP2"
    })
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
            assert_eq!(remedy(os, true), Remedy::Run(&INSTALL));
            assert!(matches!(remedy(os, false), Remedy::Tell(command) if command.starts_with("sudo apt-get")));
        }
        for (os, words) in [("ID=fedora", "dnf"), ("ID=alpine", "apk"), ("ID=arch", "pacman"), ("", "brew")] {
            assert!(matches!(remedy(os, true), Remedy::Tell(command) if command.contains(words)), "{os}");
        }
    }
}
