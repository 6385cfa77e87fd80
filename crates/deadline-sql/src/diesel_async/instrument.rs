//! Who is told what a connection does.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use diesel::connection::{Instrumentation, InstrumentationEvent, get_default_instrumentation};

/// Passes on what happens, to somebody who can be another one later.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<Option<Box<dyn Instrumentation>>>>);

impl Shared {
    /// To whom diesel was told to by default.
    pub(super) fn to_default() -> Self {
        Self(Arc::new(Mutex::new(get_default_instrumentation())))
    }

    pub(super) fn set(&self, instrumentation: impl Instrumentation) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(instrumentation));
    }
}

impl Instrumentation for Shared {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        if let Some(instrumentation) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            instrumentation.on_connection_event(event);
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}
