//! For axum (feature `axum`): the deadline as an argument of a handler, and an error that `?` makes.
//!
//! Covers the extractor [`RequestDeadline`], required or optional, and [`Failure`]. `Extension<Deadline>`
//! works too. Does not mount anything: [`DeadlineLayer`](crate::DeadlineLayer) goes onto the router.
//!
//! # Example
//!
//! ```
//! use axum::{Router, routing::get};
//! use tower_deadline::axum::{Failure, RequestDeadline};
//! use tower_deadline::{DeadlineLayer, Policy, now};
//! use std::time::Duration;
//!
//! async fn left(RequestDeadline(deadline): RequestDeadline) -> String {
//!     format!("{:?} left", deadline.remaining(now()))
//! }
//!
//! async fn parse() -> Result<String, Failure> {
//!     let number: u32 = "12".parse()?;
//!     Ok(number.to_string())
//! }
//!
//! let app: Router = Router::new()
//!     .route("/left", get(left))
//!     .route("/parse", get(parse))
//!     .layer(DeadlineLayer::new(Policy::new().default_timeout(Duration::from_secs(3))));
//! # let _ = app;
//! ```

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use axum_core::body::Body;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use http_deadline::{Deadline, Exceeded};

use crate::{BoxError, PropagateError};

/// The deadline of the request, as an argument of a handler.
///
/// As `Option<RequestDeadline>` it is `None` where neither the client nor the policy set one; else a request
/// without one is answered with [`NoDeadline`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestDeadline(pub Deadline);

impl<S: Sync> FromRequestParts<S> for RequestDeadline {
    type Rejection = NoDeadline;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        parts.extensions.get().copied().map(Self).ok_or(NoDeadline)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for RequestDeadline {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, Self::Rejection> {
        Ok(parts.extensions.get().copied().map(Self))
    }
}

/// A handler wants a deadline, and the request has none. Answered with 500: the service lacks a
/// `DeadlineLayer`, or its policy a default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoDeadline;

impl fmt::Display for NoDeadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "this handler needs a deadline: mount a DeadlineLayer outside of it, with a default timeout in its policy",
        )
    }
}

impl Error for NoDeadline {}

impl IntoResponse for NoDeadline {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response()
    }
}

/// A handler's error of any kind, made by `?`.
///
/// One with [`Exceeded`] in its chain becomes an empty 504 with the `Exceeded` in its extensions, which
/// [`rescue`](crate::rescue) makes readable. One of a client that failed ([`PropagateError::Inner`]) becomes an empty
/// 502, any other an empty 500, which tell a client nothing; the failure itself stands in the extensions of the
/// response, for a layer that logs.
#[derive(Clone, Debug)]
pub struct Failure(Arc<dyn Error + Send + Sync>);

impl Failure {
    /// The error.
    #[must_use]
    pub fn error(&self) -> &(dyn Error + 'static) {
        &*self.0
    }
}

impl<E: Into<BoxError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into().into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = match self.error().downcast_ref() {
            Some(PropagateError::Inner(_)) => StatusCode::BAD_GATEWAY,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        if let Some(exceeded) = Exceeded::find(self.error()).cloned() {
            *response.status_mut() = StatusCode::GATEWAY_TIMEOUT;
            response.extensions_mut().insert(exceeded);
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests;
