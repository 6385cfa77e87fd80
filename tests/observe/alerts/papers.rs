//! What an alert leads to: a chapter of docs/operations.md.

use super::rules::alerts;
use super::{RULES, text};

/// The headings under `## When an alert fires`.
fn chapters(paper: &str) -> Vec<&str> {
    let alerts = paper.split("\n## ").find_map(|part| part.strip_prefix("When an alert fires\n"));
    alerts.unwrap_or_default().lines().filter_map(|line| line.strip_prefix("### ")).collect()
}

#[test]
fn each_alert_has_a_chapter_and_each_chapter_an_alert() {
    let paper = text("docs/operations.md");
    assert_eq!(chapters(&paper), alerts());
}

#[test]
fn each_alert_leads_to_its_chapter_and_says_what_is_wrong_and_how_badly() {
    let rules = text(RULES);
    let after = rules.split("- alert: ").skip(1);
    for rule in after {
        let rule = rule.split("\n      - ").next().unwrap_or_default();
        let name = rule.lines().next().unwrap_or_default();
        let link = format!("/blob/main/docs/operations.md#{}\n", name.to_lowercase());
        assert!(format!("{rule}\n").contains(&link), "{name}: {link}");
        let severity = rule.contains("severity: critical") || rule.contains("severity: warning");
        assert!(severity && rule.contains("summary: ") && rule.contains("description: "), "{name}");
    }
}

#[test]
fn a_chapter_that_is_missing_is_found() {
    let paper = "# A\n\n## B\n\n### C\n\n## When an alert fires\n\ntext\n\n### D\n\n### E\n\n## F\n\n### G\n";
    assert_eq!(chapters(paper), ["D", "E"]);
}
