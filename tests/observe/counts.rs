//! What `/metrics` exposes, held against the table of `docs/metrics.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use crate::support::{Proxy, curl};

/// A series: its family, with its labels in the order in which they are told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Series {
    pub(super) family: String,
    pub(super) labels: Vec<(String, String)>,
}

/// What the table says of a family: each label, with its values; without any, they are names of the configuration.
pub(super) struct Table(BTreeMap<String, BTreeMap<String, BTreeSet<String>>>);

/// A proxy of two workers in front of these upstreams, which keeps to the rest of the file.
pub(super) async fn proxy(upstreams: &[(&str, SocketAddr)], rest: &str) -> Proxy {
    let upstreams = upstreams.iter().map(|(name, at)| format!("[upstream.{name}]\ntargets = [\"http://{at}\"]\n"));
    let process = "admin = \"127.0.0.1:0\"\nworkers = 2\n[[listener]]\naddress = \"127.0.0.1:0\"\n";
    Proxy::configured(&format!("{process}{}{rest}", upstreams.collect::<String>())).await
}

/// What `/metrics` says, in the format of Prometheus.
pub(super) async fn scrape(proxy: &Proxy) -> String {
    let answer = curl(&[&format!("http://{}/metrics", proxy.admin)]).await;
    assert_eq!(answer.status, 200);
    answer.text()
}

/// Every series of it. The buckets of a histogram, its sum and its count are one.
pub(super) fn series(text: &str) -> BTreeSet<Series> {
    let samples = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    samples.map(one).collect()
}

fn one(sample: &str) -> Series {
    let (series, _) = sample.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {sample}"));
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let parts = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
    let family = parts.filter(|family| family.ends_with("_seconds")).unwrap_or(name);
    let labels = labels.trim_end_matches('}').split("\",").filter(|label| !label.is_empty()).map(|label| {
        let (name, value) = label.split_once("=\"").unwrap_or_else(|| panic!("no label in {sample}"));
        (name.to_owned(), value.trim_end_matches('"').to_owned())
    });
    Series { family: family.to_owned(), labels: labels.filter(|(name, _)| name != "le").collect() }
}

impl Table {
    pub(super) fn read() -> Self {
        let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md"));
        Self::of(&text.expect("there is a paper"))
    }

    fn of(text: &str) -> Self {
        let rows = text.lines().filter(|line| line.starts_with("| `deadline_"));
        Self(rows.map(row).collect())
    }

    pub(super) fn families(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// What is wrong with a series, where the configuration has these names.
    pub(super) fn complaint(&self, series: &Series, names: &[&str]) -> Option<String> {
        let Series { family, labels } = series;
        let Some(row) = self.0.get(family) else { return Some(format!("{family} has no row")) };
        let told: BTreeSet<_> = labels.iter().map(|(name, _)| name).collect();
        if told != row.keys().collect() {
            return Some(format!("{family} has the labels {told:?}"));
        }
        let is_known = |(name, value): &&(String, String)| match &row[name] {
            values if values.is_empty() => names.contains(&value.as_str()),
            values => values.contains(value),
        };
        let unknown = labels.iter().find(|label| !is_known(label))?;
        Some(format!("{family} has {}=\"{}\"", unknown.0, unknown.1))
    }
}

fn row(line: &str) -> (String, BTreeMap<String, BTreeSet<String>>) {
    let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
    let quoted = |text: &str| text.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let labels = cells[2].split(';').filter_map(|label| {
        let (name, values) = label.split_once(" = ").unwrap_or((label, ""));
        Some((quoted(name).pop()?, quoted(values).into_iter().collect()))
    });
    (quoted(cells[0]).remove(0), labels.collect())
}

#[test]
fn what_the_table_does_not_have_is_found() {
    let table = Table::of(
        "| `deadline_a_total` | counter | `policy`; `status` = `2xx` `none` | … | … | – |\n\
                           | `deadline_b_seconds` | histogram | – | … | … | – |\n",
    );
    let complaint = |sample: &str| table.complaint(&one(sample), &["shop"]);
    for good in [
        r#"deadline_a_total{policy="shop",status="2xx"} 1"#,
        r#"deadline_a_total{status="none",policy="shop"} 1"#,
        r#"deadline_b_seconds_bucket{le="0.5"} 1"#,
        "deadline_b_seconds_sum 0.5",
    ] {
        assert_eq!(complaint(good), None, "{good}");
    }
    for (bad, expected) in [
        (r#"deadline_a_total{policy="shop",status="7xx"} 1"#, "deadline_a_total has status=\"7xx\""),
        (r#"deadline_a_total{policy="a, b",status="2xx"} 1"#, "deadline_a_total has policy=\"a, b\""),
        (r#"deadline_a_total{policy="shop"} 1"#, "deadline_a_total has the labels {\"policy\"}"),
        ("deadline_c 1", "deadline_c has no row"),
        (r#"deadline_b_seconds_count{path="/"} 1"#, "deadline_b_seconds has the labels {\"path\"}"),
    ] {
        assert_eq!(complaint(bad).as_deref(), Some(expected), "{bad}");
    }
}
