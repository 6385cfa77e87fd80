//! Watching the files of certificates.
//!
//! Covers looking at their contents at intervals, and telling what was done. Contents, and not times or events: what
//! exchanges a link or a mount (Kubernetes does) is seen as well as what writes a file.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::{info, warn};

use super::{Certificates, CertificatesError};

impl Certificates {
    /// Reads the files `every` so often, for ever, and tells by `tracing` when there is another certificate. Bad new
    /// files keep the old ones in use, and each such content is told once. Drop it to end it.
    pub async fn watch(self: Arc<Self>, every: Duration) {
        let mut told = None;
        loop {
            sleep(every).await;
            let certificates = Arc::clone(&self);
            // A disk can be slow.
            let Ok((content, outcome)) = spawn_blocking(move || certificates.look()).await else {
                continue;
            };
            match outcome {
                Ok(renewed) => {
                    told = None;
                    if renewed {
                        // INFO: what is in use changes, as somebody wished.
                        info!(certificate = %self.files.certificate.display(), "another certificate is in use");
                    }
                }
                Err(error) => self.complain(&error, content, &mut told),
            }
        }
    }

    fn complain(&self, error: &CertificatesError, content: Option<u64>, told: &mut Option<(Option<u64>, String)>) {
        let complaint = (content, error.to_string());
        if told.as_ref() != Some(&complaint) {
            let certificate = self.files.certificate.display();
            // WARN: the old certificate serves on, until it expires.
            warn!(%certificate, %error, "the old certificate stays in use");
            *told = Some(complaint);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listen::tests::authority::{Authority, Files};
    use std::fs;
    use std::io::{self, Write};
    use std::sync::{Mutex, PoisonError};
    use tracing::subscriber::DefaultGuard;
    use tracing_subscriber::fmt::MakeWriter;

    const EVERY: Duration = Duration::from_secs(10);

    /// What was told.
    #[derive(Clone, Default)]
    struct Told(Arc<Mutex<Vec<u8>>>);

    impl Told {
        /// Listens while the guard lives. Every test that has something told needs it: what `tracing` first sees on a
        /// thread where nobody listens, it may take for what nobody listens to anywhere.
        fn listen() -> (Self, DefaultGuard) {
            let told = Self::default();
            let format = tracing_subscriber::fmt().with_ansi(false).without_time();
            let guard = tracing::subscriber::set_default(format.with_writer(told.clone()).finish());
            (told, guard)
        }

        /// Since the last time.
        fn take(&self) -> Vec<String> {
            let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let lines = String::from_utf8(std::mem::take(&mut told)).unwrap();
            lines.lines().map(str::to_owned).collect()
        }
    }

    impl Write for Told {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Told {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_done_is_told_once_for_each_content() {
        let (told, _guard) = Told::listen();
        let authority = Authority::new("authority");
        let files = Files::of(&authority.issue("localhost"));
        let watch = tokio::spawn(Arc::new(Certificates::load(&files.settings()).unwrap()).watch(EVERY));
        let rounds = |rounds: u32| sleep(rounds * EVERY);
        sleep(EVERY / 2).await;

        rounds(3).await;
        assert!(told.take().is_empty(), "nothing has changed");

        files.write(&authority.issue("localhost"));
        rounds(2).await;
        let lines = told.take();
        assert!(lines.len() == 1 && lines[0].contains("INFO") && lines[0].contains("another certificate"), "{lines:?}");

        for bad in ["no PEM", "no PEM at all"] {
            fs::write(&files.settings().certificate, bad).unwrap();
            rounds(3).await;
            let lines = told.take();
            assert!(
                lines.len() == 1 && lines[0].contains("WARN") && lines[0].contains("no CERTIFICATE in"),
                "{lines:?}"
            );
        }

        fs::remove_file(&files.settings().certificate).unwrap();
        rounds(3).await;
        let lines = told.take();
        assert!(lines.len() == 1 && lines[0].contains("cannot read"), "{lines:?}");

        let last = authority.issue("localhost");
        for as_before in [0, 1] {
            files.write(&last);
            rounds(2).await;
            assert_eq!(told.take().len(), 1 - as_before);
            // What was bad before is told again where it was good in between.
            fs::write(&files.settings().certificate, "no PEM").unwrap();
            rounds(2).await;
            assert_eq!(told.take().len(), 1);
        }
        watch.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_certificate_is_in_use_at_the_next_look_and_not_before() {
        let (_told, _guard) = Told::listen();
        let authority = Authority::new("authority");
        let files = Files::of(&authority.issue("localhost"));
        let certificates = Arc::new(Certificates::load(&files.settings()).unwrap());
        let watch = tokio::spawn(Arc::clone(&certificates).watch(EVERY));
        tokio::task::yield_now().await;
        let old = certificates.config();
        files.write(&authority.issue("localhost"));
        sleep(EVERY - Duration::from_millis(1)).await;
        assert!(Arc::ptr_eq(&old, &certificates.config()));
        sleep(Duration::from_millis(2)).await;
        assert!(!Arc::ptr_eq(&old, &certificates.config()));
        watch.abort();
    }
}
