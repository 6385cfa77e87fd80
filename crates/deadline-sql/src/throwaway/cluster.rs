//! The folder of a server: its files, its socket, its log.
//!
//! Covers making it and what is in it. The process that serves it is another matter (`postmaster.rs`).

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::account::Account;
use super::error::Error;
use super::{Builder, Programs};

/// A cluster that is made, and perhaps not served yet. Gone when it is dropped.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) programs: Programs,
    pub(super) account: Option<Account>,
    folder: TempDir,
    variables: Vec<(String, String)>,
}

impl Cluster {
    /// Its folder, and nothing in it.
    pub(super) fn make(variables: &[(String, String)]) -> Result<Self, Error> {
        let programs = Programs::find()?;
        // The path of a Unix socket is short.
        let folder = tempfile::Builder::new().prefix("pg-").tempdir();
        let folder = folder.map_err(Error::folder(std::env::temp_dir()))?;
        let account = account_for(folder.path())?;
        let cluster = Self { programs, account, folder, variables: variables.to_vec() };
        cluster.hand_over(cluster.path())?;
        Ok(cluster)
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// What the server writes when it starts, adds to when it is ready, and removes when it is down.
    pub(super) fn pid_file(&self) -> PathBuf {
        self.data().join("postmaster.pid")
    }

    fn log_file(&self) -> PathBuf {
        self.path().join("log")
    }

    /// What its programs have said.
    pub(super) fn log(&self) -> Result<String, Error> {
        let said = fs::read(self.log_file()).map_err(Error::folder(self.log_file()))?;
        Ok(String::from_utf8_lossy(&said).into_owned())
    }

    /// The last lines of it.
    pub(super) fn last_words(&self) -> String {
        let log = self.log().unwrap_or_else(|error| error.to_string());
        let from = log.trim_end().rmatch_indices('\n').nth(9).map_or(0, |(at, _)| at + 1);
        log[from..].trim_end().to_owned()
    }

    /// A program that runs as who may, where who may can be, and writes into the log.
    pub(super) fn command(&self, program: &Path) -> Result<Command, Error> {
        let (out, err) = (self.write_log()?, self.write_log()?);
        let mut command = Command::new(program);
        command.current_dir(self.path()).stdin(Stdio::null()).stdout(out).stderr(err);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        self.account.inspect(|account| account.run(&mut command));
        Ok(command)
    }

    /// Fills it with what a server needs.
    pub(super) fn initialise(&self, builder: &Builder) -> Result<(), Error> {
        let program = self.programs.initdb();
        let mut command = self.command(&program)?;
        command.args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale", "--no-sync", "-D"]);
        let status = command.arg(self.data()).status().map_err(Error::run(&program))?;
        if !status.success() {
            return Err(Error::Ended { program, status, said: self.last_words() });
        }
        for (name, text) in builder.files() {
            self.write_file(name, text)?;
        }
        let settings = self.data().join("postgresql.conf");
        append(&settings)
            .and_then(|mut file| file.write_all(builder.settings().as_bytes()))
            .map_err(Error::folder(settings))
    }

    /// A file that the server alone may read.
    fn write_file(&self, name: &str, text: &str) -> Result<(), Error> {
        let path = self.data().join(name);
        let written = fs::write(&path, "")
            .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o600)))
            .and_then(|()| fs::write(&path, text));
        written.map_err(Error::folder(&path))?;
        self.hand_over(&path)
    }

    fn hand_over(&self, path: &Path) -> Result<(), Error> {
        self.account.map_or(Ok(()), |account| account.own(path)).map_err(Error::folder(path))
    }

    fn write_log(&self) -> Result<File, Error> {
        append(&self.log_file()).map_err(Error::folder(self.log_file()))
    }
}

/// Whoever made the folder is who we are: somebody else's account is needed by root alone.
fn account_for(folder: &Path) -> Result<Option<Account>, Error> {
    const ACCOUNTS: &str = "/etc/passwd";
    if fs::metadata(folder).map_err(Error::folder(folder))?.uid() != 0 {
        return Ok(None);
    }
    let accounts = fs::read_to_string(ACCOUNTS).map_err(Error::folder(ACCOUNTS))?;
    Account::among(&accounts).map(Some).ok_or(Error::NoAccount)
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}
