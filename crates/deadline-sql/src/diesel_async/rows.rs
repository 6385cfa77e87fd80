//! Rows one by one.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use diesel::result::QueryResult;
use diesel_async::{AsyncConnectionCore, AsyncPgConnection};
use futures_util::Stream;
use futures_util::stream::BoxStream;

use super::Driver;
use super::client::Client;
use crate::Running;
use crate::lease::Watch;

pub(super) type Row<'conn, 'query> = <AsyncPgConnection as AsyncConnectionCore>::Row<'conn, 'query>;
pub(super) type Answer = BoxStream<'static, QueryResult<Row<'static, 'static>>>;

/// The rows of a statement, as they come. The deadline holds for all of them; after an error there are none.
///
/// The first waits for the second, or for the end of the statement: then it has not failed so far. Dropped before its
/// end, it has the statement stopped; but dropped with the first row, as `get_result` does, it lets the statement go on to
/// its deadline, because its caller takes it for done.
#[must_use = "streams do nothing unless polled"]
pub struct Rows<'a> {
    watch: Watch<'a, Driver>,
    client: &'a Client,
    /// `None` after the end: as long as somebody could read them, the driver waits for that.
    rows: Option<Answer>,
    first: First,
}

/// Where the first row is.
enum First {
    Awaited,
    /// It is there. What comes next is not.
    Held(Row<'static, 'static>),
    /// It was given away, and the second was not asked for.
    Given(Row<'static, 'static>),
    Past,
}

impl<'a> Rows<'a> {
    pub(super) fn new(running: Running<'a, Driver>, client: &'a Client, rows: Answer) -> Self {
        Self { watch: Watch::new(running), client, rows: Some(rows), first: First::Awaited }
    }

    /// The row that is next, without the first one's wait.
    fn poll_row(&mut self, cx: &mut Context<'_>) -> Poll<Option<QueryResult<Row<'static, 'static>>>> {
        if self.watch.has_ended() {
            return Poll::Ready(None);
        }
        if let Some(rows) = &mut self.rows {
            let client = self.client;
            let polled = rows.as_mut().poll_next(cx).map(Option::transpose);
            let polled = polled.map(|row| row.map_err(|error| client.failure(error)));
            let row = ready!(self.watch.poll(cx, polled)).transpose();
            if !matches!(row, Some(Ok(_))) {
                self.rows = None;
            }
            if row.is_some() {
                return Poll::Ready(row.map(|row| row.map_err(Into::into)));
            }
        }
        Poll::Ready(ready!(self.watch.poll_complete(cx)).err().map(|error| Err(error.into())))
    }
}

impl Stream for Rows<'_> {
    type Item = QueryResult<Row<'static, 'static>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            match std::mem::replace(&mut this.first, First::Past) {
                First::Awaited => match this.poll_row(cx) {
                    Poll::Ready(Some(Ok(first))) => this.first = First::Held(first),
                    Poll::Pending => {
                        this.first = First::Awaited;
                        return Poll::Pending;
                    }
                    ended => return ended,
                },
                First::Held(first) => match this.poll_row(cx) {
                    Poll::Ready(Some(Ok(second))) => {
                        this.first = First::Given(second);
                        return Poll::Ready(Some(Ok(first)));
                    }
                    Poll::Ready(None) => return Poll::Ready(Some(Ok(first))),
                    Poll::Pending => {
                        this.first = First::Held(first);
                        return Poll::Pending;
                    }
                    failed => return failed,
                },
                First::Given(second) => return Poll::Ready(Some(Ok(second))),
                First::Past => return this.poll_row(cx),
            }
        }
    }
}

impl Drop for Rows<'_> {
    fn drop(&mut self) {
        if let First::Given(_) = self.first {
            self.watch.leave();
        }
    }
}

impl fmt::Debug for Rows<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("ended", &self.watch.has_ended()).finish_non_exhaustive()
    }
}
