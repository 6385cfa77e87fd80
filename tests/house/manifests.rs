//! What the manifests owe.

use toml::{Table, Value};

use super::tree::{self, Member};
use super::{Outcome, nothing_in};

const MSRV: &str = "1.85";
const HELD_TO_THE_MSRV: [&str; 2] = ["http-deadline", "tower-deadline"];

/// What a registry shows of a package.
const SHOWN: [&str; 6] = ["description", "license", "repository", "keywords", "categories", "readme"];

/// Members of the workspace without a line above them that says what they are for.
fn bare_members(manifest: &str) -> Vec<String> {
    let members = manifest.lines().skip_while(|line| !line.starts_with("members")).take_while(|line| *line != "]");
    let members: Vec<&str> = members.map(str::trim).collect();
    let bare = members.windows(2).filter(|pair| pair[1].starts_with('"') && !pair[0].starts_with('#'));
    bare.map(|pair| format!("Cargo.toml: {} has no comment above it", pair[1])).collect()
}

/// A key of a package, by its own word or the workspace's.
fn key<'a>(member: &'a Member, workspace: &'a Table, key: &str) -> Option<&'a Value> {
    let own = member.manifest.get("package")?.get(key)?;
    match own.get("workspace") {
        Some(_) => workspace.get("workspace")?.get("package")?.get(key),
        None => Some(own),
    }
}

/// What a package that is to be published leaves out.
fn unpublishable(member: &Member, workspace: &Table) -> Vec<String> {
    let name = &member.name;
    if key(member, workspace, "publish") == Some(&Value::Boolean(false)) {
        return Vec::new();
    }
    let absent = SHOWN.into_iter().filter(|shown| key(member, workspace, shown).is_none());
    let mut complaints: Vec<String> = absent.map(|shown| format!("{name}: package.{shown} is missing")).collect();
    let docs =
        key(member, workspace, "metadata").and_then(|metadata| metadata.get("docs")?.get("rs")?.get("all-features"));
    if docs != Some(&Value::Boolean(true)) {
        complaints.push(format!("{name}: package.metadata.docs.rs.all-features is not true"));
    }
    complaints
}

fn other_msrv(member: &Member, workspace: &Table) -> Option<String> {
    let declared = key(member, workspace, "rust-version").and_then(Value::as_str);
    let held = HELD_TO_THE_MSRV.contains(&member.name.as_str());
    (held && declared != Some(MSRV)).then(|| format!("{}: rust-version is {declared:?}, not {MSRV}", member.name))
}

fn without_lints(member: &Member) -> Option<String> {
    let lints = member.manifest.get("lints").and_then(|lints| lints.get("workspace"));
    (lints != Some(&Value::Boolean(true))).then(|| format!("{}: lints.workspace is not true", member.name))
}

#[test]
fn every_member_has_a_comment_above_it() -> Outcome {
    nothing_in(&bare_members(&tree::text("Cargo.toml")?));
    Ok(())
}

#[test]
fn what_is_published_is_described() -> Outcome {
    let workspace = tree::workspace()?;
    nothing_in(&tree::members()?.iter().flat_map(|member| unpublishable(member, &workspace)).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn the_libraries_declare_their_oldest_compiler() -> Outcome {
    let (members, workspace) = (tree::members()?, tree::workspace()?);
    nothing_in(&members.iter().filter_map(|member| other_msrv(member, &workspace)).collect::<Vec<_>>());
    assert!(HELD_TO_THE_MSRV.iter().all(|name| members.iter().any(|member| member.name == *name)));
    Ok(())
}

#[test]
fn every_member_is_under_the_lints_of_the_workspace() -> Outcome {
    nothing_in(&tree::members()?.iter().filter_map(without_lints).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn a_member_without_a_comment_is_found() {
    let manifest = "[workspace]\nmembers = [\n    # Why.\n    \"a\",\n    \"b\",\n]\n\"c\"\n";
    assert_eq!(bare_members(manifest), ["Cargo.toml: \"b\", has no comment above it"]);
    assert_eq!(bare_members("members = [\n    \"a\",\n]\n").len(), 1);
}

fn member(manifest: &str) -> Outcome<Member> {
    Ok(Member { name: "http-deadline".into(), manifest: manifest.parse()? })
}

#[test]
fn each_key_that_is_missing_is_found() -> Outcome {
    let workspace: Table = "[workspace.package]\nlicense = \"MIT\"\nrust-version = \"1.86\"".parse()?;
    let bare = member("[package]\nlicense.workspace = true\nreadme.workspace = true\nrust-version.workspace = true")?;
    let complaints = unpublishable(&bare, &workspace);
    assert_eq!(complaints.len(), SHOWN.len(), "all but the licence, and the documentation: {complaints:?}");
    assert!(unpublishable(&member("[package]\npublish = false")?, &workspace).is_empty());
    assert!(other_msrv(&bare, &workspace).is_some() && without_lints(&bare).is_some());
    let good = member("[package]\nrust-version = \"1.85\"\n[lints]\nworkspace = true")?;
    assert!(other_msrv(&good, &workspace).is_none() && without_lints(&good).is_none());
    Ok(())
}
