//! The text format of OpenMetrics, made of that of Prometheus.
//!
//! Covers what the exporter writes: counters, gauges and histograms, one family after the other. Where the two formats
//! differ, OpenMetrics names the family of a counter without its `_total`, has a line for a unit, bounds of buckets as
//! floats, quotes that are escaped in help, no blank lines, and an end that is said. Does not add exemplars: the exporter
//! keeps none.
//!
//! Source: OpenMetrics 1.0.0, "Text format"; Prometheus, "Exposition formats".

use std::fmt::Write;

/// The units of the counts here, which are the last word of the name of a family.
const UNITS: [&str; 2] = ["seconds", "bytes"];

/// What ends the exposition, so that one that was cut off is not taken for a whole.
const END: &str = "# EOF\n";

/// The same in OpenMetrics.
pub(super) fn of(prometheus: &str) -> String {
    let mut text = String::with_capacity(prometheus.len() + prometheus.len() / 8);
    // A family begins with its help, if it has any; its type is told behind that.
    let mut help = None;
    for line in prometheus.lines() {
        if let Some(told) = line.strip_prefix("# HELP ") {
            help = told.split_once(' ');
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|told| told.split_once(' ')) {
            let help = help.take().filter(|(of, _)| *of == name).map(|(_, help)| help);
            family(&mut text, name, kind, help);
        } else if !line.is_empty() {
            sample(&mut text, line);
        }
    }
    text + END
}

fn family(text: &mut String, name: &str, kind: &str, help: Option<&str>) {
    let family = if kind == "counter" { name.strip_suffix("_total").unwrap_or(name) } else { name };
    // Writing into a string does not fail.
    let _ = writeln!(text, "# TYPE {family} {kind}");
    if let Some(unit) = UNITS.iter().find(|unit| family.ends_with(**unit)) {
        let _ = writeln!(text, "# UNIT {family} {unit}");
    }
    if let Some(help) = help {
        let _ = writeln!(text, "# HELP {family} {}", help.replace('"', "\\\""));
    }
}

/// A sample as it is, but for the bound of a bucket, its last label: that is a float, with a point.
fn sample(text: &mut String, line: &str) {
    let is_bucket = line.split('{').next().is_some_and(|name| name.ends_with("_bucket"));
    let bound = [",le=\"", "{le=\""].iter().find_map(|bound| Some(line.rfind(bound)? + bound.len()));
    let bound = bound.filter(|_| is_bucket);
    match bound.and_then(|at| Some((at, line[at..].find('"')?))) {
        Some((at, length)) if line[at..at + length].bytes().all(|byte| byte.is_ascii_digit()) => {
            let (before, after) = line.split_at(at + length);
            let _ = writeln!(text, "{before}.0{after}");
        }
        _ => {
            let _ = writeln!(text, "{line}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROMETHEUS: &str = "\
# HELP shop_orders_total Orders, \\\\ \"paid\" or not.
# TYPE shop_orders_total counter
shop_orders_total{route=\"a le=\\\"1\\\" b\"} 3
shop_orders_total{le=\"7\"} 4

# TYPE shop_open gauge
shop_open 0.5

# HELP shop_wait_seconds How long.
# TYPE shop_wait_seconds histogram
shop_wait_seconds_bucket{route=\"a\",le=\"0.5\"} 1
shop_wait_seconds_bucket{route=\"a\",le=\"60\"} 2
shop_wait_seconds_bucket{le=\"1\"} 2
shop_wait_seconds_bucket{route=\"a\",le=\"+Inf\"} 2
shop_wait_seconds_sum{route=\"a\"} 12
shop_wait_seconds_count{route=\"a\"} 2

";

    const OPEN_METRICS: &str = "\
# TYPE shop_orders counter
# HELP shop_orders Orders, \\\\ \\\"paid\\\" or not.
shop_orders_total{route=\"a le=\\\"1\\\" b\"} 3
shop_orders_total{le=\"7\"} 4
# TYPE shop_open gauge
shop_open 0.5
# TYPE shop_wait_seconds histogram
# UNIT shop_wait_seconds seconds
# HELP shop_wait_seconds How long.
shop_wait_seconds_bucket{route=\"a\",le=\"0.5\"} 1
shop_wait_seconds_bucket{route=\"a\",le=\"60.0\"} 2
shop_wait_seconds_bucket{le=\"1.0\"} 2
shop_wait_seconds_bucket{route=\"a\",le=\"+Inf\"} 2
shop_wait_seconds_sum{route=\"a\"} 12
shop_wait_seconds_count{route=\"a\"} 2
# EOF
";

    #[test]
    fn each_difference_of_the_two_formats_is_kept() {
        assert_eq!(of(PROMETHEUS), OPEN_METRICS);
        assert_eq!(of(""), "# EOF\n");
    }
}
