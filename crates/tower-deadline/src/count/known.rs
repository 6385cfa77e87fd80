//! The counts of a policy, looked up once for each layer: what happens then costs an addition, and no lookup.
//!
//! What is looked up belongs to the recorder that is installed by then, and most recorders are installed once and for all.
//! One that is installed after the first request finds that what was looked up is not its own, and has it looked up again.

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

/// What is counted of one policy.
pub(super) trait Handles {
    /// Looks them up in the recorder that is installed now.
    fn of(policy: &'static str) -> Self;
}

/// The counts of the policies that a layer has met. A clone has the same.
#[derive(Debug)]
pub(super) struct Known<H>(Arc<Met<H>>);

#[derive(Debug)]
struct Met<H> {
    /// Most layers have but one.
    first: OnceLock<Arc<Found<H>>>,
    others: RwLock<Vec<Arc<Found<H>>>>,
}

/// What is counted of one policy by one recorder.
#[derive(Debug)]
pub(super) struct Found<H> {
    pub(super) policy: &'static str,
    /// Where it is: two recorders are never at one place at the same time.
    recorder: usize,
    pub(super) handles: H,
}

/// An addition is done or not, whatever unwinds.
impl<H> UnwindSafe for Found<H> {}
impl<H> RefUnwindSafe for Found<H> {}

impl<H: Handles> Known<H> {
    /// The counts of this policy.
    #[inline]
    pub(super) fn of(&self, policy: &'static str) -> Arc<Found<H>> {
        let Self(met) = self;
        let recorder = installed();
        let first = met.first.get_or_init(|| Arc::new(Found::new(policy, recorder)));
        if first.is(policy, recorder) { Arc::clone(first) } else { met.other(policy, recorder) }
    }
}

impl<H: Handles> Met<H> {
    fn other(&self, policy: &'static str, recorder: usize) -> Arc<Found<H>> {
        let find = |met: &[Arc<Found<H>>]| met.iter().find(|met| met.is(policy, recorder)).map(Arc::clone);
        let known = find(&self.others.read().unwrap_or_else(PoisonError::into_inner));
        known.unwrap_or_else(|| {
            let mut others = self.others.write().unwrap_or_else(PoisonError::into_inner);
            find(&others).unwrap_or_else(|| {
                let new = Arc::new(Found::new(policy, recorder));
                others.push(Arc::clone(&new));
                new
            })
        })
    }
}

impl<H: Handles> Found<H> {
    fn new(policy: &'static str, recorder: usize) -> Self {
        Self { policy, recorder, handles: H::of(policy) }
    }
}

impl<H> Found<H> {
    #[inline]
    fn is(&self, policy: &'static str, recorder: usize) -> bool {
        self.recorder == recorder && self.policy == policy
    }
}

impl<H> Clone for Known<H> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<H> Default for Known<H> {
    fn default() -> Self {
        Self(Arc::new(Met { first: OnceLock::new(), others: RwLock::default() }))
    }
}

/// Where the recorder is that counts here and now; that nobody counts is a place too.
#[inline]
fn installed() -> usize {
    metrics::with_recorder(|recorder| ptr::from_ref(recorder).cast::<()>().addr())
}
