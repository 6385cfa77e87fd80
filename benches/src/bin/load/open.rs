//! Requests that come when they come: at random instants, so many a second, whatever became of those before.
//!
//! What a request took counts from the instant that it was to be sent at, also where no connection was free then:
//! a proxy that stands still for a moment is charged for all who would have come meanwhile.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::answer::Answer;
use crate::quantiles::Quantiles;
use crate::{FIELD, Outcome, now};

/// What is still under way so long after the last request is an error.
const GRACE: Duration = Duration::from_secs(5);

/// How much is asked for.
pub(crate) struct Plan {
    pub(crate) each_second: f64,
    pub(crate) seconds: f64,
}

/// Runs it, and returns one line of figures.
pub(crate) fn run(address: SocketAddr, path: &str, plan: Plan, connections: usize) -> Outcome<String> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n{FIELD}\r\n\r\n").into_bytes();
    let connections: Outcome<Vec<_>> = (0..connections).map(|_| Connection::new(address)).collect();
    let mut run = Run { request, connections: connections?, waiting: VecDeque::new(), took: Quantiles::default() };
    let last = run.drive(&plan)?;
    let failed = run.under_way() + run.waiting.len();
    run.took.sort();
    Ok(format!("{} errors {failed} seconds {:.3}", run.took, last.as_secs_f64()))
}

struct Run {
    request: Vec<u8>,
    connections: Vec<Connection>,
    /// When those were to be sent that found no connection free.
    waiting: VecDeque<Instant>,
    took: Quantiles,
}

impl Run {
    /// Until all are answered, or the grace is over.
    fn drive(&mut self, plan: &Plan) -> Outcome<Duration> {
        let start = now();
        let end = start + Duration::from_secs_f64(plan.seconds);
        // The same instants for everybody.
        let mut random = fastrand::Rng::with_seed(9);
        let mut gap = || Duration::from_secs_f64(-(1.0 - random.f64()).ln() / plan.each_second);
        let mut next = start + gap();
        loop {
            let now = now();
            while next <= now.min(end) {
                self.waiting.push_back(next);
                next += gap();
            }
            self.send()?;
            let is_over = next > end && self.waiting.is_empty() && self.under_way() == 0;
            if is_over || now > end + GRACE {
                return Ok(now - start);
            }
            let until = if next > end { end + GRACE } else { next };
            self.receive(until.saturating_duration_since(now))?;
        }
    }

    fn under_way(&self) -> usize {
        self.connections.iter().filter(|connection| connection.asked.is_some()).count()
    }

    /// As many as there are connections for.
    fn send(&mut self) -> Outcome {
        for connection in self.connections.iter_mut().filter(|connection| connection.asked.is_none()) {
            let Some(due) = self.waiting.pop_front() else { break };
            connection.stream.write_all(&self.request)?;
            connection.asked = Some(due);
        }
        Ok(())
    }

    /// What comes within this time, or is there.
    fn receive(&mut self, within: Duration) -> Outcome {
        let busy = |connection: &Connection| connection.asked.is_some();
        let polled = self.connections.iter().filter(|connection| busy(connection));
        let mut polled: Vec<_> = polled.map(|connection| PollFd::new(&connection.stream, PollFlags::IN)).collect();
        poll(&mut polled, Some(&Timespec::try_from(within)?))?;
        let ready: Vec<bool> = polled.iter().map(|fd| !fd.revents().is_empty()).collect();
        let busy = self.connections.iter_mut().filter(|connection| busy(connection));
        for connection in busy.zip(ready).filter_map(|(connection, ready)| ready.then_some(connection)) {
            if let Some(due) = connection.receive()? {
                self.took.add(now() - due);
            }
        }
        Ok(())
    }
}

struct Connection {
    stream: TcpStream,
    /// When the request that is under way was to be sent.
    asked: Option<Instant>,
    answer: Answer,
    bytes: Vec<u8>,
}

impl Connection {
    fn new(address: SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, asked: None, answer: Answer::default(), bytes: vec![0; 64 * 1024] })
    }

    /// When a request was due, where this is the end of its answer.
    fn receive(&mut self) -> Outcome<Option<Instant>> {
        let read = match self.stream.read(&mut self.bytes) {
            Ok(0) => return Err("a connection was closed".into()),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if !self.answer.take(&self.bytes[..read])? {
            return Ok(None);
        }
        self.answer.clear();
        Ok(self.asked.take())
    }
}
