//! A body that holds something for as long as it is read.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;

/// A body that is passed on exactly (R14), and lets go of `G` at its end, at its error, or when it is dropped.
#[pin_project]
#[derive(Debug)]
pub struct Held<B, G> {
    /// `None` once it has ended.
    #[pin]
    inner: Option<B>,
    held: Option<G>,
}

impl<B, G> Held<B, G> {
    pub(crate) fn new(inner: B, held: Option<G>) -> Self {
        Self { inner: Some(inner), held }
    }
}

impl<B: Body, G> Body for Held<B, G> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        let frame = ready!(inner.poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            this.inner.set(None);
            *this.held = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use deadline_testkit::{ScriptedBody, Step, assert_body_passes};
    use http_body_util::BodyExt;
    use std::sync::Arc;

    // R14
    #[test]
    fn a_body_passes_exactly() {
        assert_body_passes(|inner| Held::new(inner, Some(())));
    }

    #[tokio::test]
    async fn what_it_holds_goes_at_the_end_at_an_error_and_with_it() {
        for steps in [vec![Step::Data("a")], vec![Step::Data("a"), Step::Error]] {
            let held = Arc::new(());
            let mut body = Held::new(ScriptedBody::new(steps), Some(Arc::clone(&held)));
            assert!(body.frame().await.unwrap().is_ok());
            assert_eq!(Arc::strong_count(&held), 2);
            assert!(!matches!(body.frame().await, Some(Ok(_))));
            assert_eq!(Arc::strong_count(&held), 1);
        }
        let held = Arc::new(());
        drop(Held::new(ScriptedBody::full("a"), Some(Arc::clone(&held))));
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
