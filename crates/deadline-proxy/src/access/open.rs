//! A request that is under way, from its head to its line.

use std::error::Error;
use std::fmt::{self, Write};
use std::sync::Arc;
use std::time::Instant;

use bytes::Buf;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::{Body, Frame};
use tower_deadline::dialect::GRPC_STATUS;
use tower_deadline::dialect::server_timing::SERVER_TIMING;
use tower_deadline::dialect::trail::Trail;
use tower_deadline::{Cause, Deadline, Exceeded, OriginKind, Stage, now};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

use super::end::End;
use super::expired::{self, Stopped};
use super::form::{Line, Value};
use super::head::Head;
use super::record::Notes;
use super::{AccessLayer, Record};
use crate::client::Client;
use crate::limits::Hangup;
use crate::noted::Noted;
use crate::traces::TraceId;

/// nginx's number for a client that has left before it had an answer, which nobody was sent.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// A request that is under way.
#[derive(Debug)]
pub(crate) struct Open {
    layer: Arc<AccessLayer>,
    record: Record,
    head: Head,
    arrived: Instant,
    status: Option<StatusCode>,
    grpc_status: Option<HeaderValue>,
    /// Bytes of the response body that were handed on.
    sent: u64,
    /// The bytes that the connection will still ask for, where that is known: it does not ask for the end then.
    left: Option<u64>,
    /// Where and why it was stopped.
    stopped: Option<Stop>,
    /// What hops downstream say of their time.
    hops: Vec<String>,
}

#[derive(Clone, Debug)]
enum Stop {
    /// By a layer that tells.
    Told(Exceeded),
    /// By a hop downstream, which says so.
    Below(Trail),
    /// By whoever dropped the rest, in this stage.
    Left(Stage, Cause),
}

impl Open {
    /// From now on.
    pub(super) fn new<B>(layer: Arc<AccessLayer>, request: &mut Request<B>) -> Self {
        let record = Record::default();
        let noted = Noted::within(request.extensions_mut());
        noted.record = Some(record.clone());
        let (arrived, known) = (noted.arrived, noted.hangup.as_ref().and_then(Hangup::client));
        let client = known.map(|client| client.address);
        Self {
            layer,
            record,
            head: Head::of(request, client.unwrap_or_else(|| Client::of(request.extensions())?.address)),
            arrived,
            status: None,
            grpc_status: None,
            sent: 0,
            left: None,
            stopped: None,
            hops: Vec::new(),
        }
    }

    /// The answer has a head.
    pub(crate) fn answered<B: Body>(&mut self, response: &Response<B>) {
        self.status = Some(response.status());
        self.head.belongs_to(TraceId::of(response.extensions()));
        self.note_grpc_status(response.headers());
        // What went well was stopped by nobody, whatever its fields say.
        let has_failed = response.status().as_u16() >= 400 || self.has_failed_grpc();
        let told = response.extensions().get().cloned().map(Stop::Told);
        let below = || Trail::read(response.headers()).map(Stop::Below);
        self.stopped = told.or_else(|| if has_failed { below() } else { None });
        if self.layer.expired.is_kept() && response.headers().keys().any(|name| *name == SERVER_TIMING) {
            self.hops = expired::hops(response.headers());
        }
        self.left = asked_for(response, *self.head.method() == Method::HEAD);
        self.record.begin(Stage::ResponseBody);
    }

    /// A frame of its body is handed on.
    pub(crate) fn passed<D: Buf>(&mut self, frame: &Frame<D>, is_last: bool) {
        let bytes = frame.data_ref().map_or(0, |data| data.remaining() as u64);
        self.sent += bytes;
        frame.trailers_ref().into_iter().for_each(|trailers| self.note_grpc_status(trailers));
        self.left = if is_last { Some(0) } else { self.left.map(|left| left.saturating_sub(bytes)) };
    }

    /// In the trailers of a call of gRPC, or in its head where that is all there is.
    fn note_grpc_status(&mut self, fields: &HeaderMap) {
        // Looked at one by one, of which there are few: cheaper than to look it up.
        if let Some((_, status)) = fields.iter().find(|(name, _)| **name == GRPC_STATUS) {
            self.grpc_status = Some(status.clone());
        }
    }

    fn has_failed_grpc(&self) -> bool {
        self.grpc_status.as_ref().is_some_and(|status| status != "0")
    }

    /// Its source has come to its end: to all of it, unless a status in the words of a protocol stands for the rest.
    pub(crate) fn ended(self: Box<Self>) {
        let stop = self.record.notes().stop().filter(|_| self.stopped.is_none());
        match stop {
            Some((stage, cause)) => self.left(End::Stopped, stage.unwrap_or(Stage::ResponseBody), cause),
            None => self.close(End::Complete),
        }
    }

    /// It failed with this.
    pub(crate) fn failed(mut self: Box<Self>, error: &(dyn Error + 'static)) {
        let end = match (Exceeded::find(error), self.status) {
            (Some(exceeded), _) => {
                self.stopped = Some(Stop::Told(exceeded.clone()));
                End::Stopped
            }
            (None, Some(_)) => End::Broken,
            (None, None) => End::Unanswered,
        };
        self.close(end);
    }

    /// Its body is dropped, of which `rest` drops what there is.
    pub(crate) fn dropped(self: Box<Self>, rest: impl FnOnce()) {
        if self.left == Some(0) {
            rest();
            self.ended();
        } else {
            self.abandoned(rest);
        }
    }

    /// Whoever asked for it wants no more of it. `rest` is what there is of it, which is dropped: only then it is known
    /// how long it took, and why it stopped where that was before.
    pub(crate) fn abandoned(self: Box<Self>, rest: impl FnOnce()) {
        let (stage, is_panic) = (self.record.stage(), std::thread::panicking());
        rest();
        let cause = self.record.notes().stop().map(|(_, cause)| cause);
        let end = if self.status.is_some() { End::Dropped } else { End::Unanswered };
        // Who is told to go has not left.
        let gone = if self.layer.shutdown.has_begun() { Cause::Shutdown } else { Cause::ClientGone };
        match cause.filter(|cause| *cause != Cause::ClientGone) {
            Some(cause) => self.left(end, stage, cause),
            // A panic is no cause of the client's.
            None if is_panic => self.close(end),
            None => self.left(end, stage, gone),
        }
    }

    fn left(mut self: Box<Self>, end: End, stage: Stage, cause: Cause) {
        self.stopped = Some(Stop::Left(stage, cause));
        self.close(end);
    }

    fn close(self: Box<Self>, end: End) {
        let failed = self.status.is_some_and(|status| status.is_server_error());
        let has_failed = failed || self.has_failed_grpc() || self.stopped.is_some() || end != End::Complete;
        let AccessLayer { log, expired, .. } = &*self.layer;
        let log = log.as_ref().filter(|log| log.takes(has_failed));
        let may_be_kept = self.stopped.is_some() && self.had_deadline();
        if log.is_none() && !may_be_kept {
            return;
        }
        let now = now();
        let is_kept = may_be_kept && expired.takes(now);
        if log.is_none() && !is_kept {
            return;
        }
        if self.status.is_some() {
            self.record.leave(Stage::ResponseBody);
        }
        let line = self.line(end, now);
        log.into_iter().for_each(|log| log.write(&line));
        if is_kept {
            let mut notes = self.record.notes();
            let elapsed = match &self.stopped {
                Some(Stop::Told(exceeded)) => exceeded.elapsed(),
                _ => now.saturating_duration_since(self.arrived),
            };
            let stopped = Stopped::new(line, elapsed, notes.spent.steps(self.arrived));
            drop(notes);
            expired.keep(stopped.behind(self.hops));
        }
    }

    /// Whether it was held to one, or refused by one.
    fn had_deadline(&self) -> bool {
        let is_told = matches!(&self.stopped, Some(Stop::Told(exceeded)) if exceeded.cause() == Cause::Deadline);
        is_told || self.record.notes().deadline.is_some()
    }

    fn line(&self, end: End, now: Instant) -> Line {
        let mut notes = self.record.notes();
        notes.spent.settle(now);
        let mut line = vec![("time", Value::Text(time()))];
        line.extend(notes.id.as_ref().map(|id| ("id", Value::bytes(id.as_bytes()))));
        self.head.tell(&mut line);
        notes.tell_way(&mut line);
        line.extend(self.status().map(|status| ("status", Value::Number(status.into()))));
        let grpc_status = self.grpc_status.as_ref().map(HeaderValue::as_bytes);
        line.extend(grpc_status.map(|status| ("grpc_status", Value::bytes(status))));
        line.push(("ended", Value::text(end.as_str())));
        line.push(("duration_ms", Value::Millis(now.saturating_duration_since(self.arrived))));
        self.tell_deadline(&notes, now, &mut line);
        let spent: Vec<_> = notes.spent.by_stage().iter().map(|(stage, time)| (stage.as_str(), *time)).collect();
        if !spent.is_empty() {
            line.push(("spent", Value::Spent(spent)));
        }
        line.push(("received", Value::Number(notes.received)));
        line.push(("sent", Value::Number(self.sent)));
        line
    }

    fn status(&self) -> Option<u16> {
        let has_left = matches!(self.stopped, Some(Stop::Left(_, Cause::ClientGone)));
        self.status.map(|status| status.as_u16()).or(has_left.then_some(CLIENT_CLOSED_REQUEST))
    }

    /// Who has stopped it, and whose limit that was, as the answer says or would say.
    fn trail(&self) -> Option<Trail> {
        match self.stopped.as_ref()? {
            Stop::Told(exceeded) => Some(Trail::of(exceeded, self.layer.hop.as_deref())),
            Stop::Below(trail) => Some(trail.clone()),
            Stop::Left(..) => None,
        }
    }

    /// What kind of limit a hop below has of its own, which was sooner than what was granted here.
    fn limit_below(&self) -> Option<OriginKind> {
        match &self.stopped {
            Some(Stop::Below(trail)) => Some(trail.origin()).filter(|origin| *origin != OriginKind::Header),
            _ => None,
        }
    }

    fn tell_deadline(&self, notes: &Notes, now: Instant, line: &mut Line) {
        let text = |key, text: &dyn fmt::Display| (key, Value::text(text));
        // One that was refused as it came was never admitted.
        let told = match &self.stopped {
            // Another cause tells nothing of a deadline, where none was granted.
            Some(Stop::Told(exceeded)) if exceeded.cause() == Cause::Deadline => {
                Some((exceeded.budget(), exceeded.origin()))
            }
            _ => None,
        };
        let granted = notes.deadline.map(|deadline| (deadline.budget(), deadline.origin())).or(told);
        if let Some((budget, _)) = granted {
            let left = notes.deadline.map(|deadline: Deadline| deadline.remaining(now)).unwrap_or_default();
            line.extend([("budget_ms", Value::Millis(budget)), ("left_ms", Value::Millis(left))]);
        }
        match (self.limit_below(), granted) {
            (Some(below), _) => line.push(text("origin", &below)),
            (None, Some((_, origin))) => {
                line.extend([text("origin", &origin.kind()), text("origin_detail", &origin.detail())]);
            }
            (None, None) => {}
        }
        self.tell_stop(line);
    }

    /// Where and why it was stopped, and by which hop.
    fn tell_stop(&self, line: &mut Line) {
        let text = |key, text: &dyn fmt::Display| (key, Value::text(text));
        let trail = self.trail();
        let (stage, cause, hop) = match (&trail, &self.stopped) {
            (Some(trail), _) => (trail.stage(), trail.cause(), trail.hop()),
            (None, Some(Stop::Left(stage, cause))) => (*stage, *cause, self.layer.hop.as_deref()),
            (None, _) => return,
        };
        line.extend([text("stage", &stage), text("cause", &cause)]);
        line.extend(hop.map(|hop| text("hop", &hop)));
        line.extend(trail.as_ref().and_then(Trail::set_by).map(|hop| text("origin_hop", &hop)));
    }
}

/// How many bytes of the body its connection asks for, where that is known.
fn asked_for<B: Body>(response: &Response<B>, is_head_request: bool) -> Option<u64> {
    let bodyless = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&response.status());
    if is_head_request || bodyless {
        return Some(0);
    }
    let ended = || response.body().is_end_stream().then_some(0);
    let told = || response.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
    response.body().size_hint().exact().or_else(ended).or_else(told)
}

/// The time of the wall clock, as RFC 3339 writes it, to the millisecond.
fn time() -> String {
    let mut time = String::new();
    // Writing into a string does not fail.
    let _ = SystemTime.format_time(&mut Writer::new(&mut time));
    match time.split_once('.') {
        Some((seconds, fraction)) => {
            let mut time = seconds.to_owned();
            let _ = write!(time, ".{}Z", fraction.get(..3).unwrap_or_default());
            time
        }
        None => time,
    }
}
