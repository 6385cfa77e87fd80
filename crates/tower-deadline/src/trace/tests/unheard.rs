//! Where nobody has a layer of OpenTelemetry.

use super::*;
use crate::Stage;
use crate::testing::call;
use deadline_testkit::{Gate, Probe, ScriptedError, ScriptedService};
use http_deadline::Ambient;
use std::io;
use tower::{Layer, ServiceExt};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn a_parent_passes_as_it_came() {
    for default in [None, Some(set_default(tracing_subscriber::registry()))] {
        let sent = Sent::default();
        let request = Request::get("/").header("traceparent", "whatever").header("tracestate", "a=1").body(()).unwrap();
        drop(upstream(&sent, 200).oneshot(request).await.unwrap());
        let sent = &sent.lock().unwrap()[0];
        assert_eq!(field(sent, "traceparent").as_deref(), Some("whatever"));
        assert_eq!(field(sent, "tracestate").as_deref(), Some("a=1"));
        drop(default);
    }
}

#[tokio::test(start_paused = true)]
async fn stages_are_events_of_tracing_for_who_wants_that_much() {
    for (level, told) in [(tracing::Level::DEBUG, 2), (tracing::Level::INFO, 0)] {
        let lines = Lines::default();
        let subscriber = tracing_subscriber::fmt().with_writer(lines.clone()).with_max_level(level).with_ansi(false);
        let default = set_default(subscriber.finish());
        let handler = |_: Request<WatchedBody<ScriptedBody>>| async {
            drop(Ambient::current().make().unwrap().enter(Stage::Pool));
            tracing::info!("of the handler");
            Ok::<_, ScriptedError>(answer(200, []))
        };
        let service = layer().layer(ScriptedService::new(Gate::default(), Probe::default(), handler));
        drop(call(&service, plain()).await.unwrap());
        drop(default);
        let text = lines.text();
        assert_eq!(text.matches("tower_deadline: stage=\"pool\"").count(), told, "{text}");
        let of_handler = text.lines().find(|line| line.ends_with("of the handler")).unwrap();
        assert!(of_handler.contains("request{") && of_handler.contains("deadline.policy=\"payment\""), "{text}");
    }
}
