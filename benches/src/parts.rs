//! The price of the parts that a layer is made of, whoever makes it.

use std::future::pending;
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use http::{Extensions, HeaderName};
use http_deadline::{Ambient, Deadline, Journey, Policy};
use tower_deadline::{detach, now, scope, spawn};

use crate::Work;
use crate::decisions::once;
use crate::exchange::polled;
use crate::messages::{LONG, headers, ordinary};
use crate::runtime::drive;

/// Nothing: what measuring itself costs.
pub(crate) fn nothing() -> Work {
    once(|| {})
}

/// The clock.
pub(crate) fn clock() -> Work {
    once(now)
}

/// A timer that is armed, and dropped before it fires.
pub(crate) fn sleep() -> Work {
    once(|| {
        let mut sleep = pin!(tokio::time::sleep(black_box(LONG)));
        sleep.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
    })
}

/// The first value in the extensions of a request: what the map itself costs, too.
pub(crate) fn first_extension() -> Work {
    let mut extensions = Extensions::new();
    let deadline = Deadline::after(now(), LONG);
    once(move || {
        extensions.insert(black_box(deadline));
        std::mem::take(&mut extensions)
    })
}

/// A field that is not there, among twelve.
pub(crate) fn absent_field() -> Work {
    let headers = headers(ordinary());
    let name = HeaderName::from_static("x-not-there");
    once(move || black_box(&headers).contains_key(&name))
}

/// A journey that is made, and ends.
pub(crate) fn journey() -> Work {
    let policy = Arc::new(Policy::new());
    once(move || {
        let journey = Journey::new(Arc::clone(&policy), true);
        journey.end();
        journey
    })
}

/// Work under an ambient deadline.
pub(crate) fn ambient() -> Work {
    let mut ambient = Ambient::new(Some(Deadline::after(now(), LONG)), None);
    once(move || ambient.run(|| black_box(())))
}

/// A scope around what is ready.
pub(crate) fn scope_ready() -> Work {
    let deadline = Deadline::after(now(), LONG);
    once(move || polled(scope(deadline, async { black_box(1_u8) })))
}

/// A scope around what never is, polled once: its timer is armed, and dropped.
pub(crate) fn scope_pending() -> Work {
    let deadline = Deadline::after(now(), LONG);
    once(move || {
        let mut scope = pin!(scope(deadline, pending::<()>()));
        scope.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
    })
}

/// A task of the runtime, driven to its end.
pub(crate) fn task() -> Work {
    once(|| drive(async { black_box(tokio::spawn(async { 1_u8 }).await).is_ok() }))
}

/// The same within a request: the task ends with it.
pub(crate) fn spawned() -> Work {
    let journey = Journey::new(Arc::new(Policy::new()), true);
    let mut ambient = Ambient::new(Some(Deadline::after(now(), LONG)), Some(journey));
    once(move || drive(async { black_box(ambient.run(|| spawn(async { 1_u8 })).await).is_ok() }))
}

/// The same with a budget of its own.
pub(crate) fn detached() -> Work {
    once(|| drive(async { black_box(detach(LONG, async { 1_u8 }).await).is_ok() }))
}
