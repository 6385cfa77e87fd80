//! Who is told of what happens on a journey, as it happens.
//!
//! Covers the trait, and the list of those who listen. Does not ask the time: who wants to know when something
//! happened looks at its own clock.

use std::sync::{Arc, OnceLock};

use http::HeaderMap;

use crate::{CallEvent, Stage};

/// Is told of what happens on a [`Journey`](super::Journey), and on the parts of it, by the thread on which it does, as
/// it does. What a listener does not care for is ignored.
///
/// It stands in the way of the request: it must not block.
///
/// ```
/// use http_deadline::{Journey, Listener, Policy, Stage};
/// use std::sync::{Arc, Mutex};
///
/// #[derive(Default)]
/// struct Stages(Mutex<Vec<Stage>>);
///
/// impl Listener for Stages {
///     fn entered(&self, stage: Stage) {
///         if let Ok(mut stages) = self.0.lock() {
///             stages.push(stage);
///         }
///     }
/// }
///
/// let (journey, stages) = (Journey::new(Arc::new(Policy::new()), true), Arc::new(Stages::default()));
/// journey.listen(stages.clone());
/// drop(journey.part().enter(Stage::Pool));
/// assert_eq!(*stages.0.lock().map_err(|_| "poisoned")?, [Stage::Pool]);
/// # Ok::<_, &'static str>(())
/// ```
pub trait Listener: Send + Sync {
    /// A stage was opened.
    fn entered(&self, stage: Stage) {
        let _ = stage;
    }

    /// A stage was closed: the last of its kind that was open.
    fn left(&self, stage: Stage) {
        let _ = stage;
    }

    /// An outgoing attempt has come this far.
    fn called(&self, event: &CallEvent<'_>) {
        let _ = event;
    }

    /// An outgoing call was answered, with these fields in the head.
    fn answered(&self, fields: &HeaderMap) {
        let _ = fields;
    }
}

/// Those who listen, in the order in which they came. Made of nothing until the first one does.
#[derive(Default)]
pub(super) struct Listening(OnceLock<Box<One>>);

struct One {
    listener: Arc<dyn Listener>,
    next: Listening,
}

impl Listening {
    pub(super) fn add(&self, listener: Arc<dyn Listener>) {
        let (mut last, mut one) = (self, Box::new(One { listener, next: Self::default() }));
        while let Err(unset) = last.0.set(one) {
            one = unset;
            // Whoever came first is there.
            let Some(known) = last.0.get() else { return };
            last = &known.next;
        }
    }

    #[inline]
    pub(super) fn tell(&self, told: impl Fn(&dyn Listener)) {
        let mut next = self.0.get();
        while let Some(one) = next {
            told(&*one.listener);
            next = one.next.0.get();
        }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0.get().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Journey, Policy};
    use std::sync::Mutex;

    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    impl Heard {
        fn note(&self, what: String) {
            self.0.lock().unwrap().push(what);
        }

        fn all(&self) -> Vec<String> {
            std::mem::take(&mut self.0.lock().unwrap())
        }
    }

    impl Listener for Heard {
        fn entered(&self, stage: Stage) {
            self.note(format!("+{stage}"));
        }

        fn left(&self, stage: Stage) {
            self.note(format!("-{stage}"));
        }

        fn called(&self, event: &CallEvent<'_>) {
            self.note(event.as_str().to_owned());
        }
    }

    #[test]
    fn everybody_hears_of_a_journey_and_its_parts_and_nobody_of_the_whole_who_hears_of_a_part() {
        let (first, second, of_part) = (Arc::<Heard>::default(), Arc::<Heard>::default(), Arc::<Heard>::default());
        let whole = Journey::new(Arc::new(Policy::new()), false);
        assert!(!whole.is_listened_to());
        whole.listen(first.clone());
        whole.listen(second.clone());
        let part = whole.part();
        assert!(part.is_listened_to());
        part.listen(of_part.clone());
        let stage = part.enter(Stage::Connect);
        part.tell(&CallEvent::RequestWritten);
        drop(stage);
        drop(whole.enter(Stage::Pool));
        let of_all = ["+connect", "request_written", "-connect", "+pool", "-pool"];
        assert_eq!(first.all(), of_all);
        assert_eq!(second.all(), of_all);
        assert_eq!(of_part.all(), of_all[..3]);
    }

    #[test]
    fn who_listens_later_hears_what_comes_later() {
        let (journey, late) = (Journey::new(Arc::new(Policy::new()), false), Arc::<Heard>::default());
        let stage = journey.enter(Stage::Queue);
        journey.listen(late.clone());
        drop(stage);
        assert_eq!(late.all(), ["-queue"]);
    }
}
