//! What happens to every request, whichever route it takes, and to none.
//!
//! Covers one service with the decisions of several modules, in this order: a request is noted ([`access`](crate::access)),
//! counted ([`TallyLayer`]), given a span where decisions are told ([`explain`](crate::explain)), received
//! ([`ReceiveLayer`]), and refused where it has two readings ([`framing`](crate::proxy::framing)). Each of them hears of its
//! answer in the opposite order, and of its end. They are one service, because each service around another costs a
//! request a future, a body and a move of both. Decides nothing itself.

mod body;
mod future;

use std::error::Error;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower::{Layer, Service};
use tracing::Span;

pub use self::body::FrontBody;
pub use self::future::FrontFuture;
use self::future::{Open, State};
use crate::access::{AccessLayer, ReceivedBody};
use crate::explain::Told;
use crate::forward::ReceiveLayer;
use crate::limits::TallyLayer;
use crate::proxy::framing::FramingLayer;

/// Applies [`Front`]. What is not named does not happen.
#[derive(Clone, Debug, Default)]
pub struct FrontLayer {
    access: Arc<AccessLayer>,
    tally: Option<Arc<TallyLayer>>,
    is_explained: bool,
    receive: Option<ReceiveLayer>,
    framing: Option<FramingLayer>,
}

impl FrontLayer {
    /// Nothing happens yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A line for every request, however it ends.
    #[must_use]
    pub fn access(self, access: AccessLayer) -> Self {
        Self { access: Arc::new(access), ..self }
    }

    /// A count of every request and of its answer, also of those that are made here.
    #[must_use]
    pub fn tally(self, tally: TallyLayer) -> Self {
        Self { tally: Some(Arc::new(tally)), ..self }
    }

    /// What is told of a request has a beginning and an end, also where it is not let in.
    #[must_use]
    pub fn explained(self) -> Self {
        Self { is_explained: true, ..self }
    }

    /// It is decided who is believed and what a request is called, and every answer is signed.
    #[must_use]
    pub fn receive(self, receive: ReceiveLayer) -> Self {
        Self { receive: Some(receive), ..self }
    }

    /// What two parties could read differently is refused (R35).
    #[must_use]
    pub fn framing(self, framing: FramingLayer) -> Self {
        Self { framing: Some(framing), ..self }
    }
}

impl<S> Layer<S> for FrontLayer {
    type Service = Front<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Front { inner, layer: Arc::new(self.clone()) }
    }
}

/// Stands in front of whatever serves a request; see the [module](self). A clone is the same.
#[derive(Clone, Debug)]
pub struct Front<S> {
    inner: S,
    layer: Arc<FrontLayer>,
}

impl<S, RB, B> Service<Request<RB>> for Front<S>
where
    S: Service<Request<ReceivedBody<RB>>, Response = Response<B>, Error: Error + 'static>,
    RB: Body,
    B: Body<Data: From<Bytes>, Error: Error + 'static>,
{
    type Response = Response<FrontBody<B>>;
    type Error = S::Error;
    type Future = FrontFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<RB>) -> Self::Future {
        let Self { inner, layer } = self;
        let access = AccessLayer::open(&layer.access, &mut request);
        let tally = layer.tally.as_ref().map(|tally| TallyLayer::open(tally, &request));
        let told = layer.is_explained.then(|| Told::open(&mut request)).flatten();
        let span = told.as_ref().map(|told| told.span());
        let _entered = span.as_ref().map(Span::enter);
        let id = layer.receive.as_ref().and_then(|receive| receive.receive(&mut request));
        let state = match layer.framing.as_ref().and_then(|framing| framing.refusal(&request)) {
            Some(answer) => State::Refused(Box::new(answer)),
            None => State::Called(inner.call(ReceivedBody::around(request))),
        };
        FrontFuture::new(state, Open { layer: Arc::clone(layer), access, tally, told, id })
    }
}

#[cfg(test)]
mod tests;
