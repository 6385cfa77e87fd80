//! How a layer finds the policy of a request.
//!
//! Covers the one policy of a layer without routes, one that somebody else has chosen, and three ways to a route. None of them allocates, but for
//! what a closure makes. Does not read files and does not admit.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use http::{Extensions, HeaderMap, Method, Request, Uri, Version};
use http_deadline::Policy;

use super::PolicySet;

mod sealed {
    pub trait Sealed {}
}

/// How a layer finds the policy of a request. Nobody else can implement it: the constructor `by` of a layer takes
/// a closure.
pub trait Choose: sealed::Sealed {
    /// The policy of this request.
    fn choose<B>(&self, request: &Request<B>) -> Cow<'_, Arc<Policy>>;
}

/// One policy for every request.
#[derive(Clone, Debug)]
pub struct OnePolicy(Arc<Policy>);

/// The policy that a layer further out has put into the extensions, or a default one.
#[derive(Clone, Debug)]
pub struct ByExtension(Arc<Policy>);

/// The policy of the path that axum's router matched.
#[cfg(feature = "axum-matched-path")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum-matched-path")))]
#[derive(Clone, Debug)]
pub struct ByMatchedPath(Arc<PolicySet>);

/// The policy of a gRPC method.
#[derive(Clone, Debug)]
pub struct ByGrpcMethod(Arc<PolicySet>);

/// The policy of the route that a closure yields.
pub struct By<F> {
    set: Arc<PolicySet>,
    route: Arc<F>,
}

/// What a closure sees of a request, to find its route.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    method: &'a Method,
    uri: &'a Uri,
    version: Version,
    headers: &'a HeaderMap,
    extensions: &'a Extensions,
}

impl OnePolicy {
    pub(crate) fn new(policy: Policy) -> Self {
        Self(Arc::new(policy))
    }
}

impl ByExtension {
    pub(crate) fn new(default: Arc<Policy>) -> Self {
        Self(default)
    }
}

#[cfg(feature = "axum-matched-path")]
impl ByMatchedPath {
    pub(crate) fn new(set: Arc<PolicySet>) -> Self {
        Self(set)
    }
}

impl ByGrpcMethod {
    pub(crate) fn new(set: Arc<PolicySet>) -> Self {
        Self(set)
    }
}

impl<F> By<F> {
    pub(crate) fn new(set: Arc<PolicySet>, route: F) -> Self {
        Self { set, route: Arc::new(route) }
    }
}

impl sealed::Sealed for OnePolicy {}

impl Choose for OnePolicy {
    fn choose<B>(&self, _: &Request<B>) -> Cow<'_, Arc<Policy>> {
        Cow::Borrowed(&self.0)
    }
}

impl sealed::Sealed for ByExtension {}

impl Choose for ByExtension {
    fn choose<B>(&self, request: &Request<B>) -> Cow<'_, Arc<Policy>> {
        request.extensions().get().map_or(Cow::Borrowed(&self.0), |chosen| Cow::Owned(Arc::clone(chosen)))
    }
}

#[cfg(feature = "axum-matched-path")]
impl sealed::Sealed for ByMatchedPath {}

#[cfg(feature = "axum-matched-path")]
impl Choose for ByMatchedPath {
    fn choose<B>(&self, request: &Request<B>) -> Cow<'_, Arc<Policy>> {
        let Self(set) = self;
        match request.extensions().get::<::axum::extract::MatchedPath>() {
            Some(path) => Cow::Borrowed(set.of_route(path.as_str())),
            None => Cow::Borrowed(set.default_policy()),
        }
    }
}

impl sealed::Sealed for ByGrpcMethod {}

impl Choose for ByGrpcMethod {
    fn choose<B>(&self, request: &Request<B>) -> Cow<'_, Arc<Policy>> {
        Cow::Borrowed(self.0.of_grpc_method(request.uri().path()))
    }
}

impl<F> sealed::Sealed for By<F> {}

impl<F> Choose for By<F>
where
    F: for<'a> Fn(Head<'a>) -> Option<Cow<'a, str>>,
{
    fn choose<B>(&self, request: &Request<B>) -> Cow<'_, Arc<Policy>> {
        Cow::Borrowed(match (self.route)(Head::of(request)) {
            Some(route) => self.set.of_route(&route),
            None => self.set.default_policy(),
        })
    }
}

impl<F> Clone for By<F> {
    fn clone(&self) -> Self {
        Self { set: Arc::clone(&self.set), route: Arc::clone(&self.route) }
    }
}

impl<F> fmt::Debug for By<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("By").field("set", &self.set).finish_non_exhaustive()
    }
}

impl<'a> Head<'a> {
    #[inline]
    pub(crate) fn of<B>(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            version: request.version(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }

    /// The method.
    #[must_use]
    pub fn method(self) -> &'a Method {
        self.method
    }

    /// The target.
    #[must_use]
    pub fn uri(self) -> &'a Uri {
        self.uri
    }

    /// The version of HTTP.
    #[must_use]
    pub fn version(self) -> Version {
        self.version
    }

    /// The fields.
    #[must_use]
    pub fn headers(self) -> &'a HeaderMap {
        self.headers
    }

    /// What layers further out left.
    #[must_use]
    pub fn extensions(self) -> &'a Extensions {
        self.extensions
    }
}
