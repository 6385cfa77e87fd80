//! The folder of a server: its files, its socket, its log.
//!
//! Covers making it and what is in it. The process that serves it is another matter (`postmaster.rs`).

use std::env;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::account::Account;
use super::error::Error;
use super::{Builder, Programs};

/// Where the folder is if `TMPDIR` will not do.
const SHORT_AND_OPEN: &str = "/tmp";
/// The path of a Unix socket has 108 bytes with its end on Linux, and 104 on others.
const LONGEST: usize = 103 - "/.s.PGSQL.65535".len();

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
        let mut folder = folder_in(&env::temp_dir())?;
        let account = account_for(folder.path())?;
        if !holds_a_socket(folder.path()) || account.is_some() && !is_open_to_all(folder.path()) {
            folder = folder_in(Path::new(SHORT_AND_OPEN))?;
        }
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

fn folder_in(place: &Path) -> Result<TempDir, Error> {
    tempfile::Builder::new().prefix("pg-").tempdir_in(place).map_err(Error::folder(place))
}

fn holds_a_socket(folder: &Path) -> bool {
    folder.as_os_str().len() <= LONGEST
}

/// Whether anybody who is told of it can go there: the `TMPDIR` of root may be root's alone.
fn is_open_to_all(folder: &Path) -> bool {
    let is_passed_by_all = |above: &Path| fs::metadata(above).is_ok_and(|found| found.mode() & 0o001 != 0);
    folder.ancestors().skip(1).all(is_passed_by_all)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_too_deep_for_a_socket_is_told_from_one_that_is_not() {
        for (length, holds) in [(6, true), (LONGEST, true), (LONGEST + 1, false)] {
            let folder = PathBuf::from(format!("/{}", "a".repeat(length - 1)));
            assert_eq!(holds_a_socket(&folder), holds, "{length}");
        }
    }

    #[test]
    fn a_folder_within_one_that_is_somebodys_alone_is_closed() {
        let outer = folder_in(Path::new(SHORT_AND_OPEN)).unwrap();
        let inner = outer.path().join("within");
        fs::create_dir(&inner).unwrap();
        for (mode, open) in [(0o700, false), (0o770, false), (0o711, true), (0o755, true)] {
            fs::set_permissions(outer.path(), Permissions::from_mode(mode)).unwrap();
            assert_eq!(is_open_to_all(&inner), open, "{mode:o}");
            assert!(is_open_to_all(outer.path()), "{mode:o}: its own mode is no matter");
        }
    }
}
