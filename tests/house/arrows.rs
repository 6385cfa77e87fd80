//! Arrows point down: which package may depend on which.

use toml::{Table, Value};

use super::tree::{self, Member};
use super::{Outcome, nothing_in};

/// Where a package stands.
#[derive(Clone, Copy, Debug)]
enum Room {
    /// Knows the floors below it.
    Floor(u8),
    /// Serves the tests of those above floor 1, and knows floor 1.
    Side,
    /// Knows every floor, and is known by nobody.
    Top,
    /// Knows nobody, and is known by nobody.
    Alone,
}

/// Every package of the workspace. A new one needs a line here.
const HOUSE: [(&str, Room); 9] = [
    ("http-deadline", Room::Floor(1)),
    ("tower-deadline", Room::Floor(2)),
    ("deadline-sql", Room::Floor(2)),
    ("deadline-proxy", Room::Floor(3)),
    ("deadline-testkit", Room::Side),
    ("deadline-examples", Room::Top),
    ("deadline-tests", Room::Top),
    ("deadline-benches", Room::Top),
    ("xtask", Room::Alone),
];

/// A dependency on a package of ours or of others.
#[derive(Debug, PartialEq)]
struct Arrow {
    to: String,
    dev: bool,
}

fn room(name: &str) -> Option<Room> {
    HOUSE.iter().find(|(of, _)| *of == name).map(|(_, room)| *room)
}

fn may_know(from: Room, to: Room, dev: bool) -> bool {
    match (from, to) {
        (Room::Floor(from), Room::Floor(to)) => to < from,
        (Room::Side, Room::Floor(to)) => to == 1,
        (Room::Top, Room::Floor(_)) => true,
        (Room::Floor(from), Room::Side) => from > 1 && dev,
        (Room::Top, Room::Side) => dev,
        (_, Room::Top | Room::Alone) | (Room::Alone, _) | (Room::Side, Room::Side) => false,
    }
}

/// What a manifest depends on, for whatever target.
fn arrows(manifest: &Table, workspace: &Table) -> Vec<Arrow> {
    let targets = manifest.get("target").and_then(Value::as_table).into_iter().flatten();
    let targets = targets.filter_map(|(_, target)| target.as_table());
    let mut arrows = Vec::new();
    for table in targets.chain([manifest]) {
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let entries = table.get(section).and_then(Value::as_table).into_iter().flatten();
            let dev = section == "dev-dependencies";
            arrows.extend(entries.map(|(key, value)| Arrow { to: package(key, value, workspace), dev }));
        }
    }
    arrows
}

/// The package behind a dependency that may have another name here or in the workspace.
fn package(key: &str, value: &Value, workspace: &Table) -> String {
    let named = |value: &Value| value.get("package").and_then(Value::as_str).map(str::to_owned);
    let inherited = || {
        let shared = workspace.get("workspace")?.get("dependencies")?.get(key)?;
        value.get("workspace").and(named(shared))
    };
    named(value).or_else(inherited).unwrap_or_else(|| key.to_owned())
}

fn wrong_arrows(members: &[Member], workspace: &Table) -> Vec<String> {
    let mut complaints = Vec::new();
    for Member { name, manifest } in members {
        let Some(from) = room(name) else {
            complaints.push(format!("{name}: has no room: give it one in tests/house/arrows.rs, and in deny.toml"));
            continue;
        };
        for Arrow { to, dev } in arrows(manifest, workspace) {
            let wrong = room(&to).is_some_and(|to| !may_know(from, to, dev));
            if wrong {
                complaints
                    .push(format!("{name}: depends on {to}{}: arrows point down", if dev { " in tests" } else { "" }));
            }
        }
    }
    complaints
}

#[test]
fn arrows_point_down() -> Outcome {
    nothing_in(&wrong_arrows(&tree::members()?, &tree::workspace()?));
    Ok(())
}

#[test]
fn the_vocabulary_knows_http_alone() -> Outcome {
    let manifest: Table = tree::text("crates/http-deadline/Cargo.toml")?.parse()?;
    let known = arrows(&manifest, &tree::workspace()?).into_iter().filter(|arrow| !arrow.dev);
    assert_eq!(known.map(|arrow| arrow.to).collect::<Vec<_>>(), ["http"]);
    Ok(())
}

#[test]
fn an_arrow_that_points_up_or_sideways_is_found() -> Outcome {
    let workspace: Table = "[workspace.dependencies]\nlayers = { package = \"tower-deadline\" }".parse()?;
    let count = |name: &str, manifest: &str| -> Outcome<usize> {
        let member = Member { name: name.to_owned(), manifest: manifest.parse()? };
        Ok(wrong_arrows(&[member], &workspace).len())
    };
    for (name, manifest, wrong) in [
        ("tower-deadline", "[dependencies]\nhttp-deadline.workspace = true", 0),
        ("tower-deadline", "[dev-dependencies]\ndeadline-testkit.workspace = true", 0),
        ("tower-deadline", "[dependencies]\ndeadline-testkit.workspace = true", 1),
        ("http-deadline", "[dev-dependencies]\ndeadline-testkit.workspace = true", 1),
        ("http-deadline", "[dev-dependencies]\ntower-deadline.workspace = true", 1),
        ("http-deadline", "[dependencies]\nlayers.workspace = true", 1),
        ("http-deadline", "[dependencies]\na = { package = \"deadline-proxy\" }", 1),
        ("http-deadline", "[target.'cfg(unix)'.build-dependencies]\ntower-deadline = \"1\"", 1),
        ("tower-deadline", "[dependencies]\ntower-deadline = \"1\"", 1),
        ("deadline-testkit", "[dependencies]\ntower-deadline.workspace = true\nhttp-deadline = \"1\"", 1),
        ("deadline-proxy", "[dev-dependencies]\ndeadline-tests = \"1\"\nxtask = \"1\"", 2),
        ("xtask", "[dependencies]\nhttp-deadline = \"1\"", 1),
        ("deadline-tests", "[dev-dependencies]\ndeadline-proxy = \"1\"\ndeadline-testkit = \"1\"", 0),
        ("newcomer", "", 1),
    ] {
        assert_eq!(count(name, manifest)?, wrong, "{name}: {manifest}");
    }
    Ok(())
}
