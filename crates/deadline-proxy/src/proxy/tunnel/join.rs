//! Two connections that have become one.
//!
//! Covers the bytes both ways, the end of one way, and what ends both: a limit or a shutdown. Does not know how the two
//! were opened.

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy, copy_bidirectional, sink};
use tokio::task::unconstrained;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio::{join, select, try_join};

/// How long a side may take to accept what was read for it, once the tunnel is to end.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// How long is listened to a side that was told the end: a socket that is closed with bytes unread in it resets the
/// connection, and takes back what the other side has not read.
const LINGER_LIMIT: Duration = Duration::from_secs(1);

/// What a tunnel is held to, in place of a deadline (R17).
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) idle: Duration,
    pub(super) lifetime: Option<Duration>,
}

/// What ended a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Both sides said that nothing more comes.
    Closed,
    /// A side broke off, or was never there.
    Broken,
    /// No byte went either way for too long.
    Idle,
    /// It was open for too long.
    Lifetime,
    /// Whoever serves stops.
    Shutdown,
}

impl End {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Broken => "broken",
            Self::Idle => "idle",
            Self::Lifetime => "lifetime",
            Self::Shutdown => "shutdown",
        }
    }
}

/// Joins two connections once both are there. The limits count from the call; dropping the future breaks both off.
pub(super) async fn join<C, U, E>(
    client: impl Future<Output = Result<C, E>>,
    upstream: impl Future<Output = Result<U, E>>,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) -> End
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let pulse = Pulse::new();
    // Outside tokio's cooperative budget: two busy sides use all of it up.
    let mut limit = pin!(unconstrained(limits.passed(&pulse, shutdown)));
    let both = select! {
        end = &mut limit => return end,
        both = async { try_join!(client, upstream) } => both,
    };
    let Ok((client, upstream)) = both else { return End::Broken };
    let (mut client, mut upstream) = (Side::new(client, &pulse, 0), Side::new(upstream, &pulse, 1));
    let end = carry(&mut client, &mut upstream, limit).await;
    if !matches!(end, End::Closed | End::Broken) {
        let both = async { join!(unread(&mut client.io), unread(&mut upstream.io)) };
        let _ = timeout(LINGER_LIMIT, both).await;
    }
    end
}

/// Carries bytes both ways until both have ended, or until the limit and then what was read.
async fn carry<C, U>(client: &mut Side<'_, C>, upstream: &mut Side<'_, U>, limit: impl Future<Output = End>) -> End
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let pulse = client.pulse;
    let mut copying = pin!(copy_bidirectional(client, upstream));
    let end = select! {
        biased;
        copied = &mut copying => return if copied.is_ok() && !pulse.is_anybody_deaf() { End::Closed } else { End::Broken },
        end = limit => end,
    };
    pulse.is_ending.store(true, Ordering::Relaxed);
    // Polled anew, it finds that both sides have ended; a side that takes nothing is not waited for.
    let _ = timeout(CLOSE_LIMIT, copying).await;
    end
}

/// Reads to the end what nobody wants any more.
async fn unread(side: &mut (impl AsyncRead + Unpin)) {
    let _ = copy(side, &mut sink()).await;
}

impl Limits {
    async fn passed(self, pulse: &Pulse, shutdown: impl Future<Output = ()>) -> End {
        select! {
            () = shutdown => End::Shutdown,
            () = pulse.stopped(self.idle) => End::Idle,
            () = sleep(self.lifetime.unwrap_or_default()), if self.lifetime.is_some() => End::Lifetime,
        }
    }
}

/// When the last byte went through, and whether there shall be no more.
#[derive(Debug)]
struct Pulse {
    opened: Instant,
    /// In microseconds since it was opened.
    last: AtomicU64,
    is_ending: AtomicBool,
    /// Which side takes no more. It may still say something.
    is_deaf: [AtomicBool; 2],
}

impl Pulse {
    fn new() -> Self {
        let (last, is_ending, is_deaf) = Default::default();
        Self { opened: Instant::now(), last, is_ending, is_deaf }
    }

    fn is_anybody_deaf(&self) -> bool {
        self.is_deaf.iter().any(|deaf| deaf.load(Ordering::Relaxed))
    }

    fn beat(&self) {
        let elapsed = u64::try_from(self.opened.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.last.store(elapsed, Ordering::Relaxed);
    }

    /// Waits until nothing has gone through for so long.
    async fn stopped(&self, limit: Duration) {
        loop {
            let until = self.opened + Duration::from_micros(self.last.load(Ordering::Relaxed)) + limit;
            if Instant::now() >= until {
                return;
            }
            sleep_until(until).await;
        }
    }
}

/// One of the two: tells of each byte, and reads as ended once the tunnel is to end, or once nobody takes what it says.
/// A side that takes nothing more ends one way only: what it had said before is on its way to the other.
struct Side<'a, T> {
    io: T,
    pulse: &'a Pulse,
    place: usize,
}

impl<'a, T> Side<'a, T> {
    fn new(io: T, pulse: &'a Pulse, place: usize) -> Self {
        Self { io, pulse, place }
    }

    /// What came of a write of so many bytes: to who takes nothing more, they are as good as written.
    fn moved(&self, written: Poll<io::Result<usize>>, bytes: usize) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(1..)) => self.pulse.beat(),
            Poll::Ready(Err(_)) => {
                self.pulse.is_deaf[self.place].store(true, Ordering::Relaxed);
                return Poll::Ready(Ok(bytes));
            }
            _ => {}
        }
        written
    }

    fn is_heard(&self) -> bool {
        !self.pulse.is_deaf[1 - self.place].load(Ordering::Relaxed)
    }

    fn is_deaf(&self) -> bool {
        self.pulse.is_deaf[self.place].load(Ordering::Relaxed)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Side<'_, T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.pulse.is_ending.load(Ordering::Relaxed) || !self.is_heard() {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.pulse.beat();
        }
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Side<'_, T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.moved(written, bytes.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.moved(written, slices.iter().map(|slice| slice.len()).sum())
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_deaf() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_deaf() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
