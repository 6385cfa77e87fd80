//! One step: a command, printed before it runs, with its output passed through.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::Outcome;

/// A command that has to succeed.
pub(crate) struct Step {
    program: String,
    args: Vec<String>,
    envs: Vec<(&'static str, PathBuf)>,
    limit: Option<Duration>,
}

impl Step {
    /// A command line without quotes, split at blanks.
    pub(crate) fn new(line: &str) -> Self {
        let mut words = line.split_whitespace().map(str::to_owned);
        Self { program: words.next().unwrap_or_default(), args: words.collect(), envs: Vec::new(), limit: None }
    }

    /// With this in its environment.
    pub(crate) fn env(mut self, name: &'static str, value: PathBuf) -> Self {
        self.envs.push((name, value));
        self
    }

    /// Ended after so long, together with what it has started. Linux alone has the `timeout` that does that.
    pub(crate) fn within(mut self, limit: Duration) -> Self {
        self.limit = Some(limit).filter(|_| cfg!(target_os = "linux"));
        self
    }

    /// Runs it in the root of the workspace.
    pub(crate) fn run(&self) -> Outcome {
        println!("\n==> {self}");
        let status = self.command().status().map_err(|error| format!("`{self}` cannot be run: {error}"))?;
        self.judge(status)
    }

    /// Runs it in the root of the workspace, and returns what it prints.
    pub(crate) fn read(&self) -> Outcome<String> {
        println!("\n==> {self}");
        let output = self.command().stderr(Stdio::inherit()).output();
        let output = output.map_err(|error| format!("`{self}` cannot be run: {error}"))?;
        self.judge(output.status)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn command(&self) -> Command {
        let mut command = match self.limit {
            None => Command::new(self.binary()),
            Some(limit) => {
                let mut command = Command::new("timeout");
                command.arg("--kill-after=10").arg(limit.as_secs_f64().to_string()).arg(self.binary());
                command
            }
        };
        // apt-get asks questions otherwise; nothing else reads it.
        command.args(&self.args).current_dir(root()).env("DEBIAN_FRONTEND", "noninteractive");
        command.envs(self.envs.iter().map(|(name, value)| (name, value)));
        command
    }

    fn judge(&self, status: ExitStatus) -> Outcome {
        match (status.code(), self.limit) {
            (Some(0), _) => Ok(()),
            (Some(124), Some(limit)) => Err(format!("`{self}`: took more than {limit:?}")),
            _ => Err(format!("`{self}`: {status}")),
        }
    }

    /// The cargo that runs this, not another one that is found first.
    fn binary(&self) -> OsString {
        let cargo = env::var_os("CARGO").filter(|_| self.program == "cargo");
        cargo.unwrap_or_else(|| self.program.clone().into())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.program, self.args.join(" "))
    }
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn succeeds_as_its_command_does_and_names_it_where_it_does_not() {
        assert_eq!(Step::new("cargo --version").run(), Ok(()));
        let failed = Step::new("cargo no-such-command").run();
        assert!(failed.is_err_and(|wrong| wrong.starts_with("`cargo no-such-command`: exit")));
        let absent = Step::new("no-such-program-anywhere").run();
        assert!(absent.is_err_and(|wrong| wrong.contains("cannot be run")));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn it_is_ended_at_its_limit_and_as_it_ends_before() {
        let long = Step::new("sleep 60").within(Duration::from_millis(50)).run();
        assert_eq!(long, Err("`sleep 60`: took more than 50ms".to_owned()));
        let limit = Duration::from_secs(60);
        assert_eq!(Step::new("cargo --version").within(limit).run(), Ok(()));
        assert!(Step::new("false").within(limit).run().is_err_and(|wrong| wrong.starts_with("`false")));
    }

    #[test]
    fn what_it_prints_is_read_with_what_its_environment_says() {
        let step = Step::new("env").env("XTASK_STEP", "of one".into());
        assert!(step.read().is_ok_and(|printed| printed.lines().any(|line| line == "XTASK_STEP=of one")));
        assert!(Step::new("cargo no-such-command").read().is_err());
    }
}
