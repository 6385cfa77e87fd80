//! Where lines go: a thread of its own, so that no disk and no pipe keeps a worker waiting.
//!
//! What the thread cannot keep up with is dropped, and what it cannot write is lost; both are counted.

use std::fs::{File, OpenOptions};
use std::io::{self, Write, stderr, stdout};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};

use super::form::{Line, written};
use super::{Error, Output, Settings, What};
use crate::count::LinesLost;

/// How many lines may wait to be written: some megabytes, and what a disk may stop for under load, a second or so.
const WAITING: usize = 32_768;

/// How often it is looked whether somebody still writes.
const UNUSED_CHECK: Duration = Duration::from_secs(1);

/// Who may read a file that is made here: its owner, who writes it, and a group.
const FILE_MODE: u32 = 0o640;

/// The access log of a process. A clone is the same.
#[derive(Clone, Debug)]
pub struct AccessLog {
    writer: NonBlocking,
    settings: Settings,
    lost: LinesLost,
    /// Where the file is to be found from the next line on.
    renewed: Renewed,
    /// As long as somebody has it.
    _used: Arc<()>,
}

/// Lets the lines that wait be written when it is dropped, for which it waits a second at most. Whatever is written
/// after that is lost.
#[derive(Debug)]
#[must_use = "what waits to be written is lost without it"]
pub struct Flush {
    _guard: WorkerGuard,
    used: Weak<()>,
}

impl Flush {
    /// Waits until nobody writes there any more, and lets what waits be written.
    pub(crate) async fn when_unused(self) {
        while self.used.strong_count() > 0 {
            sleep(UNUSED_CHECK).await;
        }
        // It may block for a second.
        let _ = spawn_blocking(move || drop(self)).await;
    }
}

impl AccessLog {
    /// Opens it; `None` where nothing is to be written. Counts into the recorder that is installed by now.
    ///
    /// # Errors
    ///
    /// The file cannot be opened to append to it, or not be made.
    pub fn open(settings: &Settings) -> Result<Option<(Self, Flush)>, Error> {
        if settings.what == What::Off {
            return Ok(None);
        }
        Ok(Some(match &settings.output {
            Output::Stdout => Self::to(stdout(), settings),
            Output::Stderr => Self::to(stderr(), settings),
            Output::File(path) => Self::to(open(path)?, settings),
        }))
    }

    /// What these settings ask for instead, and what has to be flushed where it is another writer; `None` where nothing is to
    /// be written. A file is opened anew, and written to from the next line on: it may have been renamed meanwhile.
    ///
    /// # Errors
    ///
    /// As [`AccessLog::open`]; what is in use stays so.
    pub fn succeeded_by(&self, settings: &Settings) -> Result<Option<(Self, Option<Flush>)>, Error> {
        if settings.what == What::Off || settings.output != self.settings.output {
            return Ok(Self::open(settings)?.map(|(log, flush)| (log, Some(flush))));
        }
        if let Output::File(path) = &settings.output {
            self.renewed.put(open(path)?);
        }
        Ok(Some((Self { settings: settings.clone(), ..self.clone() }, None)))
    }

    pub(super) fn to(writer: impl Write + Send + 'static, settings: &Settings) -> (Self, Flush) {
        Self::waiting(WAITING, writer, settings)
    }

    fn waiting(most: usize, writer: impl Write + Send + 'static, settings: &Settings) -> (Self, Flush) {
        let (lost, renewed, used) = (LinesLost::new(), Renewed::default(), Arc::new(()));
        let counted = Counted { writer: Box::new(writer), lost: lost.clone(), renewed: renewed.clone() };
        let builder = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(most).thread_name("access-log");
        let (writer, guard) = builder.finish(counted);
        let flush = Flush { _guard: guard, used: Arc::downgrade(&used) };
        (Self { writer, settings: settings.clone(), lost, renewed, _used: used }, flush)
    }

    /// Whether a request is written of which this is known.
    pub(super) fn takes(&self, has_failed: bool) -> bool {
        match self.settings.what {
            What::Off => false,
            What::Sampled(share) => has_failed || fastrand::f64() < share,
            What::Full => true,
        }
    }

    /// Writes a line, as soon as its turn has come. Does not block.
    pub(super) fn write(&self, line: &Line) {
        // What there is no room for is dropped, and said below.
        let _ = self.writer.clone().write_all(written(line, self.settings.format).as_bytes());
        self.lost.dropped(self.writer.error_counter().dropped_lines());
    }
}

/// Paths and addresses are not for everybody on the machine.
fn open(path: &Path) -> Result<File, Error> {
    let opened = OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(path);
    opened.map_err(|source| Error { path: path.to_owned(), source })
}

/// A file that takes the place of the one that is written to.
#[derive(Clone, Debug, Default)]
struct Renewed(Arc<Mutex<Option<File>>>);

impl Renewed {
    fn put(&self, file: File) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
    }

    fn take(&self) -> Option<File> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A writer that counts what it fails to write.
struct Counted {
    writer: Box<dyn Write + Send>,
    lost: LinesLost,
    renewed: Renewed,
}

impl Write for Counted {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.write_all(line).map(|()| line.len())
    }

    fn write_all(&mut self, line: &[u8]) -> io::Result<()> {
        if let Some(file) = self.renewed.take() {
            self.writer = Box::new(file);
        }
        self.writer.write_all(line).inspect_err(|_| self.lost.failed())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::super::form::Value;
    use super::*;
    use crate::count;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::mpsc;
    use std::{env, fs, process};

    fn numbered(number: u64) -> Line {
        vec![("number", Value::Number(number))]
    }

    /// A writer that waits until it may go on, and then fails.
    struct Stuck(mpsc::Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Err(io::Error::other("no space left"))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_cannot_be_written_keep_nobody_waiting_and_are_counted() {
        let told = count::told(|| {
            let (release, stuck) = mpsc::channel();
            let settings = Settings { what: What::Full, ..Settings::default() };
            let (log, flush) = AccessLog::waiting(4, Stuck(stuck), &settings);
            for number in 0..20 {
                log.write(&numbered(number));
            }
            drop(release);
            drop(flush);
        });
        let lost = |reason: &str| {
            let name = format!("deadline_proxy_access_log_dropped_total{{reason=\"{reason}\"}} ");
            told.lines().find_map(|line| line.strip_prefix(&name)?.parse::<u64>().ok()).unwrap_or_default()
        };
        // One may be with the writer, and four wait.
        assert!((15..=16).contains(&lost("full")), "{told}");
        assert_eq!(lost("full") + lost("failed"), 20, "{told}");
    }

    #[test]
    fn a_file_is_made_and_appended_to_and_one_that_cannot_be_is_named() {
        let folder = env::temp_dir().join(format!("deadline-access-{}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("access.log");
        let settings =
            |path: &Path| Settings { what: What::Full, output: Output::File(path.to_owned()), ..Settings::default() };
        for number in 0..2 {
            let (log, _flush) = AccessLog::open(&settings(&path)).unwrap().unwrap();
            log.write(&numbered(number));
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "number=0\nnumber=1\n");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o007, 0, "{mode:o}");
        let error = AccessLog::open(&settings(&folder)).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot write the access log to {}: ", folder.display())), "{error}");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_file_that_was_renamed_is_opened_anew_and_no_line_is_lost() {
        let folder = env::temp_dir().join(format!("deadline-access-renewed-{}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (path, old) = (folder.join("access.log"), folder.join("access.log.1"));
        let full = Settings { what: What::Full, output: Output::File(path.clone()), ..Settings::default() };
        let (log, flush) = AccessLog::open(&full).unwrap().unwrap();
        log.write(&numbered(0));
        // The thread writes in its own time, and what it has not written yet may go to either.
        while fs::read_to_string(&path).unwrap().is_empty() {
            std::thread::yield_now();
        }
        fs::rename(&path, &old).unwrap();
        let json = Settings { format: super::super::Format::Json, ..full.clone() };
        let (next, other) = log.succeeded_by(&json).unwrap().unwrap();
        assert!(other.is_none());
        next.write(&numbered(1));
        log.write(&numbered(2));
        drop(flush);
        assert_eq!(fs::read_to_string(&old).unwrap(), "number=0\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"number\":1}\nnumber=2\n");
        assert!(next.succeeded_by(&Settings::default()).unwrap().is_none());
        fs::remove_dir_all(&folder).unwrap();
        assert!(next.succeeded_by(&full).is_err());
        let elsewhere = Settings { output: Output::Stderr, ..full };
        assert!(next.succeeded_by(&elsewhere).unwrap().unwrap().1.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_others_still_write_to_is_flushed_once_they_have_gone() {
        let settings = Settings { what: What::Full, ..Settings::default() };
        let (log, flush) = AccessLog::to(io::sink(), &settings);
        let flushed = tokio::spawn(flush.when_unused());
        sleep(10 * UNUSED_CHECK).await;
        assert!(!flushed.is_finished());
        drop(log);
        flushed.await.unwrap();
    }
}
