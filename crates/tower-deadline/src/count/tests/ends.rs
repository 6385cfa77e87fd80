//! How the end of a request is counted: each has one, and it is told by the layer that keeps the account.

use super::*;
use crate::testing::{error, exceeded, poll_frame, response};
use crate::{BodyError, BoxError, DeadlineBody, EnforceLayer, Exceeded, RescueLayer, WatchedBody};
use deadline_testkit::Step;
use http::Method;
use http_body_util::BodyExt;
use http_deadline::{Cause, Covers, Stage};
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use tower::ServiceBuilder;

/// An error that tells of a deadline, as that of a call that was not sent.
#[derive(Debug)]
struct Telling(Exceeded);

impl fmt::Display for Telling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a call failed")
    }
}

impl Error for Telling {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

type Handled = Result<Response<ScriptedBody>, Telling>;
type Handling = Pin<Box<dyn Future<Output = Handled>>>;
type Calling = Pin<Box<dyn Future<Output = Result<Response<DeadlineBody<ScriptedBody>>, Telling>>>>;

/// What a handler does.
#[derive(Clone)]
enum Does {
    /// After so many milliseconds, a head of this content type, whose body plays these steps.
    Answer(u32, &'static str, Vec<Step>),
    /// After so many milliseconds, says in the response, or as an error, that it had no time left.
    Tell(u32, Says),
}

#[derive(Clone, Copy, PartialEq)]
enum Says {
    InTheResponse,
    AsAnError,
}

fn answer(after: u32, steps: &[Step]) -> Does {
    Does::Answer(after, "text/plain", steps.to_vec())
}

fn handle(does: Does) -> Handling {
    Box::pin(async move {
        match does {
            Does::Answer(after, content_type, steps) => {
                tokio::time::sleep(after * MS).await;
                Ok(response(content_type, steps))
            }
            Does::Tell(after, says) => {
                let own = Deadline::after(now(), after * MS);
                tokio::time::sleep(after * MS).await;
                let told = Exceeded::new(own, Stage::Unsent, Cause::Deadline, now());
                if says == Says::AsAnError {
                    return Err(Telling(told));
                }
                let mut bare = Response::new(ScriptedBody::new([]).telling_end());
                bare.extensions_mut().insert(told);
                Ok(bare)
            }
        }
    })
}

/// The paved path, and the same in parts.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stack {
    Paved,
    InParts,
}

const STACKS: [Stack; 2] = [Stack::Paved, Stack::InParts];

fn send(stack: Stack, policy: &Policy, request: Request<ScriptedBody>, does: Does) -> Calling {
    let handler = move |_: Request<WatchedBody<ScriptedBody>>| handle(does.clone());
    let inner = tower::service_fn(handler);
    let policy = policy.clone().named("shop");
    match stack {
        Stack::Paved => call(&DeadlineLayer::new(policy).layer(inner), request),
        Stack::InParts => {
            let parts = ServiceBuilder::new().layer(AdmitLayer::new(policy)).layer(RescueLayer::new());
            call(&parts.layer(EnforceLayer::new()).service(inner), request)
        }
    }
}

/// What was counted beside the requests and their budgets, and measured, in milliseconds.
fn ends(counts: &Counts) -> Vec<String> {
    let counted = counts.all().into_iter().map(|(name, times)| format!("{name} {times}"));
    let measured = counts.measured().into_iter().filter(|(name, _)| !name.starts_with("deadline_budget"));
    counted.chain(measured.map(|(name, values)| format!("{name} {values:?}"))).collect()
}

fn stopped(stage: &str, cause: &str, origin: &str) -> String {
    format!("deadline_exceeded_total{{cause={cause},origin={origin},policy=shop,stage={stage}}} 1")
}

fn headroom(millis: u64) -> String {
    format!("deadline_headroom_seconds{{policy=shop}} [{millis}]")
}

fn overrun(millis: u64) -> String {
    format!("deadline_overrun_seconds{{policy=shop}} [{millis}]")
}

/// What a client does. It waits for a head and for the rest of a body, a while for each.
#[derive(Clone, Copy)]
enum Client {
    /// Reads all there is.
    Reads,
    /// Takes the head, and drops the body unread.
    TakesTheHead,
    /// Reads what is there, and leaves.
    Leaves,
}

/// What is told of one request, whose handler and client do this.
async fn told(
    stack: Stack,
    policy: &Policy,
    request: Request<ScriptedBody>,
    does: Does,
    (client, after): (Client, u32),
) -> Vec<String> {
    let counts = Counts::default();
    let _recording = counts.record();
    let mut calling = send(stack, policy, request, does);
    let mut answered = poll(calling.as_mut());
    if answered.is_pending() {
        advance(after * MS).await;
        answered = poll(calling.as_mut());
    }
    let head = match answered {
        std::task::Poll::Ready(head) => head,
        std::task::Poll::Pending => {
            drop(calling);
            return ends(&counts);
        }
    };
    drop(calling);
    if let (Ok(head), Client::Reads | Client::Leaves) = (head, client) {
        let (mut body, mut waited) = (head.into_body(), matches!(client, Client::Leaves));
        loop {
            match poll_frame(&mut body) {
                std::task::Poll::Ready(Some(Ok(_))) => {}
                std::task::Poll::Pending if !waited => {
                    waited = true;
                    advance(after * MS).await;
                }
                _ => break,
            }
        }
    }
    ends(&counts)
}

#[tokio::test(start_paused = true)]
async fn a_request_that_ends_by_itself_has_headroom_and_one_that_is_stopped_has_a_reason() {
    use Client::{Leaves, Reads, TakesTheHead};
    let stream: &[Step] = &[Step::Data("a"), Step::Wait, Step::Data("b")];
    let stalls: &[Step] = &[Step::Data("a"), Step::Stall];
    let client = Policy::new();
    for stack in STACKS {
        for (does, seen, expected) in [
            (answer(0, &[]), (Reads, 0), vec![headroom(300)]),
            (answer(100, &[Step::Data("a")]), (Reads, 100), vec![headroom(200)]),
            (answer(0, stream), (Reads, 299), vec![headroom(1)]),
            (answer(0, stream), (Reads, 300), vec![stopped("response_body", "deadline", "header"), overrun(0)]),
            (answer(999, stream), (Reads, 305), vec![stopped("handler", "deadline", "header"), overrun(5)]),
            (answer(999, stream), (Leaves, 299), vec![stopped("handler", "client_gone", "header")]),
            (answer(0, stalls), (Leaves, 299), vec![stopped("response_body", "client_gone", "header")]),
            (answer(0, stalls), (TakesTheHead, 0), vec![stopped("response_body", "client_gone", "header")]),
        ] {
            assert_eq!(told(stack, &client, asking("300ms"), does, seen).await, expected, "{stack:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_whose_body_nobody_asks_for_has_ended() {
    let body: &[Step] = &[Step::Data("a"), Step::Wait];
    for stack in STACKS {
        let mut request = asking("300ms");
        *request.method_mut() = Method::HEAD;
        let told = told(stack, &Policy::new(), request, answer(100, body), (Client::TakesTheHead, 100)).await;
        assert_eq!(told, [headroom(200)], "{stack:?}");
    }
}

// R18
#[tokio::test(start_paused = true)]
async fn what_is_released_has_ended_with_its_head_and_whatever_comes_then() {
    let stream = || Does::Answer(100, "text/event-stream", vec![Step::Data("a"), Step::Stall]);
    let default = Policy::new().default_timeout(BUDGET);
    for stack in STACKS {
        for client in [Client::Leaves, Client::Reads, Client::TakesTheHead] {
            for policy in [&default, &default.clone().covers(Covers::Head)] {
                let told = told(stack, policy, plain(), stream(), (client, 100)).await;
                assert_eq!(told, [headroom(200)], "{stack:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_no_deadline_has_no_headroom() {
    for stack in STACKS {
        let done = told(stack, &Policy::new(), plain(), answer(0, &[]), (Client::Reads, 0)).await;
        let left = told(stack, &Policy::new(), plain(), answer(9, &[]), (Client::Leaves, 1)).await;
        assert_eq!((done, left), (vec![], vec![stopped("handler", "client_gone", "none")]), "{stack:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_was_granted_something_and_has_no_headroom() {
    for stack in STACKS {
        for (request, expected) in [
            (asking("0"), vec![stopped("arrival", "deadline", "header")]),
            (asking("4ms"), vec![stopped("arrival", "deadline", "header")]),
            (asking("a"), vec!["deadline_invalid_total{dialect=x-request-timeout} 1".to_owned()]),
        ] {
            let policy = Policy::new().min(5 * MS);
            assert_eq!(told(stack, &policy, request, answer(0, &[]), (Client::Reads, 0)).await, expected, "{stack:?}");
        }
    }
}

/// As by a call for which nothing is left: the request is answered before its own deadline, and yet too late.
#[tokio::test(start_paused = true)]
async fn what_a_handler_says_of_a_limit_is_believed() {
    let expected = [stopped("unsent", "deadline", "code"), overrun(0)];
    for (stack, says) in
        [(Stack::Paved, Says::InTheResponse), (Stack::Paved, Says::AsAnError), (Stack::InParts, Says::InTheResponse)]
    {
        let seen = (Client::Reads, 100);
        assert_eq!(told(stack, &Policy::new(), asking("300ms"), Does::Tell(100, says), seen).await, expected);
    }
}

/// As in the body of a call that has a limit of its own. An error that tells of no limit is an end like any other.
#[tokio::test(start_paused = true)]
async fn what_the_error_of_a_body_says_is_believed() {
    let telling =
        || BoxError::from(Telling(Exceeded::new(Deadline::at(now()), Stage::Upstream, Cause::Deadline, now())));
    for (is_telling, expected) in
        [(true, vec![stopped("upstream", "deadline", "code"), overrun(0)]), (false, vec![headroom(1_000)])]
    {
        let counts = Counts::default();
        let _recording = counts.record();
        let answer = move |_: Request<WatchedBody<ScriptedBody>>| {
            let body = ScriptedBody::new([Step::Data("a"), Step::Error]);
            let body = body.map_err(move |error| if is_telling { telling() } else { error.into() });
            ready(Ok::<_, ScriptedError>(Response::new(body)))
        };
        let service = DeadlineLayer::new(Policy::new().named("shop")).layer(tower::service_fn(answer));
        let mut head = now_ready(poll(call(&service, asking("1s")).as_mut()));
        assert!(poll_frame(head.body_mut()).is_ready());
        assert!(matches!(error(head.body_mut()), BodyError::Inner(_)));
        drop(head);
        assert_eq!(ends(&counts), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn an_observing_policy_counts_what_it_would_have_done_and_how_late_it_would_have_been() {
    let observing = Policy::new().mode(Mode::Observe);
    let would = "deadline_would_exceed_total{policy=shop,stage=handler} 1".to_owned();
    for stack in STACKS {
        for (does, after, expected) in [
            (answer(299, &[]), 299, vec![headroom(1)]),
            (answer(300, &[]), 300, vec![headroom(0)]),
            (answer(450, &[]), 450, vec![would.clone(), overrun(150)]),
        ] {
            let told = told(stack, &observing, asking("300ms"), does, (Client::Reads, after)).await;
            assert_eq!(told, expected, "{stack:?}");
        }
        let left = told(stack, &observing, asking("300ms"), answer(999, &[]), (Client::Leaves, 10)).await;
        assert_eq!(left, [stopped("handler", "client_gone", "header")], "whoever leaves has left");
    }
}

/// Each layer has an account of its own: what it let in, and how that ended.
#[tokio::test(start_paused = true)]
async fn of_two_layers_each_counts_a_request_once() {
    let silent = |_: Request<_>| std::future::pending::<Outcome>();
    for (outer, inner) in [(100, 300), (300, 100)] {
        let counts = Counts::default();
        let _recording = counts.record();
        let within = ScriptedService::new(Gate::default(), Probe::default(), silent);
        let within = DeadlineLayer::new(Policy::new().named("inner").default_timeout(inner * MS)).layer(within);
        let service = DeadlineLayer::new(Policy::new().named("outer").default_timeout(outer * MS)).layer(within);
        let mut calling = call(&service, plain());
        assert!(poll(calling.as_mut()).is_pending());
        advance(100 * MS).await;
        let head = now_ready(poll(calling.as_mut()));
        assert_eq!(exceeded(&head).stage(), Stage::Handler);
        drop((calling, head));
        let mut counted: Vec<_> = counts.all().into_iter().map(|(name, times)| format!("{name} {times}")).collect();
        // What the limit of the inner one does to the deadline is another count.
        counted.retain(|counted| counted.starts_with("deadline_exceeded_total"));
        let expected = ["inner", "outer"].map(|policy| {
            format!("deadline_exceeded_total{{cause=deadline,origin=policy,policy={policy},stage=handler}} 1")
        });
        assert_eq!(counted, expected, "{outer}, {inner}");
        assert_eq!(counts.measured().len(), 4, "two budgets, two overruns, no headroom: {:?}", counts.measured());
    }
}

/// What is observed has no deadline of its own to be stopped at.
#[tokio::test(start_paused = true)]
async fn what_an_outer_layer_stops_is_not_counted_by_an_observing_one() {
    let counts = Counts::default();
    let _recording = counts.record();
    let silent = ScriptedService::new(Gate::default(), Probe::default(), |_| std::future::pending::<Outcome>());
    let inner = DeadlineLayer::new(observing().default_timeout(3 * BUDGET)).layer(silent);
    let service = DeadlineLayer::new(Policy::new().named("outer").default_timeout(BUDGET)).layer(inner);
    let mut calling = call(&service, plain());
    assert!(poll(calling.as_mut()).is_pending());
    advance(BUDGET).await;
    drop(now_ready(poll(calling.as_mut())));
    assert_once(&counts, &["deadline_exceeded_total{cause=deadline,origin=policy,policy=outer,stage=handler}"]);
}
