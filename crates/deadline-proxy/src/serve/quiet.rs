//! A future that is polled again only once somebody has woken it.
//!
//! For what hardly ever happens to a connection and has to be waited for as long as it lasts: its task is polled several
//! times for each request, and a look at a few flags and locks each time adds up.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use pin_project::pin_project;

/// Ready as the inner one is, whoever polls it.
#[pin_project]
#[derive(Debug)]
pub(super) struct Quiet<F> {
    #[pin]
    inner: F,
    bell: Arc<Bell>,
    /// Rings it.
    ringer: Waker,
    /// Who polled last.
    task: Option<Waker>,
}

/// What the inner future wakes.
#[derive(Debug, Default)]
struct Bell {
    has_rung: AtomicBool,
    /// Who polled last. It stays when it is woken: a wake-up that comes late would take with it who waits for the next one.
    task: Mutex<Option<Waker>>,
}

impl Bell {
    fn task(&self) -> MutexGuard<'_, Option<Waker>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The second half of a ring: wakes who is to look.
    fn wake_task(&self) {
        let task = self.task().clone();
        task.into_iter().for_each(Waker::wake);
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.has_rung.store(true, Ordering::Release);
        self.wake_task();
    }
}

impl<F> Quiet<F> {
    pub(super) fn new(inner: F) -> Self {
        let bell = Arc::new(Bell { has_rung: AtomicBool::new(true), task: Mutex::default() });
        Self { inner, ringer: Waker::from(Arc::clone(&bell)), bell, task: None }
    }
}

impl<F: Future> Future for Quiet<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if !this.task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
            *this.task = Some(cx.waker().clone());
            // Before the look, so that nothing is missed between the two.
            this.bell.task().clone_from(this.task);
        }
        if !this.bell.has_rung.load(Ordering::Acquire) || !this.bell.has_rung.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        this.inner.poll(&mut Context::from_waker(this.ringer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::time::Duration;
    use tokio::sync::mpsc;
    use tokio::time::sleep;

    /// Who wakes it from another thread can be held up between the two halves of that.
    #[test]
    fn a_ring_that_comes_late_takes_none_with_it() {
        struct Task(AtomicBool);

        impl Wake for Task {
            fn wake(self: Arc<Self>) {
                self.0.store(true, Ordering::Release);
            }
        }

        let task = Arc::new(Task(AtomicBool::default()));
        let waker = Waker::from(Arc::clone(&task));
        let mut cx = Context::from_waker(&waker);
        let mut quiet = std::pin::pin!(Quiet::new(std::future::pending::<()>()));
        assert!(quiet.as_mut().poll(&mut cx).is_pending());
        let bell = Arc::clone(&quiet.bell);
        bell.has_rung.store(true, Ordering::Release);
        // Polled for another reason.
        assert!(quiet.as_mut().poll(&mut cx).is_pending());
        bell.wake_task();
        assert!(quiet.as_mut().poll(&mut cx).is_pending());
        task.0.store(false, Ordering::Release);
        bell.wake_by_ref();
        assert!(task.0.load(Ordering::Acquire), "the next ring wakes it");
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_polled_once_for_each_time_that_it_is_woken() {
        let (polled, (tell, mut told)) = (Cell::new(0), mpsc::channel(1));
        let mut quiet = std::pin::pin!(Quiet::new(poll_fn(|cx| {
            polled.set(polled.get() + 1);
            match told.poll_recv(cx) {
                Poll::Ready(Some(7)) => Poll::Ready(()),
                Poll::Ready(_) => told.poll_recv(cx).map(drop),
                Poll::Pending => Poll::Pending,
            }
        })));
        for _ in 0..3 {
            assert!(quiet.as_mut().now_or_never().is_none());
        }
        assert_eq!(polled.get(), 1);
        // Another task is woken than the one that looked first, and each time.
        let later = async {
            for number in 5..=7 {
                sleep(Duration::from_secs(1)).await;
                tell.send(number).await.unwrap();
            }
        };
        tokio::join!(quiet, later);
        assert_eq!(polled.get(), 4);
    }
}
