//! Counts the allocations of each case: a line with its name, how many, and how many bytes.
//!
//! ```sh
//! cargo bench -p deadline-benches --bench allocations
//! ```

use std::io;

use deadline_benches::CASES;

fn main() -> io::Result<()> {
    for case in CASES {
        let work = case.warmed()?;
        let counted = allocation_counter::measure(work);
        println!("{} {} {}", case.name(), counted.count_total, counted.bytes_total);
    }
    Ok(())
}
