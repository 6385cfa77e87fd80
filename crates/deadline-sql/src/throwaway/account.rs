//! Who the server runs as: PostgreSQL refuses to be root.
//!
//! Covers a caller that is root, which is what tests in a container are: its server becomes `postgres`, else `nobody`.
//! Everybody else runs the server as themselves. Groups beside the account's own are given up by the standard library
//! (`CommandExt::uid` of a process that is root).

use std::io;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

const NAMES: [&str; 2] = ["postgres", "nobody"];

/// A user and its group, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Account {
    user: u32,
    group: u32,
}

impl Account {
    /// The first account of `passwd` that a server may have, in the form of `/etc/passwd`.
    pub(super) fn among(passwd: &str) -> Option<Self> {
        NAMES.iter().find_map(|name| passwd.lines().find_map(|line| Self::named(name, line)))
    }

    fn named(name: &str, line: &str) -> Option<Self> {
        // name:password:user:group:comment:home:shell
        let mut fields = line.strip_prefix(name)?.strip_prefix(':')?.split(':').skip(1);
        let mut number = || fields.next()?.parse().ok();
        let account = Self { user: number()?, group: number()? };
        (account.user != 0).then_some(account)
    }

    pub(super) fn own(self, path: &Path) -> io::Result<()> {
        chown(path, Some(self.user), Some(self.group))
    }

    pub(super) fn run(self, command: &mut Command) {
        command.uid(self.user).gid(self.group);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "root:x:0:0:root:/root:/bin/bash\n";
    const NOBODY: &str = "nobody:x:65534:65533:nobody:/nonexistent:/usr/sbin/nologin\n";

    #[test]
    fn postgres_is_taken_before_nobody() {
        let postgres = "postgres:x:101:104:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash\n";
        let both = Account::among(&[ROOT, NOBODY, postgres].concat());
        assert_eq!(both, Some(Account { user: 101, group: 104 }));
        assert_eq!(Account::among(&[ROOT, NOBODY].concat()), Some(Account { user: 65_534, group: 65_533 }));
    }

    #[test]
    fn what_is_no_such_account_is_not_taken() {
        for line in
            ["", ROOT, "postgres", "postgres:x:a:104::", "postgres:x:101", "postgres2:x:7:7::", "nobody:x:0:0::"]
        {
            assert_eq!(Account::among(line), None, "{line}");
        }
    }
}
