//! An upstream whose every answer is scripted, and that tells afterwards what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::Head;
use super::act::{Act, Ended, Then};
use super::message::Message;
use super::place::Place;

/// A request, whole, and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
    /// How many came before it on its connection.
    pub(crate) turn: usize,
    pub(crate) at: Instant,
    /// `None` until then.
    pub(crate) ended: Option<Ended>,
}

/// An HTTP/1.1 server that plays an act for each request.
pub(crate) struct Mirror {
    pub(crate) address: SocketAddr,
    /// In the order in which their last bytes came.
    visits: Arc<Mutex<Vec<Visit>>>,
}

type Script = Arc<dyn Fn(&Visit, usize) -> Act + Send + Sync>;

/// What a connection works with.
#[derive(Clone)]
struct Stage {
    script: Script,
    visits: Arc<Mutex<Vec<Visit>>>,
    /// Whether it is there.
    is_here: watch::Sender<bool>,
}

impl Mirror {
    /// Does with each request what `script` says of it, and of how many came before it.
    pub(crate) fn start(script: impl Fn(&Visit, usize) -> Act + Send + Sync + 'static) -> Self {
        let place = Place::take();
        let address = place.address;
        let (is_here, visits) = (watch::Sender::new(true), Arc::default());
        let stage = Stage { script: Arc::new(script), visits: Arc::clone(&visits), is_here };
        // It listens before whoever is told of it has started.
        tokio::spawn(stage.serve(place));
        Self { address, visits }
    }

    /// What it was asked so far, in the order in which it came.
    pub(crate) fn visits(&self) -> Vec<Visit> {
        self.visits.lock().expect("nobody panics with it").clone()
    }

    /// How often it was asked for this.
    pub(crate) fn visits_for(&self, path: &str) -> usize {
        self.visits().iter().filter(|visit| visit.head.path() == path).count()
    }
}

impl Stage {
    async fn serve(self, place: Place) {
        let mut is_here = self.is_here.subscribe();
        let mut listener = place.listen().await;
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let Ok((stream, _)) = accepted else { return };
                    tokio::spawn(self.clone().converse(stream));
                }
                () = until(&mut is_here, false) => {
                    drop(listener);
                    until(&mut is_here, true).await;
                    listener = place.listen().await;
                }
            }
        }
    }

    async fn converse(self, mut stream: TcpStream) {
        let mut is_here = self.is_here.subscribe();
        let mut buffer = Vec::new();
        for turn in 0.. {
            let message = tokio::select! {
                message = Message::read(&mut stream, &mut buffer) => message,
                // Who leaves leaves no connection behind.
                () = until(&mut is_here, false) => return,
            };
            let Some(Message { head, body }) = message else { return };
            let (number, act) = self.note(Visit { head, body, turn, at: Instant::now(), ended: None });
            let ended = act.play(&mut stream).await;
            self.visits()[number].ended = Some(ended);
            if ended == Ended::Answered {
                continue;
            }
            if let Then::Reset | Then::Leave(_) = act.then {
                let _ = stream.set_zero_linger();
            }
            if let Then::Leave(duration) = act.then {
                self.is_here.send_replace(false);
                sleep(duration).await;
                self.is_here.send_replace(true);
            }
            return;
        }
    }

    fn note(&self, visit: Visit) -> (usize, Act) {
        let mut visits = self.visits();
        let number = visits.len();
        let act = (self.script)(&visit, number);
        visits.push(visit);
        (number, act)
    }

    fn visits(&self) -> MutexGuard<'_, Vec<Visit>> {
        self.visits.lock().expect("nobody panics with it")
    }
}

async fn until(is_here: &mut watch::Receiver<bool>, state: bool) {
    // Whoever plays keeps the sender.
    let _ = is_here.wait_for(|is_here| *is_here == state).await;
}
