//! Rows one by one.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::Stream;
use tokio_postgres::{Row, RowStream};

use super::{Driver, Error};
use crate::lease::Watch;

/// The rows of a statement, as they come. The deadline holds for all of them; after an error there are none.
///
/// Dropped before its end, it has the statement stopped.
#[must_use = "streams do nothing unless polled"]
pub struct Rows<'a> {
    watch: Watch<'a, Driver>,
    rows: Pin<Box<RowStream>>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(watch: Watch<'a, Driver>, rows: RowStream) -> Self {
        Self { watch, rows: Box::pin(rows) }
    }
}

impl Stream for Rows<'_> {
    type Item = Result<Row, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.watch.has_ended() {
            return Poll::Ready(None);
        }
        if !this.watch.is_ending() {
            let polled = this.rows.as_mut().poll_next(cx).map(Option::transpose);
            if let Some(row) = ready!(this.watch.poll(cx, polled)).transpose() {
                return Poll::Ready(Some(row));
            }
        }
        Poll::Ready(ready!(this.watch.poll_complete(cx)).err().map(Err))
    }
}

impl fmt::Debug for Rows<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("ended", &self.watch.has_ended()).finish_non_exhaustive()
    }
}
