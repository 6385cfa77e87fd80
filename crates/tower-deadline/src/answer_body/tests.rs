use super::*;
use crate::testing::{data, error, is_at_end, poll_frame};
use deadline_testkit::{ScriptedBody, ScriptedError, Step};

fn answer(text: &'static str) -> AnswerBody<ScriptedBody> {
    AnswerBody::from(Bytes::from_static(text.as_bytes()))
}

#[test]
fn an_answer_is_one_frame_of_known_length() {
    let mut body = answer("because");
    assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(7), false));
    assert_eq!(data(&mut body), "because");
    assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(0), true));
    assert!(is_at_end(&mut body) && is_at_end(&mut body));
}

#[test]
fn an_empty_answer_has_no_frame() {
    for mut body in [answer(""), AnswerBody::default()] {
        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(0), true));
        assert!(is_at_end(&mut body));
    }
}

#[test]
fn the_inner_body_passes_with_its_error() {
    let inner = ScriptedBody::new([Step::Wait, Step::Data("some"), Step::Error]);
    let mut body = AnswerBody::Inner(inner.telling_size());
    assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(4), false));
    assert!(poll_frame(&mut body).is_pending());
    assert_eq!(data(&mut body), "some");
    assert_eq!(error(&mut body), ScriptedError);
}
