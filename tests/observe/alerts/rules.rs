//! The rules, by promtool: that they are rules, and when each alert fires.

use super::{RULES, path, promtool, text};

const TESTS: [&str; 2] = ["deploy/prometheus/rules.test.yml", "deploy/prometheus/rules.days.test.yml"];

fn promtool_on(command: &str, file: &str) -> Result<(), String> {
    let path = path(file);
    let mut arguments: Vec<&str> = command.split(' ').collect();
    arguments.push(path.to_str().expect("a path is text"));
    promtool(&arguments)
}

/// The names of the alerts, in their order.
pub(super) fn alerts() -> Vec<String> {
    let rules = text(RULES);
    let alerts = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    alerts.map(str::to_owned).collect()
}

#[test]
fn the_rules_are_rules_and_promtool_finds_no_fault_in_their_form() {
    promtool_on("check rules --lint=all --lint-fatal", RULES).unwrap();
}

#[test]
fn each_alert_fires_when_it_should_and_at_no_other_time() {
    for file in TESTS {
        promtool_on("test rules", file).unwrap();
    }
}

#[test]
fn each_alert_is_asked_for_by_a_test() {
    let tests: String = TESTS.map(text).concat();
    let alerts = alerts();
    assert!(alerts.len() > 15, "{alerts:?}");
    for alert in alerts {
        assert!(
            [format!("alertname=\"{alert}\""), format!("alertname: {alert}\n")]
                .iter()
                .any(|name| tests.contains(name)),
            "{alert}"
        );
    }
}
