//! What opens tunnels.

use std::future::ready;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryFutureExt;
use http::header::{RETRY_AFTER, SEC_WEBSOCKET_VERSION};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::Body;
use hyper::upgrade::{self, OnUpgrade};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tower_deadline::dialect::Call;
use tower_deadline::hop_by_hop::Protocol;
use tower_deadline::{Answers, UpgradePolicy};

use super::join::{Limits, join};
use super::websocket::Offer;
use super::{Error, Settings, Tunnels, connect};
use crate::count::{self, Refusal};
use crate::limits::{Place, Room};
use crate::upstream;

const WEBSOCKET: &str = "websocket";

/// Opens tunnels; see the [module](crate::proxy::tunnel).
#[derive(Clone, Debug)]
pub struct Opener {
    shared: Arc<Shared>,
}

impl Opener {
    /// Holds tunnels to these settings, keeps them in `tunnels`, and refuses in this way.
    ///
    /// # Errors
    ///
    /// A limit of nothing.
    pub fn new(settings: Settings, tunnels: Tunnels, answers: Answers) -> Result<Self, Error> {
        settings.check()?;
        let room = Room::new(settings.most);
        Ok(Self { shared: Arc::new(Shared { settings, tunnels, room, answers }) })
    }

    /// Other settings, which count with these, and other answers. What is open keeps to its own.
    ///
    /// # Errors
    ///
    /// Those of [`new`](Self::new).
    pub(crate) fn succeeded_by(&self, settings: Settings, answers: Answers) -> Result<Self, Error> {
        settings.check()?;
        let (room, tunnels) = (self.shared.room.resized(settings.most), self.shared.tunnels.clone());
        Ok(Self { shared: Arc::new(Shared { settings, tunnels, room, answers }) })
    }

    /// What may be switched to: [`HopByHopLayer`](tower_deadline::HopByHopLayer) is given the same.
    #[must_use]
    pub fn upgrades(&self) -> &UpgradePolicy {
        &self.shared.settings.upgrades
    }

    /// The handshake that a request is, if it is one; or the answer to one that goes no further.
    pub(in crate::proxy) fn begin<B: Body>(
        &self,
        request: &mut Request<B>,
    ) -> Result<Option<Box<Handshake>>, Box<Response<Bytes>>> {
        self.shared.begin(request)
    }
}

#[derive(Debug)]
struct Shared {
    settings: Settings,
    tunnels: Tunnels,
    room: Room,
    answers: Answers,
}

impl Shared {
    fn begin<B: Body>(
        self: &Arc<Self>,
        request: &mut Request<B>,
    ) -> Result<Option<Box<Handshake>>, Box<Response<Bytes>>> {
        let extended = connect::protocol(request).map(|asked| self.websocket(asked).cloned());
        let is_extended = match extended {
            Some(Some(protocol)) => {
                connect::ask(request, &protocol);
                true
            }
            Some(None) => return Err(self.refuse(Refusal::Protocol, "this route carries no such protocol")),
            None => false,
        };
        let Some(protocol) = self.settings.upgrades.protocol(request) else { return Ok(None) };
        let offer = if is_websocket(protocol.as_str()) { Some(Offer::of(request)) } else { None };
        let offer = offer.transpose().map_err(|detail| self.refuse(Refusal::Handshake, detail))?;
        // What follows a body could be read as a part of it by one side, and as the tunnel by the other.
        if !request.body().is_end_stream() {
            return Err(self.refuse(Refusal::Handshake, "body: none is expected of a request to upgrade"));
        }
        if self.tunnels.is_closing() {
            return Err(self.refuse(Refusal::Shutdown, "no tunnel is opened any more: this hop stops"));
        }
        let refused = || self.refuse(Refusal::Tunnels, "too many tunnels are open here");
        let place = self.room.enter().ok_or_else(refused)?;
        let (client, shared) = (upgrade::on(request), Arc::clone(self));
        Ok(Some(Box::new(Handshake { client, offer, is_extended, place, shared })))
    }

    /// RFC 8441 speaks of WebSocket alone.
    fn websocket(&self, asked: &str) -> Option<&Protocol> {
        self.settings.upgrades.allowed(asked).filter(|_| is_websocket(asked))
    }

    fn refuse(&self, refusal: Refusal, detail: &str) -> Box<Response<Bytes>> {
        count::refused(refusal);
        let (status, field) = match refusal {
            Refusal::Protocol => (StatusCode::NOT_IMPLEMENTED, None),
            Refusal::Shutdown | Refusal::Tunnels => (StatusCode::SERVICE_UNAVAILABLE, Some((RETRY_AFTER, "1"))),
            // RFC 6455 §4.4.
            _ => (StatusCode::BAD_REQUEST, Some((SEC_WEBSOCKET_VERSION, "13"))),
        };
        // A handshake is no call of gRPC, whatever its content type: a 200 would say that there is a tunnel.
        let mut answer = self.answers.failure(status, detail, Call::Http);
        let fields = field.map(|(name, value)| (name, HeaderValue::from_static(value)));
        answer.headers_mut().extend(fields);
        Box::new(answer)
    }

    /// From here on, what the client and the upstream say goes to the other, and no deadline counts (R17).
    fn open<U>(
        &self,
        client: OnUpgrade,
        upstream: impl Future<Output = hyper::Result<U>> + Send + 'static,
        place: Place,
    ) where
        U: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Settings { idle_limit: idle, lifetime_limit: lifetime, .. } = self.settings;
        let client = client.map_ok(TokioIo::new);
        let closing = self.tunnels.closing();
        count::tunnel_opened();
        self.tunnels.spawn(async move {
            // Held to the end, whatever that is.
            let _place = place;
            let end = join(client, upstream, Limits { idle, lifetime }, closing).await;
            count::tunnel_ended(end.as_str());
        });
    }
}

fn is_websocket(protocol: &str) -> bool {
    protocol.eq_ignore_ascii_case(WEBSOCKET)
}

/// A handshake that the upstream has yet to answer.
#[derive(Debug)]
pub(in crate::proxy) struct Handshake {
    client: OnUpgrade,
    /// What the 101 is held to, where that is known.
    offer: Option<Offer>,
    is_extended: bool,
    place: Place,
    shared: Arc<Shared>,
}

impl Handshake {
    /// Opens the tunnel where that was agreed to: the body of the answer is then none. Or returns what the client is
    /// told in its place.
    pub(in crate::proxy) fn finish<B>(self, response: &mut Response<B>) -> Result<Switched, Box<Response<Bytes>>> {
        let bad = |answers: &Answers, detail| answers.failure(StatusCode::BAD_GATEWAY, detail, Call::Http);
        let checked = match self.offer {
            // The upstream did not switch: its answer is the client's. RFC 9113 §8.5: to a CONNECT, each 2xx says that
            // there is a tunnel.
            _ if response.status() != StatusCode::SWITCHING_PROTOCOLS => {
                let is_mistaken = self.is_extended && response.status().is_success();
                let detail = "the upstream answered a handshake, and did not switch";
                return if is_mistaken { Err(bad(&self.shared.answers, detail).into()) } else { Ok(Switched::No) };
            }
            Some(offer) => offer.check(response.headers()),
            None => Ok(()),
        };
        checked.map_err(|detail| Box::new(bad(&self.shared.answers, detail)))?;
        match upstream::Switched::take(response) {
            Some(upstream) => self.shared.open(self.client, ready(Ok(upstream)), self.place),
            // A service that is no upstream of ours.
            None => self.shared.open(self.client, upgrade::on(&mut *response).map_ok(TokioIo::new), self.place),
        }
        if self.is_extended {
            connect::agree(response);
        }
        Ok(Switched::Yes)
    }
}

/// Whether there is a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Switched {
    Yes,
    No,
}
