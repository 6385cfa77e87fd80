//! How calls are made, and the client that makes them.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http_deadline::{Origin, Policy};
use reqwest::{Client, ClientBuilder, redirect, retry};

#[cfg(feature = "reqwest-middleware")]
use super::PropagateMiddleware;
use super::PropagateReqwest;
use super::call::Plan;
use super::connect::ConnectLayer;
use super::limits::{Limit, LimitReached};
use super::redirect::{CREDENTIALS, Credentials, Redirects, Referer};
use crate::PropagateLayer;

/// As many as reqwest follows.
const REDIRECTS: usize = 10;

/// Makes reqwest clients that propagate; see the [module](crate::reqwest).
///
/// ```
/// use reqwest::Client;
/// use std::time::Duration;
/// use tower_deadline::PropagateLayer;
///
/// // At most 2 s for a call, of which 200 ms to connect; a stream may be silent for 500 ms.
/// let client = PropagateLayer::new()
///     .timeout(Duration::from_secs(2))
///     .reqwest()
///     .connect_timeout(Duration::from_millis(200))
///     .read_timeout(Duration::from_millis(500))
///     .redirect_limit(3)
///     .build(Client::builder().pool_max_idle_per_host(8))?;
/// # let _ = client;
/// # Ok::<_, reqwest::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct ReqwestBuilder {
    layer: PropagateLayer,
    connect: Option<LimitReached>,
    read: Option<LimitReached>,
    redirects: Option<usize>,
    referer: Referer,
    default_headers: HeaderMap,
    made: Origin,
}

impl PropagateLayer {
    /// A reqwest client that propagates as this layer does: with its dialects, its
    /// [`timeout`](Self::timeout) as the limit of a whole call, and its word on calls without a deadline.
    ///
    /// The line that calls this is the origin of a timeout that is set on a request (`RequestBuilder::timeout`).
    #[track_caller]
    pub fn reqwest(self) -> ReqwestBuilder {
        ReqwestBuilder {
            layer: self,
            connect: None,
            read: None,
            redirects: Some(REDIRECTS),
            referer: Referer::Told,
            default_headers: HeaderMap::new(),
            made: Origin::code(),
        }
    }
}

impl ReqwestBuilder {
    /// The most that making one connection may take: name, socket, proxy and TLS. There is no such limit by
    /// default, beside what is left of the deadline. The line that calls this is the origin.
    #[track_caller]
    pub fn connect_timeout(self, timeout: Duration) -> Self {
        Self { connect: Some(LimitReached::new(Limit::Connect, timeout)), ..self }
    }

    /// The most that the peer may be silent: from the connection to the response head, and then for each part
    /// of the body that is waited for. There is no such limit by default, beside what is left of the deadline.
    /// The line that calls this is the origin.
    ///
    /// With `http2_prior_knowledge` it also runs while a call waits for a connection that another call is making.
    #[track_caller]
    pub fn read_timeout(self, timeout: Duration) -> Self {
        Self { read: Some(LimitReached::new(Limit::Read, timeout)), ..self }
    }

    /// How many redirects a call follows; one more fails it with [`TooManyRedirects`](super::TooManyRedirects).
    /// Ten by default.
    pub fn redirect_limit(self, limit: usize) -> Self {
        Self { redirects: Some(limit), ..self }
    }

    /// Follows no redirect: it is the response.
    pub fn without_redirects(self) -> Self {
        Self { redirects: None, ..self }
    }

    /// Does not write `Referer` on a redirect.
    pub fn without_referer(self) -> Self {
        Self { referer: Referer::Untold, ..self }
    }

    /// Fields of every call that does not set them itself, in place of those that a `ClientBuilder` takes: of
    /// these the credentials stay with the origin that was called.
    pub fn default_headers(self, headers: HeaderMap) -> Self {
        Self { default_headers: headers, ..self }
    }

    /// Builds a client, with reqwest's own redirects and retries off (R22).
    ///
    /// # Errors
    ///
    /// As `ClientBuilder::build`.
    pub fn build(self, client: ClientBuilder) -> Result<PropagateReqwest, reqwest::Error> {
        let client = self.prepared(client).build()?;
        Ok(PropagateReqwest::new(self.plan(&client), client))
    }

    /// Builds a client, with reqwest's own redirects and retries off (R22), and the middleware for it. It has to be
    /// the last that is attached: what stands further out, a retry above all, has its attempts written afresh.
    ///
    /// # Errors
    ///
    /// As `ClientBuilder::build`.
    #[cfg(feature = "reqwest-middleware")]
    #[cfg_attr(docsrs, doc(cfg(feature = "reqwest-middleware")))]
    pub fn build_middleware(self, client: ClientBuilder) -> Result<(Client, PropagateMiddleware), reqwest::Error> {
        let client = self.prepared(client).build()?;
        let middleware = PropagateMiddleware::new(self.plan(&client));
        Ok((client, middleware))
    }

    fn prepared(&self, client: ClientBuilder) -> ClientBuilder {
        let off = client.redirect(redirect::Policy::none()).retry(retry::never());
        off.connector_layer(ConnectLayer(self.connect))
    }

    pub(super) fn plan(self, client: &Client) -> Arc<Plan> {
        let redirects =
            Redirects { limit: self.redirects, referer: self.referer, credentials: Credentials::added_by(client) };
        Arc::new(Plan {
            layer: self.layer,
            connect: self.connect,
            read: self.read,
            redirects,
            default_headers: self.default_headers,
            policy: Arc::new(Policy::new()),
            made: self.made,
        })
    }
}

impl Credentials {
    /// Whether the client has credentials among the default headers that it adds below us, and would add again
    /// for another origin. reqwest tells of them in its `Debug` only; where it ceases to, they are taken to be there.
    fn added_by(client: &Client) -> Self {
        let mut told = String::new();
        let is_told = write!(told, "{client:?}").is_ok() && told.contains("default_headers: {");
        let added = CREDENTIALS.iter().any(|name| told.contains(&format!("\"{name}\":")));
        if is_told && !added { Self::OfTheRequest } else { Self::OfTheClientToo }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_among_the_default_headers_of_a_client_are_found() {
        let adds = |name: &str| {
            let headers = HeaderMap::from_iter([(name.parse().unwrap(), "secret".parse().unwrap())]);
            Credentials::added_by(&Client::builder().default_headers(headers).build().unwrap())
        };
        assert_eq!(Credentials::added_by(&Client::new()), Credentials::OfTheRequest);
        assert_eq!(adds("accept-language"), Credentials::OfTheRequest);
        for name in CREDENTIALS {
            assert_eq!(adds(name.as_str()), Credentials::OfTheClientToo, "{name}");
        }
    }
}
