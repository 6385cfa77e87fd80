//! The proxies, each told to do the same work as far as it can.
//!
//! That is: connections to the upstream that are kept, HTTP/1.1 to it but for gRPC, X-Forwarded-For, -Proto, -Host and
//! -Port, Via both ways, X-Request-Id both ways, no access log, one worker. No peer reads a deadline.

use std::path::PathBuf;

use super::contest::Contestant;
use super::process::Program;
use super::setting::Setting;
use crate::Outcome;
use crate::machine::{self, Tool};

/// A program of others.
struct Peer {
    name: &'static str,
    tool: &'static Tool,
    file: &'static str,
    /// What stands at `{more}` in it.
    more: &'static str,
    /// Before the path of the file.
    args: &'static [&'static str],
}

const PEERS: [Peer; 4] = [
    Peer { name: "nginx", tool: &machine::NGINX, file: include_str!("peers/nginx.conf"), more: "", args: NGINX },
    Peer {
        name: UNBUFFERED,
        tool: &machine::NGINX,
        file: include_str!("peers/nginx.conf"),
        more: "proxy_request_buffering off;",
        args: NGINX,
    },
    Peer {
        name: "haproxy",
        tool: &machine::HAPROXY,
        file: include_str!("peers/haproxy.cfg"),
        more: "",
        args: &["-q", "-db", "-f"],
    },
    Peer {
        name: "caddy",
        tool: &machine::CADDY,
        file: include_str!("peers/Caddyfile"),
        more: "",
        args: &["run", "--adapter", "caddyfile", "--config"],
    },
];

const NGINX: &[&str] = &["-p", ".", "-c"];

/// nginx as it is by default keeps a request back until it has all of it.
pub(super) const UNBUFFERED: &str = "nginx-unbuffered";

/// What stands between and does nothing.
pub(super) const SPLICE: &str = "splice";

/// Installs those that are named, and returns those that can be had.
pub(super) fn prepare(names: &[String]) -> Outcome<Vec<String>> {
    let mut found = Vec::new();
    for name in names {
        match machine::prepare(peer(name)?.tool) {
            Ok(()) => found.push(name.clone()),
            Err(lacking) => println!("{lacking}; {name} is left out"),
        }
    }
    Ok(found)
}

fn peer(name: &str) -> Outcome<&'static Peer> {
    let known = || PEERS.map(|peer| peer.name).join(", ");
    PEERS
        .iter()
        .find(|peer| peer.name == name)
        .ok_or_else(|| format!("no peer `{name}`, but {}", known()))
}

/// A proxy in a place of its own, by its name: a build of ours, a peer, or the splice.
pub(super) fn program(name: &str, place: usize, setting: &Setting) -> Outcome<Program> {
    let port = setting.port(place);
    let target = setting.options.port;
    let ours = setting.ours.iter().find(|(ours, _)| ours == name);
    let (path, args) = if let Some((_, path)) = ours {
        (path.clone(), ours_args(port, target, 1))
    } else if name == SPLICE {
        (setting.helper("splice"), vec![format!("127.0.0.1:{port}"), format!("127.0.0.1:{target}")])
    } else {
        let peer = peer(name)?;
        let file = setting.write(&format!("{name}-{port}.conf"), &peer.filled(port, target, setting))?;
        let args = peer.args.iter().copied().map(str::to_owned).chain([file]).collect();
        (PathBuf::from(peer.tool.name()), args)
    };
    Ok(Program { name: name.to_owned(), path, args, port })
}

/// Runs it, on the first of the cores.
pub(super) fn start(name: &str, place: usize, setting: &Setting) -> Outcome<Contestant> {
    started(&program(name, place, setting)?, 1, setting)
}

/// The same of a program with so many workers.
pub(super) fn started(program: &Program, workers: usize, setting: &Setting) -> Outcome<Contestant> {
    let running = program.start(&setting.cores(workers), &setting.folder)?;
    Ok(Contestant { name: program.name.clone(), running, port: program.port, cores: Some(workers) })
}

/// Ours: one door after the other, as the others have them, and the page for operators behind them.
pub(super) fn ours_args(port: u16, target: u16, workers: usize) -> Vec<String> {
    let mut line = format!("run --upstream http://127.0.0.1:{target} --workers {workers}");
    for door in 0..3 {
        line.push_str(&format!(" --listen 127.0.0.1:{}", port + door));
    }
    line.push_str(&format!(" --admin 127.0.0.1:{}", port + 3));
    line.split(' ').map(str::to_owned).collect()
}

impl Peer {
    fn filled(&self, port: u16, target: u16, setting: &Setting) -> String {
        let folder = setting.folder.display().to_string();
        let name = format!("{}-{port}", self.name);
        let ports = [("{port}", port), ("{h2c}", port + 1), ("{grpc}", port + 2), ("{upstream}", target)];
        let temp = setting.spill.display().to_string();
        let words = [("{folder}", folder.as_str()), ("{temp}", &temp), ("{name}", &name), ("{more}", self.more)];
        let file = ports.iter().fold(self.file.to_owned(), |file, (hole, port)| file.replace(hole, &port.to_string()));
        words.iter().fold(file, |file, (hole, word)| file.replace(hole, word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_peer_has_each_door_and_the_upstream_in_its_file() {
        for Peer { name, file, .. } in PEERS {
            for hole in ["{port}", "{h2c}", "{grpc}", "{upstream}"] {
                assert!(file.contains(hole), "{name}: {hole}");
            }
        }
        assert!(peer("nginx").is_ok());
        assert!(peer("ngnix").is_err_and(|wrong| wrong.contains("`ngnix`") && wrong.contains("haproxy")));
    }

    #[test]
    fn ours_has_as_many_doors() {
        let args = ours_args(5000, 4500, 1).join(" ");
        assert!(args.contains("--listen 127.0.0.1:5002") && args.ends_with("--admin 127.0.0.1:5003"), "{args}");
    }
}
