//! The same as a middleware of reqwest-middleware.
//!
//! Covers what the [service](super::PropagateReqwest) covers. The deadline and the journey come from the
//! `Extensions` of the call, or of the task, whichever is sooner.
//!
//! # What a retry outside sees
//!
//! [`LimitReached::find`](super::LimitReached::find) finds the limit in an error of either kind:
//!
//! - the deadline and a read are limits of ours, and reaching one is an `Error::Middleware`. A retry as a rule takes
//!   it for final. For the deadline it is. One that wants to try again after a silent read asks which limit it was;
//! - a connection that took too long is an `Error::Reqwest` with `is_connect`, as any other that was not made, and
//!   is as a rule tried again. At the very instant of the deadline it is the deadline that is told.
//!
//! Every other error from further in stays what it is.

use std::sync::Arc;

use async_trait::async_trait;
use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Middleware, Next};

use super::call::{Call, Failed, Plan, Transport};
use crate::PropagateError;

/// Sends what is left of the deadline with each attempt; see the [module](crate::reqwest).
///
/// It is made together with its client, by [`build_middleware`](super::ReqwestBuilder::build_middleware), and is
/// attached last:
///
/// ```
/// use reqwest::Client;
/// use std::time::Duration;
/// use tower_deadline::{Deadline, PropagateLayer, now};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), reqwest::Error> {
/// let (client, propagate) = PropagateLayer::new().reqwest().build_middleware(Client::builder())?;
/// let client = reqwest_middleware::ClientBuilder::new(client).with(propagate).build();
///
/// // Nothing left: not sent, and the error says so.
/// let passed = Deadline::after(now(), Duration::ZERO);
/// let outcome = client.get("http://127.0.0.1:9/").with_extension(passed).send().await;
/// assert!(outcome.is_err_and(|error| tower_deadline::Exceeded::find(&error).is_some()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct PropagateMiddleware(Arc<Plan>);

impl PropagateMiddleware {
    pub(super) fn new(plan: Arc<Plan>) -> Self {
        Self(plan)
    }
}

#[async_trait]
impl Middleware for PropagateMiddleware {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response, Error> {
        let call = Call::new(&self.0, &mut request, extensions, self.0.layer.made).map_err(Error::middleware)?;
        call.make(Rest { next, extensions }, request).await.map_err(|failed| match failed {
            Failed::Held(error) => Error::middleware(error),
            Failed::Limit(exceeded) => Error::middleware(PropagateError::Exceeded(exceeded)),
            Failed::Inner(error) => error,
        })
    }
}

/// What stands further in.
struct Rest<'a> {
    next: Next<'a>,
    extensions: &'a mut Extensions,
}

impl Transport for Rest<'_> {
    type Error = Error;

    fn send(&mut self, request: Request) -> impl Future<Output = Result<Response, Self::Error>> + Send {
        self.next.clone().run(request, self.extensions)
    }
}
