//! Takes the time of each case.
//!
//! ```sh
//! cargo bench -p deadline-benches --bench time -- deadline_ready
//! ```
//!
//! The figures are for one machine on one day: compare what was measured in one run.

use std::io;

use criterion::{BatchSize, Criterion};
use deadline_benches::CASES;

fn main() -> io::Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    for case in CASES {
        // Warm from here on.
        drop(case.warmed()?);
        criterion.bench_function(case.name(), |bencher| {
            bencher.iter_batched_ref(|| case.prepared(), |work| work(), BatchSize::SmallInput);
        });
    }
    criterion.final_summary();
    Ok(())
}
