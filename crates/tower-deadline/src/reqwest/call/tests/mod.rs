//! One call, with a scripted server in place of a client.

use std::collections::VecDeque;
use std::panic::Location;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use deadline_testkit::{Probe, ScriptedBody, ScriptedError};
use http::header::LOCATION;
use http::{Extensions, Method, Response as Head};
use http_deadline::Dialect;
use reqwest::{Body, Client, Request, Response, ResponseBuilderExt, Url};
use tokio::time::sleep;

use super::super::ReqwestBuilder;
use super::super::limits::{Limit, LimitReached};
use super::{Call, Failed, Transport};
use crate::testing::MS;
use crate::{Deadline, Exceeded, PropagateError, PropagateLayer, now};

mod answers;
mod attempts;
mod bounds;
#[cfg(feature = "opentelemetry")]
mod traced;

const HOME: &str = "http://shop.example/orders";

type Outcome = Result<Response, Failed<ScriptedError>>;

/// After this long, this.
type Answer = (Duration, Head<ScriptedBody>);

/// Answers what it was told, each time after a while, and keeps what it was sent.
#[derive(Clone, Default)]
struct Server {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    sent: Arc<Mutex<Vec<Request>>>,
    probe: Probe,
}

impl Server {
    fn then(self, after: u32, answer: Head<ScriptedBody>) -> Self {
        self.answers.lock().unwrap().push_back((after * MS, answer));
        self
    }

    /// The requests, which are gone then.
    fn sent(&self) -> Vec<Request> {
        std::mem::take(&mut self.sent.lock().unwrap())
    }

    /// What each of the requests was told to be left.
    fn told(&self) -> Vec<Option<String>> {
        self.sent().iter().map(told).collect()
    }

    /// A call as this builder makes it, under what stands in `found`.
    fn calls(
        &self,
        builder: ReqwestBuilder,
        mut request: Request,
        found: &Extensions,
    ) -> Pin<Box<dyn Future<Output = Outcome>>> {
        let plan = builder.plan(&Client::new());
        match Call::new(&plan, &mut request, found, Location::caller()) {
            Ok(call) => Box::pin(call.make(self.clone(), request)),
            Err(error) => Box::pin(async { Err(Failed::Held(error)) }),
        }
    }

    /// A call as it is made by default, with so many milliseconds to spend.
    fn call(&self, budget: u32) -> Pin<Box<dyn Future<Output = Outcome>>> {
        self.calls(PropagateLayer::new().reqwest(), get(), &within(budget))
    }
}

impl Transport for Server {
    type Error = ScriptedError;

    fn send(&mut self, request: Request) -> impl Future<Output = Result<Response, ScriptedError>> + Send {
        let url = request.url().clone();
        self.sent.lock().unwrap().push(request);
        let answer = self.answers.lock().unwrap().pop_front();
        self.probe.watch(async move {
            let Some((after, answer)) = answer else { return std::future::pending().await };
            sleep(after).await;
            let (mut parts, body) = answer.into_parts();
            let carrier = Head::builder().url(url).body(()).unwrap();
            parts.extensions.extend(carrier.into_parts().0.extensions);
            Ok(Head::from_parts(parts, Body::wrap(body)).into())
        })
    }
}

fn told(request: &Request) -> Option<String> {
    let field = request.headers().get(Dialect::XRequestTimeout.as_str());
    field.map(|value| value.to_str().unwrap().to_owned())
}

fn get() -> Request {
    Request::new(Method::GET, HOME.parse().unwrap())
}

/// Extensions with this deadline.
fn within(budget: u32) -> Extensions {
    let mut found = Extensions::new();
    found.insert(Deadline::after(now(), budget * MS));
    found
}

fn ok() -> Head<ScriptedBody> {
    Head::new(ScriptedBody::full("charged"))
}

fn to(location: &str) -> Head<ScriptedBody> {
    Head::builder().status(307).header(LOCATION, location).body(ScriptedBody::full("")).unwrap()
}

#[track_caller]
fn exceeded(outcome: Outcome) -> Exceeded {
    match outcome {
        Err(Failed::Held(PropagateError::Exceeded(exceeded)) | Failed::Limit(exceeded)) => exceeded,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn limit(outcome: Outcome) -> LimitReached {
    LimitReached::find(&exceeded(outcome)).expect("a limit")
}
