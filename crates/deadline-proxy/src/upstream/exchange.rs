//! One request and the head of its answer, on a connection that is there.

use std::future::poll_fn;
use std::mem::take;
use std::pin::Pin;
use std::task::Poll;

use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body::Body;
use tower_deadline::CallEvent;

use super::cluster::Cluster;
use super::endpoint::Spoken;
use super::error::Broke;
use super::form;
use super::http1::{self, Begun};
use super::http2::{self, Answer, Upload};
use super::lease::{Http1, Http2, Sent};
use super::outgoing::{BodyFault, Outgoing, Whole};
use super::silence::{Allotted, Silence};
use super::telling::Telling;
use crate::{count, fleeting};

/// What an exchange is held to, and who is told of it.
#[derive(Debug)]
pub(super) struct Terms<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) allotted: Allotted,
    pub(super) telling: &'a Telling,
    /// Whether the connection was made for this.
    pub(super) is_first: bool,
}

/// Where the body of an answer is.
#[derive(Debug)]
pub(super) enum Arrived {
    /// On the connection.
    Http1,
    /// Boxed: an answer is handed on more often than it is made, and those of HTTP/1.1 need not be as large.
    Http2(Box<Answer>),
}

/// Why there is no answer.
pub(super) enum Broken<E> {
    /// It was withheld.
    Before(E),
    /// Nothing of it was written, and all of it is there; why, where the connection had a say.
    Unsent(Option<Broke>),
    /// With its head, where it may be sent again.
    Sent(Broke, Option<Box<Parts>>),
    /// What the client sent of it broke off: no endpoint is to blame.
    Body(BodyFault),
}

type Head<E> = Result<Response<Arrived>, Broken<E>>;

impl<B: Sent> Http1<B> {
    /// Sends what is held. A request without a body stays where it is, and is read from there.
    pub(super) async fn exchange<E>(&mut self, held: &mut Option<Request<B>>, terms: &Terms<'_>) -> Head<E> {
        let Some(request) = held else { return Err(Broken::Unsent(None)) };
        if let Some(begun) = self.conn.begin(request) {
            // Boxed: a request without a body need not be as large.
            return Box::pin(self.exchange_with_body(begun, held, terms)).await;
        }
        let (conn, whole) = (&mut self.conn, Whole::default());
        let mut is_untold = terms.telling.is_heard();
        let silence = Silence::of(terms.cluster, (&self.slot.endpoint, Spoken::Http1), terms.allotted, &whole);
        let head = poll_fn(|cx| {
            let head = conn.poll_head::<B>(cx, &mut None, interim_dropped);
            if is_untold && conn.is_written() {
                is_untold = false;
                terms.telling.tell(&CallEvent::RequestWritten);
            }
            head
        });
        let head = head.await;
        silence.end();
        if head.is_ok() {
            // It is not sent again.
            let fields = held.as_mut().map(|request| take(request.headers_mut()));
            fields.into_iter().for_each(http1::keep_room);
        }
        head.map(|head| arrived(head, terms)).map_err(|broke| match broke {
            http1::Broke::Unsent(error) => Broken::Unsent(Some(error.into())),
            http1::Broke::Body(fault) => Broken::Body(fault),
            http1::Broke::Sent(error) => {
                let head = held.take().map(|request| request.into_parts().0);
                Broken::Sent(error.into(), head.and_then(kept))
            }
        })
    }

    async fn exchange_with_body<E>(
        &mut self,
        begun: Begun,
        held: &mut Option<Request<B>>,
        terms: &Terms<'_>,
    ) -> Head<E> {
        let Some((head, body)) = held.take().map(Request::into_parts) else { return Err(Broken::Unsent(None)) };
        let (body, whole) = Outgoing::new(body, terms.telling);
        let (conn, mut upload) = (&mut self.conn, Some(begun.upload(body)));
        let silence = Silence::of(terms.cluster, (&self.slot.endpoint, Spoken::Http1), terms.allotted, &whole);
        let answer = poll_fn(|cx| conn.poll_head(cx, &mut upload, interim_dropped)).await;
        silence.end();
        match answer {
            Ok(answer) => {
                if let Some(upload) = upload {
                    conn.go_on(upload);
                }
                Ok(arrived(answer, terms))
            }
            Err(http1::Broke::Unsent(error)) => match upload.and_then(http1::Upload::untouched) {
                Some(body) => {
                    *held = Some(Request::from_parts(head, body));
                    Err(Broken::Unsent(Some(error.into())))
                }
                None => Err(sent(http1::Error::Write(error), head)),
            },
            Err(http1::Broke::Body(fault)) => Err(Broken::Body(fault)),
            Err(http1::Broke::Sent(error)) => Err(sent(error, head)),
        }
    }
}

impl Http2 {
    pub(super) async fn exchange<B: Sent, E>(&mut self, held: &mut Option<Request<B>>, terms: &Terms<'_>) -> Head<E> {
        if let Err(error) = self.sender.check() {
            return Err(Broken::Unsent(Some(error.into())));
        }
        let Some((mut head, body)) = held.take().map(Request::into_parts) else { return Err(Broken::Unsent(None)) };
        let kept = head.method.is_idempotent().then(|| {
            // h2 wants none of our extensions.
            let extensions = take(&mut head.extensions);
            let mut copy = Box::new(head.clone());
            copy.extensions = extensions;
            copy
        });
        let (body, whole) = Outgoing::new(body, terms.telling);
        form::measure(&mut head, &body);
        if !terms.is_first {
            fleeting::mark(&mut head.headers);
        }
        let is_whole = body.is_end_stream();
        let (mut answer, stream) = match self.sender.begin(Request::from_parts(head, ()), is_whole) {
            Ok(begun) => begun,
            Err(error) => return Err(Broken::Sent(error.into(), kept)),
        };
        let mut upload = (!is_whole).then(|| Upload::new(body, stream));
        let silence = Silence::of(terms.cluster, (&self.endpoint, Spoken::Http2), terms.allotted, &whole);
        // R34: h2 shows no interim answers here.
        let answer = poll_fn(|cx| {
            match upload.as_mut().map(|upload| upload.poll(cx)) {
                Some(Poll::Ready(Err(http2::Stopped::Body(fault)))) => return Poll::Ready(Err(Broken::Body(fault))),
                // What it has answered may be on its way.
                Some(Poll::Ready(_)) => upload = None,
                Some(Poll::Pending) | None => {}
            }
            Pin::new(&mut answer).poll(cx).map_err(|error| Broken::Sent(error.into(), None))
        });
        let answer = answer.await;
        silence.end();
        match answer {
            Ok(answer) => {
                terms.telling.tell(&CallEvent::FirstByte);
                let (head, stream) = answer.into_parts();
                let rest = upload.map(Upload::go_on);
                let body = Answer::new(&self.sender, &head.headers, stream, rest);
                Ok(Response::from_parts(head, Arrived::Http2(Box::new(body))))
            }
            Err(Broken::Sent(error, _)) => Err(Broken::Sent(error, kept)),
            Err(broken) => Err(broken),
        }
    }
}

fn arrived(head: Response<()>, terms: &Terms<'_>) -> Response<Arrived> {
    terms.telling.tell(&CallEvent::FirstByte);
    head.map(|()| Arrived::Http1)
}

fn sent<E>(error: http1::Error, head: Parts) -> Broken<E> {
    Broken::Sent(error.into(), kept(head))
}

/// Of a request that may be sent again.
fn kept(head: Parts) -> Option<Box<Parts>> {
    head.method.is_idempotent().then(|| Box::new(head))
}

/// R34: it is read, counted and dropped. Who waits for a 100 is told so by us.
fn interim_dropped(status: StatusCode) {
    if status != StatusCode::CONTINUE {
        count::interim_dropped();
    }
}
