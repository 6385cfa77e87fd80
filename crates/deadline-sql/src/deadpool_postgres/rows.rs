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
    /// `None` after the end: as long as somebody could read them, the driver waits for that.
    rows: Option<Pin<Box<RowStream>>>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(watch: Watch<'a, Driver>, rows: RowStream) -> Self {
        Self { watch, rows: Some(Box::pin(rows)) }
    }
}

impl Stream for Rows<'_> {
    type Item = Result<Row, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.watch.has_ended() {
            return Poll::Ready(None);
        }
        if let Some(rows) = &mut this.rows {
            let polled = rows.as_mut().poll_next(cx).map(Option::transpose);
            let row = ready!(this.watch.poll(cx, polled)).transpose();
            if !matches!(row, Some(Ok(_))) {
                this.rows = None;
            }
            if row.is_some() {
                return Poll::Ready(row);
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
