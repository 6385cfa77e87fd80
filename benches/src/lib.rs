//! What each layer, dialect and decision costs: the cases, in one list for all that measure them.
//!
//! Covers preparing a case and the list of them. Does not measure: `instructions.rs` counts instructions,
//! `time.rs` takes the time, `allocations.rs` counts allocations. `README.md` has the figures and what they
//! stand beside.
//!
//! # One exchange
//!
//! A case of a layer is one request through it: ready, called, polled until the head is there, and everything
//! dropped. The service beneath costs next to nothing, so that `bare_ready` and `bare_pending`, the same without
//! a layer, can be taken off. What is made once for a server or a connection is made beforehand, and so is the
//! request.
//!
//! # Adding a case
//!
//! One line in `list.rs`.
//!
//! # Example
//!
//! ```
//! use deadline_benches::Case;
//!
//! let mut work = Case::find("deadline_ready").ok_or("no such case")?.warmed()?;
//! // Measured from here.
//! work();
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

use std::io;

mod crowd;
mod decisions;
mod exchange;
mod frames;
mod list;
mod messages;
mod parts;
mod runtime;
mod services;

pub use self::list::CASES;

/// What is measured, with all that it needs. It works once; what it leaves goes when this is dropped.
pub type Work = Box<dyn FnMut()>;

/// Something that is measured.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    name: &'static str,
    prepare: fn() -> Work,
}

impl Case {
    /// The case of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        CASES.iter().find(|case| case.name == name)
    }

    /// Its name, a word of letters, digits and `_`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Prepared, in a thread where it has run before: whatever is made at the first use is there.
    ///
    /// # Errors
    ///
    /// Where this thread can have no runtime.
    pub fn warmed(&self) -> io::Result<Work> {
        runtime::enter()?;
        for _ in 0..WARM {
            self.prepared()();
        }
        Ok(self.prepared())
    }

    /// Prepared, in a thread that has [warmed](Self::warmed) it before.
    #[must_use]
    pub fn prepared(&self) -> Work {
        (self.prepare)()
    }
}

/// How often a case runs before it is measured.
const WARM: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_case_runs() {
        for case in CASES {
            let mut work = case.warmed().unwrap();
            work();
            // It worked once, and has nothing left to do.
            work();
        }
    }

    /// Counts do not depend on the machine: these are what the layers may cost.
    const ALLOCATIONS: [(&str, u64); 14] = [
        ("bare_ready", 0),
        ("deadline_ready", 5),
        ("deadline_pending", 6),
        ("deadline_none_ready", 0),
        ("deadline_none_pending", 0),
        ("deadline_default_ready", 5),
        // Two of them carry the account on to a layer that enforces.
        ("admit_ready", 7),
        ("rescue_ready", 0),
        ("enforce_ready", 3),
        ("propagate_ready", 3),
        // None by itself; built with all others of the workspace, the layers count, and leave a mark in the extensions.
        ("propagate_none", 2),
        ("hop_by_hop_12", 0),
        ("frame_deadline", 0),
        ("frame_enforced_late", 1),
    ];

    #[test]
    fn no_layer_allocates_more_than_it_did() {
        for (name, most) in ALLOCATIONS {
            let work = Case::find(name).unwrap().warmed().unwrap();
            let counted = allocation_counter::measure(work).count_total;
            assert!(counted <= most, "{name}: {counted} allocations, {most} at most");
        }
    }

    #[test]
    fn no_two_cases_have_one_name() {
        let names: BTreeSet<_> = CASES.iter().map(Case::name).collect();
        assert_eq!(names.len(), CASES.len());
    }
}
