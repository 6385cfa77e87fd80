//! The context of a span in OpenTelemetry: `traceparent` and `tracestate` of W3C Trace Context, in and out.
//!
//! Covers reading the two fields of a request, writing them on a call, and the events of a span. What is malformed is
//! as good as absent, and never an error: the sender may not have written it.

use std::str::FromStr;

use http::{HeaderMap, HeaderName, HeaderValue};
use http_deadline::CallEvent;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId as Id, TraceState};
use opentelemetry::{Context, KeyValue};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::TraceId;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The longest `tracestate` that goes on, its lines together. W3C asks for 512 at least.
const LONGEST_STATE: usize = 2048;

/// Whether a span is one of OpenTelemetry, and is kept.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Recorded {
    is_known: bool,
    is_kept: bool,
}

impl Recorded {
    /// Starts it, if it has not started: from here on its parent stands.
    pub(super) fn of(span: &Span) -> Self {
        let context = span.context();
        let span = context.span();
        Self { is_known: span.span_context().is_valid(), is_kept: span.is_recording() }
    }

    /// Whether it takes the events, also to drop them.
    pub(super) fn takes_events(self) -> bool {
        self.is_known
    }

    pub(super) fn stage(self, span: &Span, stage: &'static str, edge: &'static str, remaining: Option<i64>) {
        let told = [KeyValue::new("stage", stage), KeyValue::new("edge", edge)];
        self.event(span, "stage", told.into_iter(), remaining);
    }

    pub(super) fn called(self, span: &Span, event: &CallEvent<'_>, remaining: Option<i64>) {
        let of_kind = match *event {
            CallEvent::ResolveStart { name } => vec![KeyValue::new("name", name.to_owned())],
            CallEvent::ConnectStart { address } => vec![KeyValue::new("address", address.to_string())],
            CallEvent::Connected { reused, idle } => {
                let idle = idle.map(|idle| KeyValue::new("idle_ms", super::span::millis(idle)));
                std::iter::once(KeyValue::new("reused", reused)).chain(idle).collect()
            }
            _ => Vec::new(),
        };
        let error = event.error().map(|error| KeyValue::new("error", error.to_string()));
        self.event(span, event.as_str(), of_kind.into_iter().chain(error), remaining);
    }

    fn event(self, span: &Span, name: &'static str, told: impl Iterator<Item = KeyValue>, remaining: Option<i64>) {
        if self.is_kept {
            let remaining = remaining.map(|left| KeyValue::new("remaining_ms", left));
            span.add_event(name, told.chain(remaining).collect());
        }
    }
}

/// Has a request's span go on with the trace that it came with, unless there is one around it.
pub(super) fn adopt(span: &Span, around: &Span, headers: &HeaderMap) {
    if around.context().span().span_context().is_valid() {
        return;
    }
    if let Some(parent) = read(headers) {
        // Nobody has an OpenTelemetry layer, then.
        let _ = span.set_parent(Context::new().with_remote_span_context(parent));
    }
}

pub(super) fn trace_of(span: &Span) -> Option<TraceId> {
    let context = span.context();
    let found = context.span().span_context().trace_id();
    (found != Id::INVALID).then(|| TraceId(found.to_bytes()))
}

/// Writes the context of the span that the running code works in, if it has one, in place of what stood there.
pub(crate) fn write_current(headers: &mut HeaderMap) {
    if super::is_wanted() {
        write(&Span::current(), headers);
    }
}

/// Writes the context of this span, or else of the one around.
pub(super) fn write(span: &Span, headers: &mut HeaderMap) {
    let context = if span.is_disabled() { Span::current().context() } else { span.context() };
    let span = context.span();
    let found = span.span_context();
    if !found.is_valid() {
        return;
    }
    let sampled = found.trace_flags() & TraceFlags::SAMPLED;
    let parent = format!("00-{}-{}-{:02x}", found.trace_id(), found.span_id(), sampled);
    // What is written is hexadecimal.
    if let Ok(parent) = HeaderValue::try_from(parent) {
        headers.insert(TRACEPARENT, parent);
        headers.remove(TRACESTATE);
        let state = found.trace_state().header();
        if let Some(state) = HeaderValue::try_from(state).ok().filter(|state| !state.is_empty()) {
            headers.insert(TRACESTATE, state);
        }
    }
}

fn read(headers: &HeaderMap) -> Option<SpanContext> {
    let mut parents = headers.get_all(TRACEPARENT).iter();
    let parent = parents.next().filter(|_| parents.next().is_none())?;
    let (trace, span, flags) = parent_of(parent.as_bytes())?;
    let context = SpanContext::new(trace, span, flags, true, state_of(headers));
    context.is_valid().then_some(context)
}

/// `version-trace-span-flags`, each in lower-case hexadecimal, of fixed lengths. A version that is not known may go on
/// behind a dash; `ff` is none.
fn parent_of(field: &[u8]) -> Option<(Id, SpanId, TraceFlags)> {
    let (field, rest) = field.split_at_checked(55)?;
    let version = hex::<1>(&field[..2])?[0];
    let goes_on = rest.is_empty() || version > 0 && rest[0] == b'-';
    let dashed = [2, 35, 52].iter().all(|at| field[*at] == b'-');
    if version == 0xff || !goes_on || !dashed {
        return None;
    }
    let flags = TraceFlags::new(hex::<1>(&field[53..])?[0]) & TraceFlags::SAMPLED;
    Some((Id::from_bytes(hex(&field[3..35])?), SpanId::from_bytes(hex(&field[36..52])?), flags))
}

/// What `N` bytes are written as.
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

/// A list that is malformed is dropped as a whole: the trace goes on without it.
fn state_of(headers: &HeaderMap) -> TraceState {
    let mut list = String::new();
    for line in headers.get_all(TRACESTATE) {
        match line.to_str() {
            Ok(line) if list.len() + line.len() < LONGEST_STATE => {
                list.push_str(if list.is_empty() { "" } else { "," });
                list.push_str(line);
            }
            _ => return TraceState::NONE,
        }
    }
    TraceState::from_str(&list).unwrap_or(TraceState::NONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn fields(fields: &[(HeaderName, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    fn read_one(parent: &str) -> Option<SpanContext> {
        read(&fields(&[(TRACEPARENT, parent)]))
    }

    #[test]
    fn a_parent_is_read_as_w3c_writes_it() {
        let read = read_one(PARENT).unwrap();
        assert_eq!(read.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!((read.span_id().to_string().as_str(), read.is_sampled()), ("00f067aa0ba902b7", true));
        assert!(read.is_remote());
        // Flags that are not known yet are dropped, and a later version is read as far as it is known.
        assert!(!read_one(&PARENT.replace("-01", "-fe")).unwrap().is_sampled());
        for later in [PARENT.replacen("00-", "cc-", 1), PARENT.replacen("00-", "cc-", 1) + "-what-follows"] {
            assert_eq!(read_one(&later), Some(read.clone()), "{later}");
        }
    }

    #[test]
    fn a_malformed_parent_is_as_good_as_none() {
        let malformed = [
            "".to_owned(),
            "00".to_owned(),
            PARENT.to_uppercase(),
            format!("{PARENT}-"),
            format!("{PARENT} "),
            format!("{PARENT}00"),
            PARENT[..54].to_owned(),
            PARENT.replacen("00-", "ff-", 1),
            PARENT.replacen("00-", "0g-", 1),
            PARENT.replacen("00-", "cc-", 1) + "00",
            PARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            PARENT.replace("00f067aa0ba902b7", &"0".repeat(16)),
            PARENT.replace("4bf9", "4bg9"),
            PARENT.replace('-', "_"),
            PARENT.replace("00f067aa", "+0f067aa"),
            "x".repeat(60_000),
            "00-".repeat(20_000),
        ];
        for parent in malformed {
            assert_eq!(read_one(&parent), None, "{parent:.80}");
        }
        assert_eq!(read(&fields(&[(TRACEPARENT, PARENT), (TRACEPARENT, PARENT)])), None, "which of the two?");
        let binary = HeaderValue::from_bytes(&[0xff; 55]).unwrap();
        assert_eq!(read(&HeaderMap::from_iter([(TRACEPARENT, binary)])), None);
    }

    #[test]
    fn the_state_is_bounded_and_dropped_where_it_is_malformed() {
        let state = |lines: &[&str]| {
            let lines: Vec<_> = lines.iter().map(|line| (TRACESTATE, *line)).collect();
            state_of(&fields(&lines)).header()
        };
        assert_eq!(state(&["rojo=1,congo=t61"]), "rojo=1,congo=t61");
        assert_eq!(state(&["rojo=1", " congo=t61"]), "rojo=1,congo=t61");
        let members: Vec<_> = (0..100).map(|n| format!("k{n}=v")).collect();
        assert_eq!(state(&[&members.join(",")]).split(',').count(), 32);
        let long = format!("k={}", "v".repeat(3000));
        for dropped in [&["rojo"][..], &["Rojo=1"], &["a=b=c"], &[long.as_str()], &["a=1", long.as_str()]] {
            assert_eq!(state(dropped), "", "{dropped:.60?}");
        }
    }
}
