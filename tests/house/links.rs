//! Where the papers lead to.

use super::{Outcome, nothing_in, tree};

/// The targets of the links in a text, without those to other hosts.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://"))
}

/// What a host of Git makes of the headings of a paper.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let words = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        words.chars().filter(|char| char.is_alphanumeric() || "-_".contains(*char)).collect()
    };
    headings.map(anchor).collect()
}

/// The links of a paper that lead nowhere: to no file, or to no heading of a paper.
fn dead(path: &str, text: &str, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let is_dead = |link: &&str| {
        let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
        let target = if file.is_empty() { Some(text.to_owned()) } else { read(&format!("{folder}/{file}")) };
        target.is_none_or(|target| !anchor.is_empty() && !anchors(&target).iter().any(|known| known == anchor))
    };
    links(text).filter(is_dead).map(|link| format!("{path}: {link} leads nowhere")).collect()
}

#[test]
fn every_link_of_the_papers_leads_to_a_file_and_to_a_heading() -> Outcome {
    let papers: Vec<_> = tree::papers()?;
    assert!(papers.iter().any(|(path, _)| path == "docs/recipes.md"));
    let complaints = papers.iter().flat_map(|(path, text)| dead(path, text, tree::readable));
    nothing_in(&complaints.collect::<Vec<_>>());
    Ok(())
}

#[test]
fn no_two_headings_of_the_reference_share_an_anchor() -> Outcome {
    let mut anchors = anchors(&tree::text("docs/configuration.md")?);
    let count = anchors.len();
    anchors.sort();
    anchors.dedup();
    assert!(count > 90 && anchors.len() == count, "{} of {count}", anchors.len());
    Ok(())
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let read = |path: &str| (path == "docs/b.md").then(|| "# Its `[head.ing]` here\n".to_owned());
    let text = "# Top\n[a](#top) [b](b.md) [c](b.md#its-heading-here) [d](https://d.example/e)\n[e](e.md) [f](b.md#none) [g](#no)";
    let told = ["docs/a.md: e.md leads nowhere", "docs/a.md: b.md#none leads nowhere", "docs/a.md: #no leads nowhere"];
    assert_eq!(dead("docs/a.md", text, read), told);
}
