//! A stream whose items come out of a future.
//!
//! Covers nothing but that. A stream that borrows from what it also owns, as the rows of a connection do, is a future
//! that hands out one item after the other.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_util::Stream;
use futures_util::future::{BoxFuture, poll_fn};

/// Where the one item is that nobody has taken yet.
type Place<T> = Arc<Mutex<Option<T>>>;

/// The stream.
pub(super) struct Flow<'a, T, E> {
    /// `None` after its end.
    work: Option<BoxFuture<'a, Result<(), E>>>,
    /// What it ended with, where an item came at the same time.
    end: Option<E>,
    place: Place<T>,
}

/// How the future hands out its items.
pub(super) struct Outlet<T>(Place<T>);

impl<'a, T, E> Flow<'a, T, E> {
    pub(super) fn new<F>(work: impl FnOnce(Outlet<T>) -> F) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'a,
    {
        let place = Place::default();
        let work = work(Outlet(Arc::clone(&place)));
        Self { work: Some(Box::pin(work)), end: None, place }
    }
}

impl<T> Outlet<T> {
    /// Waits until the item was taken.
    pub(super) async fn give(&self, item: T) {
        put(&self.0, item);
        // Whoever takes it polls again.
        poll_fn(|_| if holds(&self.0) { Poll::Pending } else { Poll::Ready(()) }).await;
    }
}

fn put<T>(place: &Place<T>, item: T) {
    *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(item);
}

fn holds<T>(place: &Place<T>) -> bool {
    place.lock().unwrap_or_else(PoisonError::into_inner).is_some()
}

fn take<T>(place: &Place<T>) -> Option<T> {
    place.lock().unwrap_or_else(PoisonError::into_inner).take()
}

impl<T, E: Unpin> Stream for Flow<'_, T, E> {
    type Item = Result<T, E>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let Some(work) = &mut this.work else { return Poll::Ready(this.end.take().map(Err)) };
        let polled = work.as_mut().poll(cx);
        if let Poll::Ready(ended) = polled {
            this.work = None;
            this.end = ended.err();
            let last = take(&this.place).map(Ok);
            return Poll::Ready(last.or_else(|| this.end.take().map(Err)));
        }
        take(&this.place).map_or(Poll::Pending, |item| Poll::Ready(Some(Ok(item))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{FutureExt, StreamExt, future};

    #[tokio::test]
    async fn items_come_one_by_one_and_then_the_error_and_the_end() {
        let mut flow = Flow::new(|outlet: Outlet<u8>| async move {
            outlet.give(1).await;
            tokio::task::yield_now().await;
            outlet.give(2).await;
            Err("end")
        });
        let all: Vec<_> = flow.by_ref().collect().await;
        assert_eq!(all, [Ok(1), Ok(2), Err("end")]);
        assert_eq!(flow.next().await, None);
    }

    #[tokio::test]
    async fn an_item_that_comes_with_the_end_comes_before_it() {
        let mut flow = Flow::new(|outlet: Outlet<u8>| async move {
            assert_eq!(outlet.give(1).now_or_never(), None);
            Err("end")
        });
        assert_eq!(flow.next().await, Some(Ok(1)));
        assert_eq!(flow.next().await, Some(Err("end")));
        assert_eq!(flow.next().await, None);
        let mut empty = Flow::<u8, ()>::new(|_| future::ready(Ok(())));
        assert_eq!(empty.next().await, None);
    }
}
