//! Which features the published packages have: each has to compile alone.

use std::fs;

use crate::Outcome;
use crate::step::root;

/// A package that is published.
#[derive(Debug, PartialEq)]
pub(crate) struct Package {
    name: String,
    features: Vec<String>,
}

impl Package {
    /// The commands that compile it by default, without any feature, and with each one alone.
    pub(crate) fn checks(&self) -> Vec<String> {
        let Self { name, features } = self;
        let mut checks = vec![format!("cargo check -p {name}")];
        if !features.is_empty() {
            checks.push(format!("cargo check -p {name} --no-default-features"));
        }
        let alone = |feature| format!("cargo check -p {name} --no-default-features --features {feature}");
        checks.extend(features.iter().map(alone));
        checks
    }
}

/// The published packages, in the order of their names.
pub(crate) fn published() -> Outcome<Vec<Package>> {
    let crates = root().join("crates");
    let unread = |error| format!("{}: {error}", crates.display());
    let mut packages = Vec::new();
    for entry in fs::read_dir(&crates).map_err(unread)? {
        let manifest = entry.map_err(unread)?.path().join("Cargo.toml");
        if !manifest.is_file() {
            continue;
        }
        let text = fs::read_to_string(&manifest).map_err(|error| format!("{}: {error}", manifest.display()))?;
        packages.extend(parse(&text));
    }
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(packages)
}

/// As much of a manifest as is needed here; `None` for a package that is not published.
fn parse(manifest: &str) -> Option<Package> {
    let (mut section, mut name, mut features) = ("", None, Vec::new());
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line.trim();
            continue;
        }
        // A comment, or a line within a list, has no key at its start.
        let Some((key, value)) = line.split_once('=').filter(|_| line.starts_with(char::is_alphanumeric)) else {
            continue;
        };
        match (section, key.trim(), value.trim()) {
            ("[package]", "publish", "false") => return None,
            ("[package]", "name", value) => name = Some(value.trim_matches('"').to_owned()),
            ("[features]", feature, _) if feature != "default" => features.push(feature.to_owned()),
            _ => {}
        }
    }
    Some(Package { name: name?, features })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_feature_is_checked_alone() {
        let manifest = "[package]\nname = \"a\"\n\n[features]\ndefault = [\n    \"b\",\n]\n# c = []\nb = [\"dep:b\"]\n\n[lints]\nd = 1";
        let checks = parse(manifest).map(|package| package.checks());
        let expected = [
            "cargo check -p a",
            "cargo check -p a --no-default-features",
            "cargo check -p a --no-default-features --features b",
        ];
        assert_eq!(checks, Some(expected.map(str::to_owned).to_vec()));
        assert_eq!(parse("[package]\nname = \"a\"\npublish = false"), None);
    }

    #[test]
    fn the_library_and_its_features_are_found() {
        let packages = published().unwrap();
        let library = packages.iter().find(|package| package.name == "tower-deadline").unwrap();
        assert!(["axum", "http2"].iter().all(|feature| library.features.iter().any(|known| known == feature)));
    }
}
