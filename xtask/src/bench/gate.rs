//! The gate: no case costs more instructions than it did when somebody last said that this is what it may cost.
//!
//! Covers the baseline, a file with a line for each case, and what is above it by more than the tolerance. It is instructions
//! and not time, so it holds on a busy machine too; but they are those of one compiler, which the first line names: with
//! another one nothing is checked, and that is said. So it is where there is no valgrind. Does not install valgrind.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::process::Command;

use super::{counted, table};
use crate::Outcome;
use crate::step::{Step, root};

const BASELINE: &str = "benches/baseline.txt";

/// A case may cost so much more: one part in so many,
const TOLERATED_PART: u64 = 33;

/// and so many instructions. The linker's layout moves some.
const TOLERATED: u64 = 30;

/// Fails where a case costs more than it may.
pub(super) fn check() -> Outcome {
    if !Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success()) {
        println!("NOT CHECKED: there is no valgrind, which counts the instructions; `cargo xtask bench` installs it");
        return Ok(());
    }
    let baseline = fs::read_to_string(root().join(BASELINE)).map_err(|error| format!("{BASELINE}: {error}"))?;
    let (known, here) = (head_of(&baseline), compiler()?);
    if known != here {
        println!(
            "NOT CHECKED: {BASELINE} is of{}, and this is{}",
            known.trim_start_matches('#'),
            here.trim_start_matches('#')
        );
        return Ok(());
    }
    let printed = counted()?;
    let counts = counts(&printed)?;
    let cheaper = cheaper(&baseline, &counts);
    if !cheaper.is_empty() {
        println!("\ncheaper than the baseline, and not held to that until it is accepted:\n{cheaper}");
    }
    let wrong = wrong(&baseline, &counts);
    if wrong.is_empty() {
        println!("\n{} cases cost what {BASELINE} says, or less", counts.len());
        return Ok(());
    }
    Err(format!(
        "{BASELINE} says otherwise:\n{wrong}`callgrind_annotate $(find target/gungraun -name '*.CASE.out')` shows where \
         it goes. If it has to be, `cargo xtask bench --accept` writes what was counted, and the commit says why."
    ))
}

/// Writes what was counted as what may be.
pub(super) fn accept() -> Outcome {
    let printed = counted()?;
    let mut baseline = compiler()? + "\n";
    for (case, count) in counts(&printed)? {
        // A `String` takes whatever is written to it.
        let _ = writeln!(baseline, "{case} {count}");
    }
    fs::write(root().join(BASELINE), baseline).map_err(|error| format!("{BASELINE}: {error}"))
}

/// What compiles here, as the first line of a baseline has it.
fn compiler() -> Outcome<String> {
    let told = Step::new("rustc -vV").read()?;
    let line = |key: &str| told.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
    Ok(format!("# rustc {} {}", line("release: "), line("host: ")))
}

fn head_of(baseline: &str) -> &str {
    baseline.lines().next().unwrap_or_default()
}

/// In the order of the cases.
fn counts(printed: &str) -> Outcome<Vec<(&str, u64)>> {
    let counts: Vec<_> = table::instructions(printed)
        .into_iter()
        .filter_map(|(case, count)| Some((case, count.parse().ok()?)))
        .collect();
    if counts.is_empty() { Err("no instructions in what the benches printed".to_owned()) } else { Ok(counts) }
}

fn known(baseline: &str) -> BTreeMap<&str, u64> {
    let lines = baseline.lines().filter_map(|line| line.split_once(' '));
    lines.filter_map(|(case, count)| Some((case, count.parse().ok()?))).collect()
}

fn tolerance(known: u64) -> u64 {
    known / TOLERATED_PART + TOLERATED
}

/// A line for each case that costs too much, that is new, or that is gone.
fn wrong(baseline: &str, counts: &[(&str, u64)]) -> String {
    let (known, mut wrong) = (known(baseline), String::new());
    for (case, count) in counts {
        let _ = match known.get(case) {
            None => writeln!(wrong, "  {case}: {count}, and it has no line there"),
            Some(known) if *count > known + tolerance(*known) => {
                writeln!(wrong, "  {case}: {count}, {} more than {known}", count - known)
            }
            Some(_) => Ok(()),
        };
    }
    for case in known.keys().filter(|known| !counts.iter().any(|(case, _)| case == *known)) {
        let _ = writeln!(wrong, "  {case}: has a line there, and is no case");
    }
    wrong
}

/// A line for each case that costs less than can be by chance.
fn cheaper(baseline: &str, counts: &[(&str, u64)]) -> String {
    let (known, mut cheaper) = (known(baseline), String::new());
    for (case, count) in counts {
        if let Some(known) = known.get(case).filter(|known| count + tolerance(**known) < **known) {
            let _ = writeln!(cheaper, "  {case}: {count}, {} less than {known}", known - count);
        }
    }
    cheaper
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "# rustc 1.0.0 x\nbare 300\nlayer 3300\n";

    #[test]
    fn what_costs_more_than_is_tolerated_is_told_by_how_much() {
        assert_eq!(wrong(BASE, &[("bare", 339), ("layer", 3430)]), "");
        let told = wrong(BASE, &[("bare", 340), ("layer", 3431)]);
        assert_eq!(told, "  bare: 340, 40 more than 300\n  layer: 3431, 131 more than 3300\n");
    }

    #[test]
    fn what_is_new_or_gone_is_told() {
        let told = wrong(BASE, &[("bare", 300), ("other", 1)]);
        assert_eq!(told, "  other: 1, and it has no line there\n  layer: has a line there, and is no case\n");
    }

    #[test]
    fn what_costs_less_is_told_and_is_not_wrong() {
        let counts = [("bare", 260), ("layer", 3169)];
        assert_eq!(wrong(BASE, &counts), "");
        assert_eq!(cheaper(BASE, &counts), "  bare: 260, 40 less than 300\n  layer: 3169, 131 less than 3300\n");
        assert_eq!(cheaper(BASE, &[("bare", 261), ("layer", 3170)]), "");
    }

    #[test]
    fn the_compiler_stands_in_the_first_line() {
        assert_eq!(head_of(BASE), "# rustc 1.0.0 x");
        let here = compiler().unwrap();
        assert!(here.starts_with("# rustc 1.") && here.split(' ').count() == 4, "{here}");
        assert_eq!(known(BASE).len(), 2, "the first line is no case");
    }

    #[test]
    fn counts_come_from_what_the_benches_print() {
        let printed =
            "instructions::every_case::instructions bare:(warmed(stringify! (bare)))\n  Instructions:  319|320 (x)\n";
        assert_eq!(counts(printed), Ok(vec![("bare", 319)]));
        assert!(counts("error\n").is_err());
    }
}
