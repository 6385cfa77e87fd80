//! What a machine needs beside a Rust toolchain.
//!
//! Covers curl, the client that the tests drive the proxy with (it has to speak HTTP/2), PostgreSQL and its pooler, which
//! the tests start themselves, Prometheus and a browser, which look at what is told of requests, valgrind, which counts
//! instructions, systemd, which judges the units, and what the suites of others are written in. Installs them where that
//! needs no question (root on Debian or Ubuntu), and else says which command does. The collector of traces, of which no
//! system has a package, is in `collector.rs`.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::Outcome;
use crate::step::Step;

mod collector;

pub(crate) use self::collector::prepare as prepare_collector;

/// What is run on Debian before anything is installed.
const UPDATE: &str = "apt-get update";

/// For one command that needs a network: many times what the largest takes, a browser of 155 MB.
const LIMIT: Duration = Duration::from_secs(600);

/// A program, and how it is had.
pub(crate) struct Tool {
    name: &'static str,
    /// What Debian calls its package; most others call it the same.
    package: &'static str,
    /// What Fedora calls it, where that is something else.
    fedora: Option<&'static str>,
    /// Where it may be beside `PATH`; a `*` stands for the rest of a folder's name.
    beside: &'static [&'static str],
    /// What is run on Debian before it is installed, so that no service comes with it.
    before: &'static [&'static str],
    /// The same, after it.
    after: &'static [&'static str],
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

/// Debian keeps the server's programs out of `PATH`, and makes and starts a server that nobody asked for.
pub(crate) const POSTGRES: Tool = Tool {
    package: "postgresql",
    fedora: Some("postgresql-server"),
    beside: &["/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/libexec/postgresql*"],
    before: &[
        "apt-get install -y --no-install-recommends postgresql-common",
        "sed -i s/^#create_main_cluster.*/create_main_cluster=false/ /etc/postgresql-common/createcluster.conf",
    ],
    will_do: is_postgres,
    ..tool("initdb", "PostgreSQL 14 and later")
};
/// What stands between many clients and one PostgreSQL. Debian starts it, and at every start of the machine too.
pub(crate) const PGBOUNCER: Tool = Tool {
    beside: &["/usr/sbin"],
    after: &["update-rc.d pgbouncer disable", "service pgbouncer stop"],
    ..tool("pgbouncer", "transactions")
};

/// What scrapes a proxy and looks at rules. Debian starts it, and at every start of the machine too.
pub(crate) const PROMETHEUS: Tool =
    Tool { after: &["update-rc.d prometheus disable", "service prometheus stop"], ..tool("prometheus", "PromQL") };
/// What tests rules, in the same package everywhere. Before Prometheus, it is found missing where that is.
pub(crate) const PROMTOOL: Tool =
    Tool { package: PROMETHEUS.package, after: PROMETHEUS.after, ..tool("promtool", "PromQL") };
/// The browser for the status page.
pub(crate) const CHROMIUM: Tool = tool("chromium", "pages");
/// What tells the browser what to do.
pub(crate) const CHROMEDRIVER: Tool =
    Tool { package: "chromium-driver", fedora: Some("chromedriver"), ..tool("chromedriver", "WebDriver") };

pub(crate) const CADDY: Tool = Tool { asked: "version", ..tool("caddy", "reverse_proxy") };
pub(crate) const GO: Tool = Tool { package: "golang-go golang-src", asked: "version", ..tool("go", "its own sources") };
pub(crate) const H2LOAD: Tool = Tool { package: "nghttp2-client", ..tool("h2load", "HTTP/2") };
pub(crate) const HAPROXY: Tool = Tool { asked: "-v", ..tool("haproxy", "keep-alive") };
pub(crate) const JAVA: Tool = Tool { package: "default-jdk-headless", ..tool("javac", "HttpClient") };
pub(crate) const NGHTTPX: Tool = Tool { package: "nghttp2-proxy", ..tool("nghttpx", "HTTP/2") };
pub(crate) const NGINX: Tool = Tool { package: "nginx-light", asked: "-v", ..tool("nginx", "keep-alive") };
pub(crate) const NODE: Tool = Tool { package: "nodejs", ..tool("node", "fetch and http2") };
/// What looks at the units in `deploy/`, and runs them.
pub(crate) const SYSTEMD: Tool = Tool { package: "systemd", ..tool("systemd-analyze", "security and verify") };
/// What counts system calls.
pub(crate) const PERF: Tool = Tool { package: "linux-perf", fedora: Some("perf"), ..tool("perf", "tracepoints") };
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
    Tool {
        name,
        package: name,
        fedora: None,
        beside: &[],
        before: &[],
        after: &[],
        does,
        asked: "--version",
        will_do: |_| true,
    }
}

/// What can be done about a missing tool.
#[derive(Debug, PartialEq)]
enum Remedy {
    /// These commands, here and now.
    Run(Vec<String>),
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
            let install = || {
                commands
                    .iter()
                    .filter(|command| is_due(command))
                    .try_for_each(|command| Step::new(command).within(LIMIT).run())
            };
            install().map_err(|wrong| format!("{lacking}, and cannot be installed: {wrong}, which needs a network"))?;
            tool.check()
        }
        Remedy::Tell(command) => Err(format!("{lacking}; install it with `{command}`, then try again")),
    }
}

/// What there is to install is looked up once.
fn is_due(command: &str) -> bool {
    static UPDATED: AtomicBool = AtomicBool::new(false);
    command != UPDATE || !UPDATED.swap(true, Ordering::Relaxed)
}

/// The same for a tool without which some tests are skipped: where it cannot be installed, that is said, and no more.
pub(crate) fn prefer(tool: &Tool) {
    if let Err(lacking) = prepare(tool) {
        println!("{lacking}; what needs it is skipped");
    }
}

impl Tool {
    /// What it is run by.
    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    fn check(&self) -> Outcome {
        let Self { name, does, asked, will_do, beside, .. } = self;
        let run = |program: &Path| Command::new(program).args(asked.split(' ')).output();
        let elsewhere =
            beside.iter().flat_map(|pattern| folders(pattern)).filter_map(|folder| run(&folder.join(name)).ok());
        let mut found = run(Path::new(name));
        for other in elsewhere {
            found = found.ok().filter(|output| will_do(&text(output))).map_or(Ok(other), Ok);
        }
        match found {
            Ok(output) if will_do(&text(&output)) => Ok(()),
            Ok(_) => Err(format!("{name} is there, but this build of it does not speak {does}")),
            Err(error) => Err(format!("{name} is missing ({error})")),
        }
    }

    /// `os` is the text of `/etc/os-release`, empty where there is none.
    fn remedy(&self, os: &str, root: bool) -> Remedy {
        let Self { package, fedora, before, after, does, .. } = self;
        let ids = os.lines().filter_map(|line| line.strip_prefix("ID=").or(line.strip_prefix("ID_LIKE=")));
        let ids: Vec<&str> = ids.flat_map(|ids| ids.trim_matches('"').split(' ')).collect();
        let is = |id: &str| ids.contains(&id);
        if is("debian") || is("ubuntu") {
            let install = format!("apt-get install -y --no-install-recommends {package}");
            return if root {
                let commands = [&[UPDATE], *before, &[&install], *after].concat();
                Remedy::Run(commands.into_iter().map(str::to_owned).collect())
            } else {
                Remedy::Tell(format!("sudo {UPDATE} && sudo {install}"))
            };
        }
        Remedy::Tell(if is("fedora") || is("rhel") {
            format!("sudo dnf install {}", fedora.unwrap_or(package))
        } else if is("alpine") {
            format!("apk add {package}")
        } else if is("arch") {
            format!("sudo pacman -S {package}")
        } else {
            format!("brew install {package}` or the package manager of this system, for a build of it with `{does}")
        })
    }
}

fn text(output: &Output) -> Cow<'_, str> {
    String::from_utf8_lossy(&output.stdout)
}

fn speaks_http2(version: &str) -> bool {
    let features = version.lines().find_map(|line| line.strip_prefix("Features:"));
    features.is_some_and(|features| features.split_whitespace().any(|feature| feature == "HTTP2"))
}

fn is_postgres(version: &str) -> bool {
    let number = version
        .strip_prefix("initdb (PostgreSQL) ")
        .and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
    number.and_then(|number| number.parse().ok()).is_some_and(|number: u32| number >= 14)
}

/// The folders that a path stands for, which may have a `*` at the end of one name.
fn folders(pattern: &str) -> Vec<PathBuf> {
    let Some((start, end)) = pattern.split_once('*') else { return vec![pattern.into()] };
    let (folder, name) = start.rsplit_once('/').unwrap_or(("", start));
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(name));
    named.map(|entry| entry.path().join(end.trim_start_matches('/'))).collect()
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::{env, process};

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
            assert!(matches!(CURL.remedy(os, true), Remedy::Run(commands)
                if commands.len() == 2 && commands[1].ends_with(" curl")));
            let Remedy::Tell(command) = CURL.remedy(os, false) else { panic!("runs without asking") };
            assert!(command.starts_with("sudo apt-get"));
        }
        for (os, words) in [("ID=fedora", "dnf"), ("ID=alpine", "apk"), ("ID=arch", "pacman"), ("", "brew")] {
            for tool in [CURL, VALGRIND, H2LOAD, POSTGRES, PGBOUNCER, PROMETHEUS, CHROMIUM] {
                let Remedy::Tell(command) = tool.remedy(os, true) else { panic!("runs without asking") };
                assert!(command.contains(words) && command.contains(tool.package), "{command}");
            }
        }
    }

    #[test]
    fn what_there_is_to_install_is_looked_up_once() {
        let commands = [UPDATE, "apt-get install curl", UPDATE, "apt-get install curl"];
        assert_eq!(commands.map(is_due), [true, true, false, true]);
    }

    #[test]
    fn no_service_comes_with_what_the_tests_start_themselves() {
        let commands = |tool: &Tool| match tool.remedy("ID=debian", true) {
            Remedy::Run(commands) => commands,
            Remedy::Tell(command) => panic!("{command}"),
        };
        let postgres = commands(&POSTGRES);
        let [_, common, told, install] = &postgres[..] else { panic!("{postgres:?}") };
        assert!(common.ends_with(" postgresql-common") && told.contains("create_main_cluster=false"), "{postgres:?}");
        assert!(install.ends_with(" postgresql"), "{postgres:?}");
        for (tool, package) in [(PGBOUNCER, "pgbouncer"), (PROMETHEUS, "prometheus"), (PROMTOOL, "prometheus")] {
            let commands = commands(&tool);
            let [_, install, disabled, stopped] = &commands[..] else { panic!("{commands:?}") };
            assert!(install.ends_with(&format!(" {package}")), "{commands:?}");
            assert!(disabled.ends_with(&format!(" {package} disable")), "{commands:?}");
            assert!(stopped.ends_with(&format!(" {package} stop")), "{commands:?}");
        }
        let Remedy::Tell(fedora) = POSTGRES.remedy("ID=fedora", true) else { panic!("runs without asking") };
        assert_eq!(fedora, "sudo dnf install postgresql-server");
    }

    #[test]
    fn a_postgres_that_is_too_old_is_told_from_one_that_is_not() {
        for good in [
            "initdb (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)\n",
            "initdb (PostgreSQL) 19beta1",
            "initdb (PostgreSQL) 14.0",
        ] {
            assert!(is_postgres(good), "{good}");
        }
        for bad in ["", "initdb (PostgreSQL) 13.9", "initdb (PostgreSQL) 9.6.24", "initdb (PostgreSQL) ", "15.20"] {
            assert!(!is_postgres(bad), "{bad}");
        }
    }

    #[test]
    fn a_tool_is_found_beside_the_path_and_one_that_will_do_before_one_that_will_not() {
        let home = env::temp_dir().join(format!("xtask-{}", process::id()));
        let pattern: &'static str = format!("{}/v*/bin", home.display()).leak();
        let tool =
            Tool { asked: "-c $0", beside: Vec::leak(vec![pattern]), ..tool("no-such-program-anywhere", "sing") };
        assert!(tool.check().is_err_and(|lacking| lacking.contains("is missing")));
        for (version, program) in [("v1", "/bin/sh"), ("v2", "/bin/echo"), ("share", "/bin/sh")] {
            fs::create_dir_all(home.join(version).join("bin")).unwrap();
            symlink(program, home.join(version).join("bin").join(tool.name)).unwrap();
        }
        let mut found = folders(pattern);
        found.sort();
        assert_eq!(found, ["v1/bin", "v2/bin"].map(|folder| home.join(folder)));
        let verdicts = [|_: &str| true, |said: &str| said.starts_with("-c"), |said: &str| said == "song"];
        let judged = verdicts.map(|will_do| Tool { will_do, ..tool }.check());
        fs::remove_dir_all(&home).unwrap();
        assert_eq!((&judged[0], &judged[1]), (&Ok(()), &Ok(())));
        assert!(judged[2].as_ref().is_err_and(|lacking| lacking.ends_with("does not speak sing")), "{judged:?}");
    }

    #[test]
    fn a_tool_that_is_missing_is_named() {
        let tool = tool("no-such-program-anywhere", "nothing");
        assert!(tool.check().is_err_and(|wrong| wrong.starts_with("no-such-program-anywhere is missing")));
        let useless = Tool { will_do: |_| false, ..super::tool("cargo", "sing") };
        assert!(useless.check().is_err_and(|wrong| wrong.ends_with("does not speak sing")));
    }
}
