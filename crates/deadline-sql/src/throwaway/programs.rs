//! Where PostgreSQL's own programs are.
//!
//! Covers `PATH` and the folders of the usual packages, which keep the server's programs out of it. Does not install
//! anything: it says what does.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::{env, error, fmt, fs};

const NAMES: [&str; 2] = ["initdb", "postgres"];

/// Folders outside of `PATH`; a `*` stands for a version, of which the newest comes first.
const PLACES: [&str; 7] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/libexec/postgresql*",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
];

/// The programs that make a cluster and serve it.
#[derive(Clone, Debug)]
pub struct Programs {
    folder: PathBuf,
}

/// There are no such programs on this machine. It says where they were looked for, and what installs them.
#[derive(Debug)]
#[non_exhaustive]
pub struct Missing;

impl Programs {
    /// Looks in `PATH` first, then in the folders of the usual packages, in each the newest version first.
    ///
    /// # Errors
    ///
    /// [`Missing`] where no folder has both `initdb` and `postgres`.
    pub fn find() -> Result<Self, Missing> {
        let path = env::var_os("PATH").unwrap_or_default();
        let places = PLACES.iter().flat_map(|place| versions(Path::new(place)));
        Self::in_folders(in_path(&path).chain(places)).ok_or(Missing)
    }

    fn in_folders(mut folders: impl Iterator<Item = PathBuf>) -> Option<Self> {
        let complete = |folder: &PathBuf| NAMES.iter().all(|name| is_program(&folder.join(name)));
        folders.find(complete).map(|folder| Self { folder })
    }

    /// The folder that they are in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn initdb(&self) -> PathBuf {
        self.folder.join(NAMES[0])
    }

    pub(super) fn postgres(&self) -> PathBuf {
        self.folder.join(NAMES[1])
    }
}

fn in_path(path: &OsStr) -> impl Iterator<Item = PathBuf> {
    // An empty part would be the working directory, where nobody keeps a server.
    env::split_paths(path).filter(|folder| folder.is_absolute())
}

/// The folders that a place stands for, the newest version first.
fn versions(place: &Path) -> Vec<PathBuf> {
    let mut folders = vec![(Vec::new(), PathBuf::new())];
    for part in place.components() {
        let part = part.as_os_str();
        let pattern = part.to_str().and_then(|part| part.split_once('*'));
        folders = match pattern {
            None => folders.into_iter().map(|(version, folder)| (version, folder.join(part))).collect(),
            Some(ends) => folders.iter().flat_map(|(_, folder)| matching(folder, ends)).collect(),
        };
    }
    folders.sort_by(|(a, _), (b, _)| b.cmp(a));
    folders.into_iter().map(|(_, folder)| folder).collect()
}

/// What in a folder begins and ends so, each with the numbers between.
fn matching(folder: &Path, (start, end): (&str, &str)) -> Vec<(Vec<u32>, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let named = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let version = name.strip_prefix(start)?.strip_suffix(end)?;
        let numbers = version.split(|char: char| !char.is_ascii_digit()).filter_map(|number| number.parse().ok());
        Some((numbers.collect(), entry.path()))
    });
    named.collect()
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "PostgreSQL's `{}` and `{}` are neither in PATH nor in {}; install them with `apt-get install postgresql` \
             (Debian, Ubuntu), `dnf install postgresql-server` (Fedora) or `brew install postgresql` (macOS)",
            NAMES[0],
            NAMES[1],
            PLACES.join(", ")
        )
    }
}

impl error::Error for Missing {}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    fn install(folder: &Path, names: &[&str], mode: u32) {
        fs::create_dir_all(folder).unwrap();
        for name in names {
            fs::write(folder.join(name), "").unwrap();
            fs::set_permissions(folder.join(name), fs::Permissions::from_mode(mode)).unwrap();
        }
    }

    #[test]
    fn the_first_folder_that_has_both_programs_is_taken() {
        let root = TempDir::new().unwrap();
        let [half, unfit, links, whole] = ["half", "unfit", "links", "whole"].map(|name| root.path().join(name));
        install(&half, &["postgres"], 0o755);
        install(&unfit, &NAMES, 0o644);
        install(&whole, &NAMES, 0o755);
        fs::create_dir_all(&links).unwrap();
        let found = |folders: &[&PathBuf]| {
            let programs = Programs::in_folders(folders.iter().copied().cloned());
            programs.map(|programs| programs.folder)
        };
        assert_eq!(found(&[&half, &unfit, &links, &root.path().join("none")]), None);
        assert_eq!(found(&[&half, &unfit, &links, &whole]), Some(whole.clone()));
        for name in NAMES {
            symlink(whole.join(name), links.join(name)).unwrap();
        }
        assert_eq!(found(&[&half, &unfit, &links, &whole]), Some(links));
    }

    #[test]
    fn of_several_versions_the_newest_comes_first() {
        let root = TempDir::new().unwrap();
        for version in ["9.6", "15", "9.10", "17", "share"] {
            install(&root.path().join("lib").join(version).join("bin"), &NAMES, 0o755);
        }
        let folders = versions(&root.path().join("lib/*/bin"));
        let names: Vec<_> =
            folders.iter().map(|folder| folder.strip_prefix(root.path().join("lib")).unwrap()).collect();
        assert_eq!(names, ["17/bin", "15/bin", "9.10/bin", "9.6/bin", "share/bin"].map(Path::new));
        install(&root.path().join("pgsql-16/bin"), &NAMES, 0o755);
        assert_eq!(versions(&root.path().join("pgsql-*/bin")), [root.path().join("pgsql-16/bin")]);
        assert_eq!(versions(&root.path().join("opt/*/bin")), [] as [PathBuf; 0]);
        assert_eq!(versions(Path::new("/a/b")), [Path::new("/a/b")]);
    }

    #[test]
    fn the_working_directory_is_no_part_of_the_path() {
        let folders: Vec<_> = in_path(OsStr::new("/usr/bin::bin:/opt/b")).collect();
        assert_eq!(folders, ["/usr/bin", "/opt/b"].map(PathBuf::from));
    }

    #[test]
    fn what_installs_the_programs_is_said() {
        let said = Missing.to_string();
        for word in ["initdb", "/usr/lib/postgresql/*/bin", "apt-get install postgresql", "dnf", "brew"] {
            assert!(said.contains(word), "{word}: {said}");
        }
    }
}
