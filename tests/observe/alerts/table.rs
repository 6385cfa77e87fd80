//! What the rules and the dashboard ask for is what is counted: the table of docs/metrics.md has it.

use std::collections::{BTreeMap, BTreeSet};

use super::dashboard::shown;
use super::promql::{Names, names};
use super::{RULES, text};

/// What Prometheus adds to every series, and to those of a histogram.
const ADDED: [&str; 3] = ["instance", "job", "le"];

/// The values that a label can have; none are listed where they are names of the configuration.
type Labels = BTreeMap<String, BTreeSet<String>>;

/// The words in backticks.
fn words(cell: &str) -> impl Iterator<Item = String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned)
}

/// The labels of each series by its name: those of a histogram have three.
fn table(paper: &str) -> BTreeMap<String, Labels> {
    let mut series = BTreeMap::new();
    for line in paper.lines().filter(|line| line.starts_with("| `deadline_")) {
        let cells: Vec<&str> = line.split(" | ").collect();
        let [name, kind, labels, ..] = cells[..] else { panic!("{line}") };
        let name = words(name).next().expect("a row begins with a name");
        let labels = labels.split(';').filter_map(|label| {
            let mut words = words(label);
            Some((words.next()?, words.collect()))
        });
        let labels: Labels = labels.collect();
        let endings: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        series.extend(endings.iter().map(|ending| (format!("{name}{ending}"), labels.clone())));
    }
    series
}

/// What an expression names that is not in the table.
fn unknown(table: &BTreeMap<String, Labels>, names: &Names) -> Vec<String> {
    let mut unknown = Vec::new();
    let mut labels: BTreeSet<&str> = ADDED.into();
    for (name, matchers) in &names.selected {
        let Some(known) = table.get(name) else {
            unknown.push(name.clone());
            continue;
        };
        labels.extend(known.keys().map(String::as_str));
        for (label, values) in matchers.iter().filter(|(label, _)| !ADDED.contains(&label.as_str())) {
            match known.get(label) {
                None => unknown.push(format!("{name}{{{label}}}")),
                Some(listed) => {
                    let odd = values.iter().filter(|value| !listed.is_empty() && !listed.contains(*value));
                    unknown.extend(odd.map(|value| format!("{name}{{{label}=\"{value}\"}}")));
                }
            }
        }
    }
    // What is recorded by rules has no row, and what is kept of it is seen by promtool.
    let kept = names.kept.iter().filter(|label| !names.selected.is_empty() && !labels.contains(label.as_str()));
    unknown.extend(kept.map(|label| format!("by ({label})")));
    unknown
}

/// The expressions of the rules.
fn rules() -> Vec<String> {
    let rules = text(RULES);
    let expressions = rules.split(" expr: ").skip(1);
    let ends = ["\n        for: ", "\n        labels:", "\n      - ", "\n      #", "\n\n"];
    let expression = |rest: &str| {
        let end = ends.iter().filter_map(|end| rest.find(end)).min();
        rest[..end.unwrap_or(rest.len())].trim_start_matches("|\n").to_owned()
    };
    expressions.map(expression).collect()
}

#[test]
fn every_name_in_the_rules_and_on_the_dashboard_is_counted() {
    let table = table(&text("docs/metrics.md"));
    assert!(table.len() > 50, "{}", table.len());
    let rules = rules();
    assert!(rules.len() > 30, "{}", rules.len());
    let shown = shown().into_iter().map(|shown| shown.expression);
    let unknown: BTreeSet<String> =
        rules.into_iter().chain(shown).flat_map(|expression| unknown(&table, &names(&expression))).collect();
    assert!(unknown.is_empty(), "docs/metrics.md has no {unknown:#?}");
}

#[test]
fn what_is_counted_is_on_the_dashboard() {
    let shown: BTreeSet<String> =
        shown().iter().flat_map(|shown| names(&shown.expression).selected).map(|(name, _)| name).collect();
    let base = |name: &str| {
        ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| name.strip_suffix(end))
            .unwrap_or(name)
            .to_owned()
    };
    let shown: BTreeSet<String> = shown.iter().map(|name| base(name)).collect();
    let counted: BTreeSet<String> = table(&text("docs/metrics.md")).keys().map(|name| base(name)).collect();
    // What the dashboard draws as lines at 1.3 and 2.8.
    let missing: Vec<_> = counted.difference(&shown).filter(|name| *name != "deadline_proxy_retry_alarm").collect();
    assert!(missing.is_empty(), "no panel shows {missing:#?}");
}

#[test]
fn what_is_not_in_the_table_is_found() {
    let table = table(
        "| count | kind | labels | tells |\n|---|---|---|---|\n\
         | `deadline_a_total` | counter | `policy`; `cause` = `x` `y` | `z` |\n| `deadline_b` | histogram | – | b |\n",
    );
    let told = |expression| unknown(&table, &names(expression));
    let good = "sum by (job, policy) (deadline_a_total{cause=~\"x|y\", policy=\"p\", job=\"j\"}) / on (job) sum(deadline_b_count)";
    assert_eq!(told(good), [""; 0]);
    for (bad, word) in [
        ("deadline_c", "deadline_c"),
        ("deadline_b", "deadline_b"),
        ("deadline_a_total{stage=\"x\"}", "deadline_a_total{stage}"),
        ("deadline_a_total{cause!=\"z\"}", "deadline_a_total{cause=\"z\"}"),
        ("sum by (stage) (deadline_a_total)", "by (stage)"),
    ] {
        assert_eq!(told(bad), [word], "{bad}");
    }
}
