//! Where lines go: a thread of its own, so that no disk and no pipe keeps a worker waiting.
//!
//! What the thread cannot keep up with is dropped, and what it cannot write is lost; both are counted.

use std::fs::OpenOptions;
use std::io::{self, Write, stderr, stdout};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};

use super::form::{Line, written};
use super::{Error, Format, Output, Settings, What};
use crate::count::LinesLost;

/// How many lines may wait to be written: some megabytes, and what a disk may stop for under load, a second or so.
const WAITING: usize = 32_768;

/// Who may read a file that is made here: its owner, who writes it, and a group.
const FILE_MODE: u32 = 0o640;

/// The access log of a process, as one of its workers has it. A clone is the same.
#[derive(Clone, Debug)]
pub struct AccessLog {
    writer: NonBlocking,
    what: What,
    format: Format,
    lost: LinesLost,
    /// Whether the worker drops what it has not finished.
    ends: Arc<AtomicBool>,
}

/// Lets the lines that wait be written when it is dropped, for which it waits a second at most. Whatever is written
/// after that is lost.
#[derive(Debug)]
#[must_use = "what waits to be written is lost without it"]
pub struct Flush {
    _guard: WorkerGuard,
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
            Output::File(path) => {
                // Paths and addresses are not for everybody on the machine.
                let opened = OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(path);
                Self::to(opened.map_err(|source| Error { path: path.clone(), source })?, settings)
            }
        }))
    }

    pub(super) fn to(writer: impl Write + Send + 'static, settings: &Settings) -> (Self, Flush) {
        Self::waiting(WAITING, writer, settings)
    }

    fn waiting(most: usize, writer: impl Write + Send + 'static, settings: &Settings) -> (Self, Flush) {
        let lost = LinesLost::new();
        let counted = Counted { writer, lost: lost.clone() };
        let builder = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(most).thread_name("access-log");
        let (writer, guard) = builder.finish(counted);
        let Settings { what, format, .. } = *settings;
        (Self { writer, what, format, lost, ends: Arc::default() }, Flush { _guard: guard })
    }

    /// The same log, of another worker.
    pub(super) fn of_worker(&self) -> Self {
        Self { ends: Arc::default(), ..self.clone() }
    }

    /// From here on whatever is dropped is dropped because this worker ends.
    pub(super) fn end(&self) {
        self.ends.store(true, Ordering::Relaxed);
    }

    pub(super) fn ends(&self) -> bool {
        self.ends.load(Ordering::Relaxed)
    }

    /// Whether a request is written of which this is known.
    pub(super) fn takes(&self, has_failed: bool) -> bool {
        match self.what {
            What::Off => false,
            What::Sampled(share) => has_failed || fastrand::f64() < share,
            What::Full => true,
        }
    }

    /// Writes a line, as soon as its turn has come. Does not block.
    pub(super) fn write(&self, line: &Line) {
        // What there is no room for is dropped, and said below.
        let _ = self.writer.clone().write_all(written(line, self.format).as_bytes());
        self.lost.dropped(self.writer.error_counter().dropped_lines());
    }
}

/// A writer that counts what it fails to write.
struct Counted<W> {
    writer: W,
    lost: LinesLost,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.write_all(line).map(|()| line.len())
    }

    fn write_all(&mut self, line: &[u8]) -> io::Result<()> {
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
    use std::path::Path;
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
}
