//! What the papers show: the reference that the program prints, and files that it takes.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use rcgen::{CertificateParams, KeyPair};
use tokio::process::Command;
use toml::Table;

use crate::support::{Folder, Program, binary, soon};

const REFERENCE: &str = "docs/configuration.md";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files of a folder that end so.
fn files(folder: &str, end: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| path.to_string_lossy().ends_with(end)).collect();
    paths.sort();
    paths
}

/// The blocks of TOML in a paper, each with the number of its first line.
fn blocks(paper: &str) -> Vec<(usize, String)> {
    let (mut blocks, mut is_within) = (Vec::<(usize, String)>::new(), false);
    for (nth, line) in paper.lines().enumerate() {
        match line.trim() {
            "```toml" => {
                is_within = true;
                blocks.push((nth + 2, String::new()));
            }
            "```" => is_within = false,
            _ if is_within => {
                if let Some((_, block)) = blocks.last_mut() {
                    *block += line;
                    block.push('\n');
                }
            }
            _ => {}
        }
    }
    blocks
}

/// Whether it is for the proxy: what has policies alone is for a service.
fn is_for_the_proxy(text: &str) -> bool {
    let table: Table = text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"));
    table.keys().any(|key| !matches!(key.as_str(), "policy" | "dependencies"))
}

/// A certificate and its key, in the place of those that a reader has.
struct Pki(Folder);

impl Pki {
    fn new() -> Self {
        let (folder, key) = (Folder::new(), KeyPair::generate().unwrap());
        let certificate = CertificateParams::new(["shop.example".to_owned()]).unwrap().self_signed(&key).unwrap();
        folder.write("certificate", &certificate.pem());
        folder.write("key", &key.serialize_pem());
        Self(folder)
    }

    /// The text with these files in the place of each `"….pem"`.
    fn instead(&self, text: &str) -> String {
        let instead = |part: &str| match part.strip_suffix(".pem") {
            Some(path) if path.ends_with("key") => self.0.of("key"),
            Some(_) => self.0.of("certificate"),
            None => part.to_owned(),
        };
        text.split('"').map(instead).collect::<Vec<_>>().join("\"")
    }

    /// What `check` has against a configuration, if anything. Every variable that it asks for is set.
    async fn complaint(&self, text: &str) -> Option<String> {
        let file = self.0.write("proxy.toml", &self.instead(text));
        let variables = text.split("${").skip(1).filter_map(|rest| rest.split_once('}'));
        let mut check = Command::new(binary("deadline-proxy"));
        check.args(["check", "--config", &file]).envs(variables.map(|(name, _)| (name, "secret")));
        let output = soon("a check", check.stdin(Stdio::null()).output()).await.unwrap();
        (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

#[tokio::test]
async fn the_reference_is_what_the_program_prints() {
    let printed = Program::run("deadline-proxy", &["schema", "--markdown"]).await;
    assert_eq!((printed.code, printed.stderr.as_str()), (Some(0), ""));
    let committed = text(&root().join(REFERENCE));
    let differs = printed.stdout.lines().zip(committed.lines()).find(|(printed, committed)| printed != committed);
    let renew = format!("renew it: cargo run -p deadline-proxy -- schema --markdown > {REFERENCE}");
    assert!(printed.stdout == committed, "{REFERENCE} is not what the program prints: {differs:?}; {renew}");
}

#[tokio::test]
async fn every_configuration_in_the_papers_passes_the_check() {
    let (pki, mut count) = (Pki::new(), 0);
    for paper in files("docs", ".md").into_iter().chain([root().join("README.md")]) {
        for (line, block) in blocks(&text(&paper)) {
            if is_for_the_proxy(&block) {
                count += 1;
                let complaint = pki.complaint(&block).await;
                assert!(complaint.is_none(), "{}:{line}: {complaint:?}", paper.display());
            }
        }
    }
    assert!(count > 7, "{count} configurations");
}

#[tokio::test]
async fn every_example_of_a_configuration_passes_the_check() {
    let (pki, examples) = (Pki::new(), files("examples/config", ".toml"));
    assert!(!examples.is_empty());
    for example in examples {
        let complaint = pki.complaint(&text(&example)).await;
        assert!(complaint.is_none(), "{}: {complaint:?}", example.display());
    }
}

#[tokio::test]
async fn a_configuration_that_is_wrong_does_not_pass() {
    let complaint = Pki::new().complaint("[upstream.a]\ntarget = \"http://127.0.0.1:1\"\n").await;
    assert!(complaint.is_some_and(|told| told.contains("proxy.toml:2:1: upstream.a.target: unknown key")));
}

#[test]
fn a_block_is_found_with_its_line_and_another_language_is_none() {
    assert_eq!(blocks("a\n```toml\nb = 1\n```\n```sh\nc\n```\n"), [(3, "b = 1\n".to_owned())]);
    assert!(
        is_for_the_proxy("hop = \"a\"\n[policy.default]") && !is_for_the_proxy("[policy.default]\ntimeout = \"1s\"")
    );
}
