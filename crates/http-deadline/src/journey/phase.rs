//! How far a journey has come, in one word: whatever changes it, and whoever waits, agree on an order.

use std::sync::atomic::{AtomicU8, Ordering};

/// The marks of a journey. None is ever taken off.
#[derive(Default)]
pub(super) struct Phase(AtomicU8);

/// One mark, or several.
#[derive(Clone, Copy)]
pub(super) struct Marks(u8);

impl Marks {
    pub(super) const ENDED: Self = Self(1);
    /// Somebody waits, or has: whatever they look at is changed under their lock, and they are woken.
    pub(super) const WAITED: Self = Self(1 << 1);
    pub(super) const UNWATCHED: Self = Self(1 << 2);
    /// Also unwatched.
    pub(super) const RELEASED: Self = Self(1 << 3 | 1 << 2);
    pub(super) const OWNED: Self = Self(1 << 4);

    /// Whether all of these are among them.
    #[inline]
    pub(super) fn have(self, marks: Self) -> bool {
        self.0 & marks.0 == marks.0
    }
}

impl Phase {
    pub(super) const fn owned() -> Self {
        Self(AtomicU8::new(Marks::OWNED.0))
    }

    #[inline]
    pub(super) fn has(&self, marks: Marks) -> bool {
        Marks(self.0.load(Ordering::Acquire)).have(marks)
    }

    /// Adds marks. Returns those that were there before.
    #[inline]
    pub(super) fn add(&self, marks: Marks) -> Marks {
        Marks(self.0.fetch_or(marks.0, Ordering::AcqRel))
    }

    /// Adds the end, unless somebody waits. Returns whether it did.
    #[inline]
    pub(super) fn end_unless_waited(&self) -> bool {
        let ended = |marks| (!Marks(marks).have(Marks::WAITED)).then_some(marks | Marks::ENDED.0);
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, ended).is_ok()
    }
}
