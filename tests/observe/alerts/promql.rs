//! As much of PromQL as it takes to find the names in it. Whether it is PromQL at all, promtool says.

use std::collections::BTreeSet;

/// A label, and the values that it is compared with.
type Matched = (String, Vec<String>);

/// What an expression names.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Names {
    /// Metrics, each with the labels that select some of its series, and the values that those are compared with. Those
    /// that rules record are left out.
    pub(super) selected: Vec<(String, Vec<Matched>)>,
    /// Labels that are kept, or that two sides are matched by.
    pub(super) kept: BTreeSet<String>,
}

fn is_name(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_' || char == ':'
}

/// What is between this opening and its closing sign, and what comes after that.
fn between(text: &str, opening: char, closing: char) -> Option<(&str, &str)> {
    text.trim_start().strip_prefix(opening)?.split_once(closing)
}

/// `~"a|b"` is both. What is chosen by a pattern is nothing.
fn values(matched: &str) -> Vec<String> {
    let alternatives = matched.trim_start_matches(['=', '~']).trim_matches('"').split('|');
    alternatives.filter(|value| value.chars().all(is_name)).map(str::to_owned).collect()
}

pub(super) fn names(expression: &str) -> Names {
    let mut names = Names::default();
    let mut rest = expression;
    while let Some(start) = rest.find(is_name) {
        let length = rest[start..].find(|char| !is_name(char)).unwrap_or(rest.len() - start);
        let word = &rest[start..start + length];
        rest = &rest[start + length..];
        if ["by", "on", "group_left"].contains(&word) {
            if let Some((labels, after)) = between(rest, '(', ')') {
                names
                    .kept
                    .extend(labels.split(',').map(|label| label.trim().to_owned()).filter(|label| !label.is_empty()));
                rest = after;
            }
            continue;
        }
        let (matchers, after) = between(rest, '{', '}').unwrap_or(("", rest));
        rest = after;
        if word.starts_with("deadline_") && !word.contains(':') {
            let matchers = matchers.split(", ").filter_map(|matcher| matcher.split_once(['=', '!']));
            let matchers = matchers.map(|(label, value)| (label.trim().to_owned(), values(value)));
            names.selected.push((word.to_owned(), matchers.collect()));
        }
    }
    names
}

#[test]
fn metrics_and_labels_are_found_wherever_they_stand() {
    let expression = "sum by (job, le) (rate(deadline_a_bucket{job=~\"x|y\", policy!=\"b\", route=~\".*\"}[5m]))\n \
                      / on (job) group_left () deadline_b > 1.3 and a:deadline_c:ratio";
    let found = names(expression);
    let [(first, matchers), (second, none)] = &found.selected[..] else { panic!("{found:?}") };
    assert!((first.as_str(), second.as_str()) == ("deadline_a_bucket", "deadline_b") && none.is_empty(), "{found:?}");
    let matchers: Vec<_> = matchers.iter().map(|(label, values)| (label.as_str(), values.join(" "))).collect();
    assert_eq!(matchers, [("job", "x y".to_owned()), ("policy", "b".to_owned()), ("route", String::new())]);
    assert_eq!(found.kept, ["job", "le"].map(str::to_owned).into());
    assert_eq!(names("ALERTS{alertname=~\"Deadline.*\"}"), Names::default());
}
