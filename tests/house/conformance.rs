//! The conformance table: that it is of the scenes that there are, and that nothing in it is wrong without a reason.

use super::{Outcome, nothing_in, tree};

const PAPER: &str = "docs/conformance.md";
const SCRIPTS: &str = "tests/suites/conformance";

/// The head of each table.
const COLUMNS: [&str; 6] = ["scene", "expected", "deadline-proxy", "nginx", "HAProxy", "Caddy"];

/// What one script looks at, or one section of the paper shows.
struct Topic {
    title: String,
    scenes: Vec<String>,
}

/// The scenes of a script; `None` where it has none. A name is a literal, and the first that a case says.
fn topic(script: &str) -> Option<Topic> {
    let title = literal(script.split("\nTITLE = ").nth(1)?)?;
    let cases = script.split("Case(").skip(1);
    Some(Topic { title, scenes: cases.map(|case| literal(case).unwrap_or_default()).collect() })
}

/// The literal of Python that a text begins with.
fn literal(text: &str) -> Option<String> {
    let (literal, _) = text.trim_start().strip_prefix('"')?.split_once('"')?;
    Some(literal.to_owned())
}

/// A section of the paper.
struct Section<'a> {
    title: &'a str,
    lines: Vec<&'a str>,
}

fn sections(paper: &str) -> Vec<Section<'_>> {
    let sections = paper.split("\n## ").skip(1);
    sections
        .map(|text| {
            let mut lines = text.lines();
            Section { title: lines.next().unwrap_or_default(), lines: lines.collect() }
        })
        .collect()
}

impl Section<'_> {
    /// The lines of its table, each as cells.
    fn table(&self) -> Vec<Vec<String>> {
        let lines = self.lines.iter().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
        let cells = |line: &str| line.replace("\\|", "\0").split(" | ").map(|cell| cell.replace('\0', "|")).collect();
        lines.map(cells).collect()
    }

    /// Whether a reason with this number stands below the table.
    fn has_reason(&self, number: &str) -> bool {
        let begin = format!("{number}. ");
        self.lines
            .iter()
            .any(|line| line.strip_prefix(&begin).is_some_and(|reason| !reason.trim().is_empty()))
    }

    /// What is wrong with one row.
    fn row(&self, row: &[String]) -> Option<String> {
        if row.len() != COLUMNS.len() || row.iter().any(|cell| cell.trim().is_empty()) {
            return Some("not a cell for each column".to_owned());
        }
        let own = &row[2];
        match own.chars().next() {
            Some('✓') => None,
            Some('✗') => {
                let number = own.rsplit_once('[').and_then(|(_, rest)| rest.strip_suffix(']'));
                let is_told = number.is_some_and(|number| self.has_reason(number));
                (!is_told).then(|| format!("`{own}`, and no reason"))
            }
            _ => Some(format!("`{own}` is neither right nor wrong")),
        }
    }
}

fn complaints(topics: &[Topic], paper: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let sections = sections(paper);
    for section in &sections {
        let table = section.table();
        if table.first().is_none_or(|head| head != &COLUMNS) {
            complaints.push(format!("{PAPER}: {}: the columns are not {COLUMNS:?}", section.title));
        }
        for row in table.iter().skip(2) {
            let wrong = section.row(row).map(|wrong| format!("{PAPER}: {}: {}: {wrong}", section.title, row[0]));
            complaints.extend(wrong);
        }
    }
    for topic in topics {
        let section = sections.iter().find(|section| section.title == topic.title);
        let table = section.map(Section::table).unwrap_or_default();
        let rows: Vec<_> = table.into_iter().skip(2).map(|mut row| row.swap_remove(0)).collect();
        complaints.extend(differences(topic, &rows));
    }
    complaints
}

/// Scenes without a row, twice in the script, or gone from it.
fn differences(topic: &Topic, rows: &[String]) -> Vec<String> {
    let Topic { title, scenes } = topic;
    let mut complaints = Vec::new();
    for (at, scene) in scenes.iter().enumerate() {
        if scene.is_empty() {
            complaints.push(format!("{SCRIPTS}: {title}: a scene whose name is no literal"));
        } else if scenes[..at].contains(scene) {
            complaints.push(format!("{SCRIPTS}: {title}: {scene}: twice"));
        } else if !rows.contains(scene) {
            complaints.push(format!("{PAPER}: {title}: {scene}: no row; run `cargo xtask suites conformance`"));
        }
    }
    let gone = rows.iter().filter(|row| !scenes.contains(row));
    complaints.extend(gone.map(|row| format!("{PAPER}: {title}: {row}: no such scene")));
    complaints
}

#[test]
fn the_table_has_a_row_for_each_scene_and_a_reason_for_each_cell_of_ours_that_is_wrong() -> Outcome {
    let scripts = tree::files(SCRIPTS, ".py")?;
    let topics: Vec<_> = scripts.iter().filter_map(|(_, text)| topic(text)).collect();
    let count = topics.iter().map(|topic| topic.scenes.len()).sum::<usize>();
    assert!(topics.len() > 9 && count > 140, "{} topics, {count} scenes", topics.len());
    nothing_in(&complaints(&topics, &tree::text(PAPER)?));
    Ok(())
}

const SCRIPT: &str =
    "\"\"\"Words.\"\"\"\n\nTITLE = \"Fields\"\n\nCASES = [\n    Case(\"`a|b`\", look),\n    Case(\n        \"two\",\n";

/// A paper with one row for each of these cells of ours.
fn paper(cells: &[(&str, &str)]) -> String {
    let rows = cells.iter().map(|(scene, own)| format!("| {scene} | 1 (R1) | {own} | x | ✗ y | ✓ z |\n"));
    let head = format!("| {} |\n| --- | --- | --- | --- | --- | --- |\n", COLUMNS.join(" | "));
    format!("# Title\n\n## Fields\n\nWords.\n\n{head}{}\n1. A reason.\n", rows.collect::<String>())
}

#[test]
fn a_table_without_fault_has_no_complaint() {
    let topic = topic(SCRIPT).unwrap();
    assert_eq!(
        (topic.title.as_str(), topic.scenes.as_slice()),
        ("Fields", &["`a|b`".to_owned(), "two".to_owned()][..])
    );
    assert!(
        complaints(&[topic], &paper(&[("`a\\|b`", "✓ 1"), ("two", "✗ not always: 1 (2×), 2 (1×) [1]")])).is_empty()
    );
}

#[test]
fn each_fault_of_a_table_is_told() {
    let told = |cells: &[(&str, &str)]| complaints(&[topic(SCRIPT).unwrap()], &paper(cells)).join("\n");
    let first = ("`a\\|b`", "✓ 1");
    for (second, complaint) in [
        (("two", "✗ 2"), "two: `✗ 2`, and no reason"),
        (("two", "✗ 2 [2]"), "two: `✗ 2 [2]`, and no reason"),
        (("two", "2"), "two: `2` is neither right nor wrong"),
        (("two", ""), "two: not a cell for each column"),
        (("three", "✓ 1"), "three: no such scene"),
        (("three", "✓ 1"), "two: no row"),
    ] {
        assert!(told(&[first, second]).contains(complaint), "{complaint}: {}", told(&[first, second]));
    }
    let topics = |script: &str| complaints(&[topic(script).unwrap()], &paper(&[first, ("two", "✓ 1")])).join("\n");
    assert!(topics(&format!("{SCRIPT}    Case(\"two\", look),\n")).contains("two: twice"));
    assert!(topics(&format!("{SCRIPT}    Case(name, look),\n")).contains("no literal"));
    assert!(complaints(&[], "\n## Fields\n\n| scene |\n").join("").contains("the columns are not"));
    assert!(complaints(&[topic(SCRIPT).unwrap()], "").iter().all(|told| told.contains("no row")));
}
