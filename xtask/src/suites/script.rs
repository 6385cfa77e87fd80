//! The script of a suite, and what it says.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::table::{Check, Verdict};
use crate::Outcome;
use crate::step::{Step, root};

/// What every proxy is started with beside its addresses: what a suite asks for and no proxy does by default.
const MORE: &str = "--upgrade websocket --trust 127.0.0.1";

/// A script that prints a line for each check.
pub(super) struct Script {
    /// The command, from the root of the workspace.
    pub(super) command: &'static str,
    /// How long it may take: many times what it does on a machine that is not busy.
    pub(super) limit: Duration,
    pub(super) build: Build,
}

/// Which build of the proxy is asked.
#[derive(Clone, Copy)]
pub(super) enum Build {
    /// The one of the tests.
    Debug,
    /// For what is measured.
    Release,
    /// The one that is handed out: for what is compared with programs of others that were.
    Dist,
}

impl Script {
    /// Builds the proxy, and says where it is.
    pub(super) fn build(&self) -> Outcome<PathBuf> {
        let (flag, folder) = match self.build {
            Build::Debug => ("", "debug"),
            Build::Release => (" --release", "release"),
            Build::Dist => (" --profile dist", "dist"),
        };
        Step::new(&format!("cargo build -p deadline-proxy{flag}")).run()?;
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir));
        Ok(target.join(folder).join("deadline-proxy"))
    }

    /// The checks of the script. That it ended as its checks say is the last of them, where it did not.
    pub(super) fn run(&self, program: &Path) -> Vec<Check> {
        println!("\n==> {}", self.command);
        let output = match self.limited(program).output() {
            Ok(output) => output,
            Err(error) => return vec![broken(&format!("`timeout`, which limits it, cannot be run: {error}"))],
        };
        let mut checks = read(&String::from_utf8_lossy(&output.stdout));
        match output.status.code() {
            Some(0) if !checks.is_empty() => {}
            Some(1) if checks.iter().any(|check| check.verdict == Verdict::Failed) => {}
            Some(124) => checks.push(broken(&format!("it took more than {:?}", self.limit))),
            _ => checks.push(broken(&format!("{} after {} checks", output.status, checks.len()))),
        }
        checks
    }

    /// The command, which is ended at the limit together with what it has started.
    fn limited(&self, program: &Path) -> Command {
        let mut command = Command::new("timeout");
        command
            .arg("--kill-after=10")
            .arg(self.limit.as_secs_f64().to_string())
            .args(self.command.split(' '));
        command.current_dir(root()).env("DEADLINE_PROXY", program).env("DEADLINE_PROXY_MORE", MORE);
        command.env("PYTHONPATH", root().join("tests/suites")).env("PYTHONDONTWRITEBYTECODE", "1");
        command.stderr(Stdio::inherit());
        command
    }
}

fn broken(figures: &str) -> Check {
    Check::new(Verdict::Failed, "the script runs to its end", figures)
}

/// Lines of a verdict, a name and figures, with tabs between. Others are passed on: they explain something.
fn read(printed: &str) -> Vec<Check> {
    let line = |line: &str| {
        let mut cells = line.split('\t');
        let verdict = cells.next().and_then(Verdict::parse);
        let check = verdict.zip(cells.next()).map(|(verdict, name)| (verdict, name, cells.next().unwrap_or_default()));
        match check {
            Some((verdict, name, figures)) => Some(Check::new(verdict, name, figures)),
            None => {
                println!("{line}");
                None
            }
        }
    };
    printed.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(command: &'static str, limit: Duration) -> Vec<(Verdict, String)> {
        let script = Script { command, limit, build: Build::Debug };
        let checks = script.run(Path::new("/none"));
        checks.into_iter().map(|check| (check.verdict, check.name)).collect()
    }

    #[test]
    fn lines_of_checks_are_told_from_others() {
        let checks = read("ok\ta\tb\nnews\tc\td\nFAILED\te\nskipped\tf\tg\n\nok\n");
        let expected = [(Verdict::Ok, "a", "b"), (Verdict::Failed, "e", ""), (Verdict::Skipped, "f", "g")];
        assert_eq!(checks, expected.map(|(verdict, name, figures)| Check::new(verdict, name, figures)));
    }

    #[test]
    fn a_script_that_says_nothing_or_breaks_off_or_hangs_has_failed() {
        let failed = vec![(Verdict::Failed, "the script runs to its end".to_owned())];
        for command in ["true", "false", "no-such-program-anywhere"] {
            assert_eq!(run(command, Duration::from_secs(60)), failed, "{command}");
        }
        assert_eq!(run("sleep 60", Duration::from_millis(50)), failed);
    }

    #[test]
    fn a_script_is_told_which_program() {
        let script = Script { command: "printenv DEADLINE_PROXY", limit: Duration::from_secs(60), build: Build::Debug };
        let checks = script.run(Path::new("ok\tfound"));
        assert_eq!(checks, [Check::new(Verdict::Ok, "found", "")]);
    }
}
