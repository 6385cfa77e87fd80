//! Somebody within this process, who is connected to in the place of every endpoint.
//!
//! Covers the connection. Does not serve it, and needs neither a socket nor a name: nobody outside is called.

use std::io;

use tokio::io::{DuplexStream, duplex};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What a connection holds that is written and not yet read.
const BUFFER: usize = 64 * 1024;

/// Who is connected to in the place of every endpoint. A clone is the same.
#[derive(Clone, Debug)]
pub(crate) struct StandIn(UnboundedSender<DuplexStream>);

impl StandIn {
    /// With the far end of each connection that is made to it, in their order.
    pub(crate) fn new() -> (Self, UnboundedReceiver<DuplexStream>) {
        let (tell, connections) = unbounded_channel();
        (Self(tell), connections)
    }

    /// Connects to it; refused once nobody takes the far ends any more.
    pub(super) fn dial(&self) -> io::Result<DuplexStream> {
        let (ours, theirs) = duplex(BUFFER);
        self.0.send(theirs).map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
        Ok(ours)
    }
}

impl PartialEq for StandIn {
    fn eq(&self, other: &Self) -> bool {
        self.0.same_channel(&other.0)
    }
}

impl Eq for StandIn {}
