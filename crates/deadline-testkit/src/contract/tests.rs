use super::*;
use crate::Step;
use http::Request;
use std::future::{Ready, ready};

fn request() -> Request<()> {
    Request::new(())
}

/// Each of them breaks the contract in one way, and is true to it otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Flaw {
    None,
    /// Calls a clone, which nobody has asked whether it is ready.
    CallsAClone,
    /// Is ready whatever the inner service says.
    AlwaysReady,
    /// Asks whether the inner service is ready, and does not say whom to wake.
    WakesNobody,
    /// Makes an error of its own out of the one of readiness.
    OtherError,
    /// Runs the call elsewhere, and does not end it when it is dropped.
    LetsGo,
    /// Keeps the inner future after its answer.
    Keeps,
    /// Passes polls on, also after the end.
    PassesOn,
}

#[derive(Clone)]
struct Flawed {
    inner: InnerService,
    flaw: Flaw,
}

#[derive(Debug)]
struct Other;

impl std::fmt::Display for Other {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("of its own")
    }
}

impl Error for Other {}

type BoxError = Box<dyn Error + Send + Sync>;
type Inner = <InnerService as Service<Request<()>>>::Future;

struct Calling {
    inner: Option<Pin<Box<Inner>>>,
    flaw: Flaw,
    kept: Vec<Pin<Box<Inner>>>,
}

impl Future for Calling {
    type Output = Result<Response<Rest>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(inner) = &mut self.inner else { return Poll::Pending };
        let polled = inner.as_mut().poll(cx);
        if polled.is_ready() && self.flaw != Flaw::PassesOn {
            let done = self.inner.take();
            let keeps = self.flaw == Flaw::Keeps;
            self.kept.extend(done.filter(|_| keeps));
        }
        let whole = |body| Rest { inner: Some(Box::pin(body)) };
        polled.map(|outcome| outcome.map(|response| response.map(whole)).map_err(Into::into))
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        if self.flaw == Flaw::LetsGo {
            std::mem::forget(self.inner.take());
        }
    }
}

/// A body that lets go of the inner one at its end.
struct Rest {
    inner: Option<Pin<Box<crate::ScriptedBody>>>,
}

impl Body for Rest {
    type Data = bytes::Bytes;
    type Error = ScriptedError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        let Some(inner) = &mut self.inner else { return Poll::Ready(None) };
        let frame = inner.as_mut().poll_frame(cx);
        if matches!(frame, Poll::Ready(None | Some(Err(_)))) {
            self.inner = None;
        }
        frame
    }
}

impl Service<Request<()>> for Flawed {
    type Response = Response<Rest>;
    type Error = BoxError;
    type Future = Calling;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let mut nobody = Context::from_waker(Waker::noop());
        let cx = if self.flaw == Flaw::WakesNobody { &mut nobody } else { cx };
        let ready = Service::<Request<()>>::poll_ready(&mut self.inner, cx);
        match self.flaw {
            Flaw::AlwaysReady => Poll::Ready(Ok(())),
            Flaw::OtherError => ready.map_err(|_| Other.into()),
            _ => ready.map_err(Into::into),
        }
    }

    fn call(&mut self, request: Request<()>) -> Calling {
        let call = match self.flaw {
            Flaw::CallsAClone => self.inner.clone().call(request),
            _ => self.inner.call(request),
        };
        Calling { inner: Some(Box::pin(call)), flaw: self.flaw, kept: Vec::new() }
    }
}

fn contract(flaw: Flaw) -> Contract<impl Fn(InnerService) -> Flawed, fn() -> Request<()>> {
    Contract::of(move |inner| Flawed { inner, flaw }, request)
}

/// What a check complains of.
fn complaint(check: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let panic = std::panic::catch_unwind(check).expect_err("nothing was found");
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast_ref::<&str>().copied().unwrap_or_default().to_owned(),
    }
}

#[test]
fn a_layer_without_a_flaw_passes() {
    contract(Flaw::None).assert_all();
}

#[test]
fn each_flaw_is_found_and_named() {
    for (flaw, named) in [
        (Flaw::CallsAClone, "called without being ready"),
        (Flaw::AlwaysReady, "ready, though the inner service is not"),
        (Flaw::WakesNobody, "not woken when the inner service became ready"),
        (Flaw::OtherError, "has to fail with the inner service's error"),
        (Flaw::LetsGo, "dropped after 0 polls, and the inner one was not"),
        (Flaw::Keeps, "the inner future is kept after the answer"),
        (Flaw::PassesOn, "the inner future is kept after the answer"),
    ] {
        let told = complaint(move || contract(flaw).assert_all());
        assert!(told.contains(named), "{flaw:?}: {told}");
    }
}

#[test]
fn who_waits_in_its_future_is_told_from_who_does_not() {
    let told = complaint(|| contract(Flaw::None).readiness(Readiness::Finished).assert_readiness());
    assert!(told.contains("though it waits in its future"), "{told}");
}

/// A body that is passed on as it is, and so is kept after its end.
#[derive(Clone)]
struct Bare(InnerService);

impl Service<Request<()>> for Bare {
    type Response = Response<crate::ScriptedBody>;
    type Error = ScriptedError;
    type Future = Ready<Result<Self::Response, ScriptedError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ScriptedError>> {
        Service::<Request<()>>::poll_ready(&mut self.0, cx)
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let mut calling = Box::pin(self.0.call(request));
        match calling.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => ready(outcome),
            Poll::Pending => ready(Err(ScriptedError)),
        }
    }
}

#[test]
fn a_body_that_is_kept_after_its_end_is_found() {
    let told = complaint(|| Contract::of(Bare, request).assert_body_rests(&[Step::Data("some")]));
    assert!(told.contains("the inner body is kept after its end"), "{told}");
}
