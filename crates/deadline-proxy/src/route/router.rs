//! The service that sends each request its way.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response, StatusCode};
use tower::Service;
use tower::util::{Oneshot, ServiceExt};
use tower_deadline::dialect::Call;
use tower_deadline::{AnswerBody, Answers};

use super::Table;
use crate::limits::Answered;

/// Calls the service of the route that a request takes; answers 404 where there is none.
#[derive(Debug)]
pub(crate) struct Router<S> {
    table: Arc<Table>,
    /// By route.
    services: Arc<[S]>,
    answers: Answers,
}

impl<S> Clone for Router<S> {
    fn clone(&self) -> Self {
        Self { table: Arc::clone(&self.table), services: Arc::clone(&self.services), answers: self.answers.clone() }
    }
}

impl<S> Router<S> {
    /// One service for each route of the table, in its order.
    pub(crate) fn new(table: Arc<Table>, services: Vec<S>, answers: Answers) -> Self {
        Self { table, services: services.into(), answers }
    }

    fn service<B>(&self, request: &Request<B>) -> Option<&S> {
        let host = request.uri().host().unwrap_or_default();
        let found = self.table.find(host, request.uri().path(), request.method(), request.headers());
        self.services.get(found?)
    }
}

impl<S, RB, B> Service<Request<RB>> for Router<S>
where
    S: Service<Request<RB>, Response = Response<B>> + Clone,
{
    type Response = Response<AnswerBody<B>>;
    type Error = S::Error;
    type Future = Answered<Oneshot<S, Request<RB>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RB>) -> Self::Future {
        match self.service(&request) {
            Some(service) => Answered::Inner(service.clone().oneshot(request)),
            None => {
                let call = Call::of(request.headers());
                Answered::with(self.answers.failure(StatusCode::NOT_FOUND, "no route takes this request", call))
            }
        }
    }
}
