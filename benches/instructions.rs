//! Counts the instructions of each case, in user space, by callgrind.
//!
//! Run by `cargo xtask bench`, which sees to valgrind and to the runner. By hand, and for some cases only:
//!
//! ```sh
//! export GUNGRAUN_RUNNER=$PWD/target/tools/bin/gungraun-runner
//! cargo bench -p deadline-benches --bench instructions -- '*:*deadline_ready*'
//! callgrind_annotate $(find target/gungraun -name '*.deadline_ready.out')
//! ```

#![expect(missing_docs, reason = "what the macros make of each case has none")]

use std::process;

use deadline_benches::{Case, Work, for_each_case};
use gungraun::prelude::*;

macro_rules! benchmark {
    ($($name:ident)+) => {
        #[library_benchmark]
        $(#[bench::$name(warmed(stringify!($name)))])+
        fn instructions(mut work: Work) -> Work {
            work();
            work
        }
    };
}

for_each_case!(benchmark);
library_benchmark_group!(name = every_case, benchmarks = instructions);
main!(library_benchmark_groups = every_case);

/// The case of this name. There is nobody to hand an error to.
fn warmed(name: &str) -> Work {
    match Case::find(name).map(Case::warmed) {
        Some(Ok(work)) => work,
        Some(Err(error)) => fail(&error.to_string()),
        None => fail("no such case"),
    }
}

fn fail(wrong: &str) -> ! {
    eprintln!("{wrong}");
    process::exit(1)
}
