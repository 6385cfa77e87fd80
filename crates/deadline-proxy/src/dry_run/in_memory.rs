//! A listener without a socket.

use std::future::{Ready, pending, ready};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::sync::Mutex;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::client::Client;
use crate::serve::Accept;

/// Takes the far ends of connections within this process, all of them of one client.
#[derive(Debug)]
pub(super) struct InMemory {
    connections: Mutex<UnboundedReceiver<DuplexStream>>,
    client: Client,
}

impl InMemory {
    pub(super) fn new(connections: UnboundedReceiver<DuplexStream>, client: Client) -> Self {
        Self { connections: Mutex::new(connections), client }
    }
}

impl Accept for InMemory {
    type Raw = (DuplexStream, Client);
    type Entrance = ();
    type Stream = DuplexStream;
    type Establish = Ready<io::Result<(DuplexStream, Client)>>;

    async fn accept(&self) -> io::Result<Self::Raw> {
        match self.connections.lock().await.recv().await {
            Some(stream) => Ok((stream, self.client)),
            None => pending().await,
        }
    }

    fn establish(raw: Self::Raw, _: &Arc<()>) -> Self::Establish {
        ready(Ok(raw))
    }

    fn shut(&self) -> Duration {
        Duration::ZERO
    }

    fn close(self) -> Vec<Self::Raw> {
        Vec::new()
    }
}
