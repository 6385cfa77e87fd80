//! Upstreams that do what they are told, attempt by attempt.

mod backoff;
mod budget;
mod chain;
mod cost;
mod limits;
mod model;
mod refused;
mod replay;
mod safety;
mod sent_again;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use deadline_testkit::ScriptedBody;
use futures_util::future::{BoxFuture, pending};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tokio::time::Instant;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
use tower_deadline::dialect::trail::Trail;
use tower_deadline::{Deadline, Exceeded, Journey, Policy, PropagateError, PropagateLayer, WatchedBody, now};

use super::replay::Replay;
use super::{Attempts, Budget, Burden, Limit, Link, Plan, Settings, Unanswered};
use crate::upstream::SendError;

const MS: Duration = Duration::from_millis(1);

type Inner = BoxCloneSyncService<Request<Replay<Full<Bytes>>>, Response<WatchedBody<ScriptedBody>>, PropagateError>;
type Answer = Result<Response<WatchedBody<ScriptedBody>>, PropagateError>;

/// What an upstream does with one attempt.
#[derive(Clone, Debug)]
enum Play {
    Status(u16),
    /// With this field.
    Says(u16, &'static str, &'static str),
    /// It cannot be connected to.
    Connect,
    /// It breaks off, on a connection that was kept or not.
    Broken {
        is_kept: bool,
    },
    /// The same on one that was kept, so long after it has taken the request.
    BrokenAfter(Duration),
    /// It takes the request, and says nothing.
    Hang,
    /// It does not even take it.
    Stuck,
    /// It takes so long to be connected to, and then answers.
    Waits(Duration),
    /// It says that its deadline has passed.
    Late,
}

/// What was seen of one attempt.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    upstream: usize,
    after: Duration,
    body: String,
    headers: http::HeaderMap,
    marked: bool,
}

/// What an extension has to stay.
#[derive(Clone, Debug, PartialEq)]
struct Mark;

struct Upstreams {
    attempts: Attempts<Inner>,
    seen: Arc<Mutex<Vec<Seen>>>,
    burdens: Vec<Arc<Burden>>,
}

/// A chain of upstreams that pass this on, each with what it does.
fn chain(links: &[(&[&str], &[Play])], change: impl FnOnce(&mut Settings)) -> Upstreams {
    let mut settings = Settings::once(0);
    settings.chain = Vec::new();
    for (at, (on, _)) in links.iter().enumerate() {
        let on = on.iter().map(|on| on.parse().unwrap()).collect();
        settings.chain.push(Link { on, ..Link::new(at) });
    }
    change(&mut settings);
    let scripts = links.iter().map(|(_, plays)| plays.to_vec()).collect();
    Upstreams::new(&settings, scripts, Budget { ratio: 1000.0, min_per_second: 1000 })
}

impl Upstreams {
    fn new(settings: &Settings, scripts: Vec<Vec<Play>>, budget: Budget) -> Self {
        let names = ["corp", "mirror", "golang"].into_iter().take(scripts.len());
        let burdens: Vec<_> = names.map(|name| Arc::new(Burden::new(name, budget).unwrap())).collect();
        let plan = Plan::new(settings, &burdens, "edge").unwrap();
        let (seen, start) = (Arc::new(Mutex::new(Vec::new())), Instant::now());
        let scripts: Vec<_> = scripts.into_iter().map(|plays| Arc::new(Mutex::new(VecDeque::from(plays)))).collect();
        let attempts = Attempts::new(&plan, |step| {
            let (seen, script, upstream) = (Arc::clone(&seen), Arc::clone(&scripts[step.upstream]), step.upstream);
            let limit = step.limit;
            let fresh = PropagateLayer::new();
            let service =
                ServiceBuilder::new().layer(fresh.clone()).service(service_fn(move |mut request: Request<_>| {
                    let play = script.lock().unwrap().pop_front().expect("an attempt that nobody expects");
                    let limit = Limit::new(limit, request.extensions());
                    let (seen, fresh) = (Arc::clone(&seen), fresh.clone());
                    async move {
                        let attempt = async {
                            if let Play::Waits(wait) = play {
                                tokio::time::sleep(wait).await;
                            }
                            if !matches!(play, Play::Connect | Play::Stuck) {
                                let told = limit.tell(&mut request, |request| write(&fresh, request));
                                told.map_err(SendError::Before)?;
                            }
                            attempt(seen, play, request, (upstream, start)).await
                        };
                        limit.hold(std::pin::pin!(attempt)).await
                    }
                }));
            BoxCloneSyncService::new(service)
        });
        Self { attempts, seen, burdens }
    }

    async fn ask(&self, request: Request<Full<Bytes>>) -> Answer {
        self.attempts.clone().ready().await.unwrap().call(request).await
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Who was asked, in this order.
    fn asked(&self) -> Vec<usize> {
        self.seen().iter().map(|seen| seen.upstream).collect()
    }

    /// How long after the first attempt each was made.
    fn instants(&self) -> Vec<Duration> {
        self.seen().iter().map(|seen| seen.after).collect()
    }
}

fn write<B>(fresh: &PropagateLayer, request: &mut Request<B>) -> Result<(), PropagateError> {
    let mut headers = std::mem::take(request.headers_mut());
    let written = fresh.write(&mut headers, request.extensions());
    *request.headers_mut() = headers;
    written.map(drop)
}

fn attempt(
    seen: Arc<Mutex<Vec<Seen>>>,
    play: Play,
    request: Request<Replay<Full<Bytes>>>,
    (upstream, start): (usize, Instant),
) -> BoxFuture<'static, Result<Response<ScriptedBody>, SendError<PropagateError>>> {
    Box::pin(async move {
        let after = Instant::now() - start;
        let (head, body) = request.into_parts();
        let is_written = !matches!(play, Play::Connect | Play::Stuck);
        let body = if is_written {
            String::from_utf8(body.collect().await.unwrap().to_bytes().into()).unwrap()
        } else {
            String::new()
        };
        let marked = head.extensions.get() == Some(&Mark);
        seen.lock().unwrap().push(Seen { upstream, after, body, headers: head.headers.clone(), marked });
        let mut response = Response::new(ScriptedBody::full("body"));
        match play {
            Play::Status(status) => *response.status_mut() = StatusCode::from_u16(status).unwrap(),
            Play::Says(status, name, value) => {
                *response.status_mut() = StatusCode::from_u16(status).unwrap();
                response.headers_mut().append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            Play::Connect => return Err(SendError::NoEndpoint { upstream: "nowhere".to_owned() }),
            Play::Broken { .. } | Play::BrokenAfter(_) => {
                let is_kept = match play {
                    Play::Broken { is_kept } => is_kept,
                    Play::BrokenAfter(wait) => {
                        tokio::time::sleep(wait).await;
                        true
                    }
                    _ => false,
                };
                let endpoint = crate::upstream::Name::scripted("peer");
                let head = Some(Box::new(head));
                return Err(SendError::Exchange { endpoint, is_kept, head, source: broken().await.into() });
            }
            Play::Hang | Play::Stuck => pending::<()>().await,
            Play::Waits(_) => {}
            Play::Late => {
                *response.status_mut() = StatusCode::GATEWAY_TIMEOUT;
                let deadline: Deadline = *head.extensions.get().unwrap();
                let told = "origin=header, stage=handler, cause=deadline, hop=\"corp\"";
                let exceeded = Exceeded::new(
                    deadline.with_origin(tower_deadline::Origin::Policy(Policy::new().name())),
                    tower_deadline::Stage::Upstream,
                    tower_deadline::Cause::Deadline,
                    now(),
                );
                let told = Trail::parse(told.as_bytes()).unwrap();
                response.extensions_mut().insert(exceeded.with_trail(told));
            }
        }
        Ok(response)
    })
}

/// The error of a connection that is closed before its answer.
async fn broken() -> h2::Error {
    let (near, far) = tokio::io::duplex(1024);
    let (mut send, connection) = h2::client::handshake(near).await.unwrap();
    let connection = tokio::spawn(connection);
    let (answer, _) = send.send_request(Request::get("http://peer.example/").body(()).unwrap(), true).unwrap();
    drop(far);
    let error = answer.await.unwrap_err();
    connection.abort();
    error
}

fn request(method: &str, body: &'static str) -> Request<Full<Bytes>> {
    Request::builder().method(method).uri("/a").extension(Mark).body(Full::from(body)).unwrap()
}

fn get() -> Request<Full<Bytes>> {
    request("GET", "")
}

/// The same, with so much time, of which the policy sets so much aside.
fn within(mut request: Request<Full<Bytes>>, time: Duration, reserve: Duration) -> Request<Full<Bytes>> {
    let policy = Policy::new().reserve(reserve);
    let deadline = Deadline::after(now(), time).with_origin(tower_deadline::Origin::Policy(policy.name()));
    request.extensions_mut().insert(Journey::new(Arc::new(policy), true));
    request.extensions_mut().insert(deadline);
    request
}

fn status(answer: &Answer) -> u16 {
    answer.as_ref().unwrap().status().as_u16()
}

/// What an answer of ours says of the attempts.
fn unanswered(answer: &Answer) -> String {
    let Err(PropagateError::Inner(error)) = answer else { panic!("{answer:?}") };
    error.downcast_ref::<Unanswered>().unwrap().to_string()
}
