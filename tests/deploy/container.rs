//! The file of the container: what matters of it to whoever runs it.

use super::text;

const FILE: &str = "deploy/Containerfile";

/// Each instruction with its argument.
fn instructions(file: &str) -> Vec<(&str, &str)> {
    let lines = file.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once(' ').unwrap_or((line, ""))).collect()
}

/// What is wrong with the base of a stage, if anything.
fn loose(base: &str) -> Option<String> {
    let image = base.split(' ').next().unwrap_or_default();
    let tag = image.rsplit_once('/').map_or(image, |(_, name)| name).split_once(':').map(|(_, tag)| tag);
    let is_exact = tag.is_some_and(|tag| tag.bytes().filter(u8::is_ascii_digit).count() >= 3);
    (!is_exact).then(|| format!("{image}: a version is expected, to the last digit"))
}

/// Every complaint about a file.
fn complaints(file: &str) -> Vec<String> {
    let instructions = instructions(file);
    let all =
        |name: &str| instructions.iter().filter(|(found, _)| *found == name).map(|(_, what)| *what).collect::<Vec<_>>();
    let last_stage = instructions.iter().rposition(|(name, _)| *name == "FROM").unwrap_or_default();
    let last = |name: &str| instructions[last_stage..].iter().rfind(|(found, _)| *found == name).map(|(_, what)| *what);
    let mut complaints: Vec<_> = all("FROM").into_iter().filter_map(loose).collect();
    let user = last("USER").and_then(|user| user.split(':').next()?.parse::<u32>().ok());
    if user.is_none_or(|user| user == 0) {
        complaints.push("USER: a number above 0 is expected".to_owned());
    }
    if last("STOPSIGNAL") != Some("SIGTERM") {
        complaints.push("STOPSIGNAL: SIGTERM is what it drains at".to_owned());
    }
    if last("RUN").is_some() {
        complaints.push("RUN: nothing is to be done in what is handed out".to_owned());
    }
    for name in ["ENTRYPOINT", "CMD"] {
        // In the other form a shell is the process that gets the signals.
        if last(name).is_none_or(|command| serde_json::from_str::<Vec<String>>(command).is_err()) {
            complaints.push(format!("{name}: a list is expected"));
        }
    }
    complaints
}

#[test]
fn it_is_pinned_has_no_root_and_no_shell_between_it_and_its_signals() {
    let file = text(FILE);
    assert_eq!(complaints(&file), [""; 0]);
    assert_eq!(instructions(&file).iter().filter(|(name, _)| *name == "FROM").count(), 2, "built in another stage");
}

#[test]
fn what_it_runs_is_what_was_built_and_what_the_program_knows() {
    let file = text(FILE);
    let told = |what: &str| assert!(file.contains(what), "{what}");
    told("cargo build --locked --profile dist -p deadline-proxy");
    told("COPY --from=build /src/target/dist/deadline-proxy /usr/bin/deadline-proxy");
    told("ENTRYPOINT [\"/usr/bin/deadline-proxy\"]");
    told("CMD [\"run\", \"--config\", \"/etc/deadline-proxy/deadline-proxy.toml\"]");
    assert!(text("Cargo.toml").contains("[profile.dist]"));
    let compiler = file.split("rust:").nth(1).and_then(|rest| rest.split('-').next()).expect("a version");
    let minor = |version: &str| version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
    let manifest: toml::Table = text("Cargo.toml").parse().unwrap();
    let least = manifest["workspace"]["package"]["rust-version"].as_str().and_then(minor);
    assert!(minor(compiler) >= least, "{compiler}");
}

#[test]
fn a_file_that_is_loose_is_found() {
    for base in ["debian", "debian:latest", "docker.io/library/rust:1 AS build", "localhost:5000/rust"] {
        assert!(loose(base).is_some(), "{base}");
    }
    let file = "FROM debian:latest\nUSER 0\nRUN apt-get update\nENTRYPOINT /usr/bin/deadline-proxy\nCMD [\"run\"]\n";
    let told = complaints(file).join("\n");
    for what in ["debian:latest", "USER", "STOPSIGNAL", "RUN", "ENTRYPOINT"] {
        assert!(told.contains(what), "{what}: {told}");
    }
    assert!(!told.contains("CMD"), "{told}");
}
