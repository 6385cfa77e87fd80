//! The dashboard for Grafana: its expressions are PromQL, and nothing stands in it twice.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::Value;

use super::{promtool, text};
use crate::support::Folder;

const DASHBOARD: &str = "deploy/grafana/deadline.json";

/// An expression, and the panel that shows it.
pub(super) struct Shown {
    pub(super) panel: String,
    /// As Prometheus has it: Grafana puts in what is chosen, here everything.
    pub(super) expression: String,
}

fn dashboard() -> Value {
    serde_json::from_str(&text(DASHBOARD)).unwrap_or_else(|error| panic!("{DASHBOARD}: {error}"))
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap_or_else(|| panic!("no {key}: {value:#}"))
}

fn word<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no {key}: {value:#}"))
}

/// Which variables can be chosen, but for the source of all data.
fn variables(dashboard: &Value) -> Vec<&Value> {
    let variables = list(&dashboard["templating"], "list").iter();
    variables.filter(|variable| word(variable, "type") == "query").collect()
}

/// What Grafana asks for to offer the values of a variable: `label_values(SELECTOR, LABEL)` is a word of its own.
fn values_of(variable: &Value) -> String {
    let asked = word(variable, "definition").strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
    let (selector, label) = asked.and_then(|asked| asked.rsplit_once(", ")).expect("variables are values of labels");
    format!("count by ({label}) ({selector})")
}

/// Everything that is asked of Prometheus.
pub(super) fn shown() -> Vec<Shown> {
    let dashboard = dashboard();
    let variables = variables(&dashboard);
    let mut asked: Vec<(&str, String)> =
        variables.iter().map(|variable| (word(variable, "name"), values_of(variable))).collect();
    for panel in list(&dashboard, "panels").iter().filter(|panel| word(panel, "type") != "row") {
        let targets = list(panel, "targets").iter();
        asked.extend(targets.map(|target| (word(panel, "title"), word(target, "expr").to_owned())));
    }
    let chosen = |expression: String| {
        let choices = variables.iter().map(|variable| format!("${}", word(variable, "name")));
        choices
            .fold(expression.replace("$__rate_interval", "1m"), |expression, choice| expression.replace(&choice, ".*"))
    };
    let shown = asked.into_iter();
    shown.map(|(panel, asked)| Shown { panel: panel.to_owned(), expression: chosen(asked) }).collect()
}

#[test]
fn every_expression_is_promql_and_leaves_nothing_to_choose() {
    let shown = shown();
    assert!(shown.len() > 60, "{}", shown.len());
    let mut rules = "groups:\n  - name: dashboard\n    rules:\n".to_owned();
    for (number, Shown { panel, expression }) in shown.iter().enumerate() {
        assert!(!expression.contains('$'), "{panel}: {expression}");
        writeln!(rules, "      - record: shown:{number}\n        expr: {}", Value::from(expression.as_str())).unwrap();
    }
    let folder = Folder::new();
    promtool(&["check", "rules", &folder.write("rules.yml", &rules)]).unwrap();
}

#[test]
fn what_is_no_promql_is_found() {
    let folder = Folder::new();
    let rules = "groups:\n  - name: dashboard\n    rules:\n      - { record: a, expr: \"sum by (rate(b[1m]))\" }\n";
    assert!(promtool(&["check", "rules", &folder.write("rules.yml", rules)]).is_err());
}

/// Grafana keeps what it is given, and shows one of two panels that share a number or a place.
#[test]
fn every_panel_has_a_number_a_place_and_the_source_that_is_chosen() {
    let dashboard = dashboard();
    let panels = list(&dashboard, "panels");
    let numbers: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64()).collect();
    assert!(numbers.len() == panels.len() && !numbers.contains(&None));
    let mut taken = BTreeSet::new();
    for panel in panels {
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().expect("a place"));
        assert!(x + w <= 24, "{}", panel["title"]);
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(taken.insert(cell), "{} lies on another", panel["title"]);
        }
        if word(panel, "type") != "row" {
            let targets = list(panel, "targets").iter().map(|target| &target["datasource"]);
            for source in targets.chain([&panel["datasource"]]) {
                assert_eq!(word(source, "uid"), "${datasource}", "{}", panel["title"]);
            }
        }
    }
}

#[test]
fn there_is_a_row_for_each_question_and_a_variable_for_each_choice() {
    let dashboard = dashboard();
    let rows = list(&dashboard, "panels").iter().filter(|panel| word(panel, "type") == "row");
    let rows: Vec<_> = rows.map(|row| word(row, "title")).collect();
    let expected = ["Traffic", "Budget and headroom", "Exceeded", "Amplification", "Pools and database", "Process"];
    assert_eq!(rows, expected);
    let names: Vec<_> = variables(&dashboard).iter().map(|variable| word(variable, "name")).collect();
    assert_eq!(names, ["job", "policy", "route", "upstream"]);
}
