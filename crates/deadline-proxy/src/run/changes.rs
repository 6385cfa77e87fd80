//! Watching the files that a configuration was read from.
//!
//! Covers looking at their contents at intervals, and when to say that they have changed. Contents, and not times or
//! events: what exchanges a link or a mount (Kubernetes does) is seen as well as what writes a file. A file that is being
//! written is left alone until two looks in a row have found the same. Reads nothing of what is in them, and does not look
//! into a pipe, which gives what is in it once: that is for whoever uses it.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::config::bytes;

/// How often they are looked at. They are few, and whoever has written one is waiting.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Files that are looked at.
#[derive(Debug)]
pub(super) struct Changes {
    /// What was in each when it was [taken note of](Self::note) last.
    known: Found,
    /// What the last look has found, where that is something else.
    found: Option<Found>,
    /// `None` until somebody waits.
    ticks: Option<Interval>,
}

/// What was in each file.
type Found = Vec<(PathBuf, u64)>;

impl Changes {
    /// Looks at these. What is in them now is known, so that what is written while they are read for use is a change.
    /// Blocks while it reads.
    pub(super) fn of(files: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { known: look(files), found: None, ticks: None }
    }

    /// What is in them now is known, as at the beginning. Blocks while it reads.
    pub(super) fn note(&mut self) {
        *self = Self { ticks: self.ticks.take(), ..Self::of(self.files()) };
    }

    /// Looks at these from here on. Of those that are new, what is in them now is known. Blocks while it reads those.
    pub(super) fn follow(&mut self, files: Vec<PathBuf>) {
        let known = |file: &PathBuf| self.known.iter().position(|(known, _)| known == file);
        let follow = |file| match known(&file) {
            Some(at) => self.known[at].clone(),
            None => (file.clone(), fingerprint(&file)),
        };
        (self.known, self.found) = (files.into_iter().map(follow).collect(), None);
    }

    /// Waits until they have changed; from then on that is known. Never ends where there is none. Cancel-safe. To be
    /// called within a runtime.
    pub(super) async fn next(&mut self) {
        loop {
            self.ticks.get_or_insert_with(ticks).tick().await;
            if self.look().await {
                return;
            }
        }
    }

    async fn look(&mut self) -> bool {
        let files = self.files();
        // A disk can be slow.
        let Ok(found) = spawn_blocking(move || look(files)).await else { return false };
        if found == self.known {
            self.found = None;
            return false;
        }
        // A first look may have met somebody who writes.
        let is_whole = self.found.as_ref() == Some(&found);
        if is_whole {
            self.known.clone_from(&found);
        }
        self.found = Some(found);
        is_whole
    }

    fn files(&self) -> Vec<PathBuf> {
        self.known.iter().map(|(file, _)| file.clone()).collect()
    }
}

fn ticks() -> Interval {
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

fn look(files: impl IntoIterator<Item = PathBuf>) -> Found {
    let look = |file: PathBuf| {
        let found = fingerprint(&file);
        (file, found)
    };
    files.into_iter().map(look).collect()
}

/// Whether there is a pipe or a device, of which a second reading finds nothing, or waits for ever.
pub(super) fn is_read_once(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// Tells contents apart without keeping a key in memory for it.
fn fingerprint(file: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    let found = if is_read_once(file) { Ok(Vec::new()) } else { bytes(file) };
    match found {
        Ok(bytes) => bytes.hash(&mut hasher),
        Err(error) => error.kind().hash(&mut hasher),
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::{env, process};
    use tokio::time::{Instant, timeout};

    const PATIENCE: Duration = Duration::from_secs(60);

    /// A folder of its own.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = env::temp_dir().join(format!("deadline-changes-{name}-{}", process::id()));
            fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        fn write(&self, name: &str, text: &str) -> PathBuf {
            let path = self.0.join(name);
            fs::write(&path, text).unwrap();
            path
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// Whether a change is told, and then no other.
    async fn tells_once(changes: &mut Changes) -> bool {
        let told = timeout(PATIENCE, changes.next()).await.is_ok();
        told && timeout(PATIENCE, changes.next()).await.is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_a_rename_a_link_and_a_loss_are_told_once_each() {
        let folder = Folder::new("kinds");
        let (first, other) = (folder.write("first", "1"), folder.write("other", "2"));
        let link = folder.0.join("link");
        symlink(&first, &link).unwrap();
        let mut changes = Changes::of([link.clone()]);
        assert!(timeout(PATIENCE, changes.next()).await.is_err());
        folder.write("first", "1a");
        assert!(tells_once(&mut changes).await, "written");
        fs::rename(folder.write("next", "1b"), &first).unwrap();
        assert!(tells_once(&mut changes).await, "renamed");
        symlink(&other, folder.0.join("link.next")).unwrap();
        fs::rename(folder.0.join("link.next"), &link).unwrap();
        assert!(tells_once(&mut changes).await, "linked");
        fs::remove_file(&other).unwrap();
        assert!(tells_once(&mut changes).await, "lost");
        folder.write("other", "2");
        assert!(tells_once(&mut changes).await, "there again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_is_being_written_is_left_alone_until_it_rests() {
        let folder = Folder::new("written");
        let file = folder.write("file", "0");
        let mut changes = Changes::of([file]);
        for length in 1..10 {
            folder.write("file", &"1".repeat(length));
            assert!(!changes.look().await);
        }
        assert!(changes.look().await);
        assert!(!changes.look().await);
        // What is as before once it rests has not changed.
        folder.write("file", "other");
        assert!(!changes.look().await);
        folder.write("file", &"1".repeat(9));
        assert!(!changes.look().await && !changes.look().await);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_known_is_no_change_and_it_is_told_within_two_looks() {
        let folder = Folder::new("known");
        let file = folder.write("file", "0");
        let mut changes = Changes::of([file.clone()]);
        folder.write("file", "1");
        changes.note();
        assert!(timeout(PATIENCE, changes.next()).await.is_err());
        folder.write("file", "2");
        let start = Instant::now();
        changes.next().await;
        assert!(start.elapsed() <= 2 * LOOK_EVERY);
        // No other files, no change; and of one that is new only what happens from then on.
        let other = folder.write("other", "0");
        folder.write("file", "3");
        changes.follow(vec![other, file]);
        assert!(tells_once(&mut changes).await);
    }
}
