//! The very instant: a whole response, or none.
//!
//! A head that is ready at the deadline is delivered, and no frame of a body is yielded after it (R11). Each
//! for itself, the two would send a head and refuse its body: a broken message where there could have been an
//! answer. It is no rare tie: a hop downstream that keeps the same deadline answers at this very instant. So at
//! the instant, and after it, a response is delivered if all of it is ready without waiting, and else is late: the
//! answer is then ours.

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use http::Response;
use http_body::{Body, Frame};
use http_deadline::{Deadline, Exceeded, Stage};

use super::custody::Custody;

/// A body of more frames than this is a stream, which could be ready without end.
const MOST_FRAMES: usize = 32;

/// A response with the frames of its body, where that is ready as a whole; else it is dropped, and the request is
/// late.
pub(super) fn settle<B: Body>(
    head: Response<B>,
    custody: &mut Custody,
    deadline: Deadline,
    cx: &mut Context<'_>,
) -> Result<Response<VecDeque<Frame<B::Data>>>, Exceeded> {
    let (head, body) = head.into_parts();
    let mut body = pin!(Some(body));
    let frames = custody.poll(cx, |cx| body.as_mut().as_pin_mut().and_then(|body| whole(body, cx)));
    // The stage is told before whatever keeps it open is dropped.
    let settled = frames.ok_or_else(|| custody.stop(deadline, Stage::Handler));
    custody.run(|| body.set(None));
    settled.map(|frames| Response::from_parts(head, frames))
}

fn whole<B: Body>(mut body: Pin<&mut B>, cx: &mut Context<'_>) -> Option<VecDeque<Frame<B::Data>>> {
    let mut frames = VecDeque::new();
    while !body.is_end_stream() {
        match body.as_mut().poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) if frames.len() < MOST_FRAMES => frames.push_back(frame),
            Poll::Ready(None) => break,
            Poll::Ready(Some(_)) | Poll::Pending => return None,
        }
    }
    Some(frames)
}
