//! A future that is polled again only once somebody has woken it.
//!
//! For what hardly ever happens to a connection and has to be waited for as long as it lasts: its task is polled several
//! times for each request, and a look at a few flags and locks each time adds up.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;
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
#[derive(Debug)]
struct Bell {
    has_rung: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.has_rung.store(true, Ordering::Release);
        self.task.wake();
    }
}

impl<F> Quiet<F> {
    pub(super) fn new(inner: F) -> Self {
        let bell = Arc::new(Bell { has_rung: AtomicBool::new(true), task: AtomicWaker::new() });
        Self { inner, ringer: Waker::from(Arc::clone(&bell)), bell, task: None }
    }
}

impl<F: Future> Future for Quiet<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let is_known = this.task.as_ref().is_some_and(|task| task.will_wake(cx.waker()));
        if is_known && !this.bell.has_rung.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        if !is_known {
            *this.task = Some(cx.waker().clone());
        }
        // Who is woken is forgotten. Before the look, so that nothing is missed between the two.
        this.bell.task.register(cx.waker());
        if !this.bell.has_rung.swap(false, Ordering::AcqRel) {
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
