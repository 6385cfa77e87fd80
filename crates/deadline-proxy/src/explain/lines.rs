//! Whoever listens.

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::TARGET;

/// Hands each line to a function, with the id of its request where there is one.
pub(crate) struct Lines<F>(F);

impl<F: Fn(Option<&str>, &str)> Lines<F> {
    pub(crate) fn to(tell: F) -> Self {
        Self(tell)
    }
}

impl Lines<()> {
    /// Whether something with this description is a line, or a request that lines are about.
    pub(crate) fn concern(metadata: &Metadata<'_>) -> bool {
        metadata.target() == TARGET
    }
}

/// The id of a request, in the extensions of its span.
struct RequestId(String);

impl<S, F> Layer<S> for Lines<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    F: Fn(Option<&str>, &str) + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id).filter(|span| Lines::concern(span.metadata())) {
            let mut text = Text::of("id");
            attributes.record(&mut text);
            span.extensions_mut().insert(RequestId(text.said));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(RequestId(told)) = span.extensions_mut().get_mut() {
            let mut text = Text::of("id");
            values.record(&mut text);
            *told = text.said;
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if !Lines::concern(event.metadata()) {
            return;
        }
        let mut line = Text::of("message");
        event.record(&mut line);
        let span = context.event_scope(event).and_then(|mut scope| scope.find(|span| Lines::concern(span.metadata())));
        let extensions = span.as_ref().map(|span| span.extensions());
        let id = extensions.as_ref().and_then(|extensions| extensions.get()).map(|RequestId(id)| id.as_str());
        self.0(id.filter(|id| !id.is_empty()), &line.said);
    }
}

/// One field, as text on one line.
struct Text {
    name: &'static str,
    said: String,
}

impl Text {
    fn of(name: &'static str) -> Self {
        Self { name, said: String::new() }
    }
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == self.name {
            // Writing to a string does not fail.
            let _ = write!(OneLine(&mut self.said), "{value:?}");
        }
    }
}

/// What comes from outside must not look like a line of its own.
struct OneLine<'a>(&'a mut String);

impl Write for OneLine<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for char in text.chars() {
            if misleads(char) { self.0.extend(char.escape_default()) } else { self.0.push(char) }
        }
        Ok(())
    }
}

/// Whether it ends a line, or turns text around, for some who read it.
fn misleads(char: char) -> bool {
    let is_mark = matches!(char, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    char.is_control() || is_mark
}

/// The lines that are told meanwhile, on this thread.
#[cfg(test)]
pub(crate) fn listen(run: impl FnOnce()) -> Vec<String> {
    use std::sync::{Arc, Mutex};
    use tracing::Dispatch;
    use tracing::subscriber::NoSubscriber;
    use tracing_subscriber::layer::SubscriberExt;

    let told = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&told);
    let lines = Lines::to(move |id: Option<&str>, line: &str| {
        let id = id.map(|id| format!("[{id}] ")).unwrap_or_default();
        kept.lock().unwrap().push(id + line);
    });
    // Beside one listener alone, tracing asks the thread that comes by a line first, and believes it for all: that of
    // another test, to whom nobody listens.
    let _other = Dispatch::new(NoSubscriber::new());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), run);
    std::mem::take(&mut told.lock().unwrap())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::tell;
    use tracing::field::{Empty, display};

    #[test]
    fn lines_have_the_id_of_their_request_once_it_is_known() {
        let told = listen(|| {
            tell!("a: outside");
            let span = tracing::debug_span!(target: TARGET, "request", id = Empty);
            let _entered = span.enter();
            tell!("b: early");
            span.record("id", display("7"));
            let other = tracing::info_span!("other");
            let _inside = other.enter();
            tell!("c: {}", "late");
            tracing::info!("d: of another target");
        });
        assert_eq!(told, ["a: outside", "b: early", "[7] c: late"]);
    }

    #[test]
    fn a_line_stays_one() {
        assert_eq!(listen(|| tell!("a: {}", "b\r\nroute: c\u{1b}[2J é")), ["a: b\\r\\nroute: c\\u{1b}[2J é"]);
        // What some readers take for an end of line, and what turns text around.
        assert_eq!(listen(|| tell!("a: {}", "/b\u{2028}\u{202e}")), ["a: /b\\u{2028}\\u{202e}"]);
    }
}
