use super::*;
use http_body::Frame;

/// A body that tells and yields by a function each.
struct Liar {
    frames: Vec<Option<Result<&'static str, ()>>>,
    hint: fn(usize) -> SizeHint,
    is_end: fn(usize) -> bool,
}

impl Body for Liar {
    type Data = Bytes;
    type Error = ();

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ()>>> {
        let frame = self.frames.pop().flatten();
        Poll::Ready(frame.map(|frame| frame.map(|data| Frame::data(Bytes::from_static(data.as_bytes())))))
    }

    fn is_end_stream(&self) -> bool {
        (self.is_end)(self.frames.len())
    }

    fn size_hint(&self) -> SizeHint {
        (self.hint)(self.frames.len())
    }
}

/// Two bytes in two frames.
fn liar() -> Liar {
    Liar { frames: vec![Some(Ok("b")), Some(Ok("a"))], hint: |_| SizeHint::default(), is_end: |_| false }
}

fn at_most(upper: u64) -> SizeHint {
    let mut hint = SizeHint::new();
    hint.set_upper(upper);
    hint
}

#[test]
fn a_body_that_tells_nothing_does_not_lie() {
    assert_eq!(assert_body_keeps_contract(liar()).len(), 2);
}

#[test]
#[should_panic(expected = "at least 3 bytes were told, and 2 came")]
fn a_hint_of_too_much_is_found() {
    let hint = |frames| SizeHint::with_exact(if frames == 2 { 3 } else { frames as u64 });
    assert_body_keeps_contract(Liar { hint, ..liar() });
}

#[test]
#[should_panic(expected = "at most Some(1) bytes were told, and 2 came")]
fn a_hint_of_too_little_is_found() {
    assert_body_keeps_contract(Liar { hint: |_| at_most(1), ..liar() });
}

#[test]
#[should_panic(expected = "the size hint grew")]
fn a_hint_that_grows_is_found() {
    assert_body_keeps_contract(Liar { hint: |frames| at_most(9 - frames as u64), ..liar() });
}

#[test]
#[should_panic(expected = "it told its end, and then came [Data(b\"b\")]")]
fn an_end_that_is_told_too_soon_is_found() {
    assert_body_keeps_contract(Liar { is_end: |frames| frames < 2, ..liar() });
}

#[test]
#[should_panic(expected = "after its end or error: Ready(Some(Error))")]
fn an_error_that_is_repeated_is_found() {
    assert_body_keeps_contract(Liar { frames: vec![Some(Err(())); 3], ..liar() });
}

#[test]
#[should_panic(expected = "after its end or error: Ready(Some(Data(b\"a\")))")]
fn a_frame_after_the_end_is_found() {
    assert_body_keeps_contract(Liar { frames: vec![Some(Ok("a")), None], ..liar() });
}

/// It yields all that the inner body yields, and tells nothing of it.
struct Untold(Option<ScriptedBody>);

impl Body for Untold {
    type Data = Bytes;
    type Error = crate::ScriptedError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Some(inner) = &mut self.0 else { return Poll::Ready(None) };
        let frame = Pin::new(inner).poll_frame(cx);
        if matches!(frame, Poll::Ready(None | Some(Err(_)))) {
            self.0 = None;
        }
        frame
    }
}

#[test]
#[should_panic(expected = "left: through the layer, right: bare")]
fn a_hint_that_is_not_passed_is_found() {
    assert_body_passes(|inner| Untold(Some(inner)));
}

#[test]
#[should_panic(expected = "the inner body is kept after its end")]
fn an_inner_body_that_is_kept_is_found() {
    assert_body_passes(|inner| inner);
}
