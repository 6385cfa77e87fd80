//! Which upstreams a route calls, one after the other (R38).

use std::collections::HashSet;
use std::time::Duration;

use http::StatusCode;

use super::Context;
use super::upstreams::{OFF, Upstreams};
use crate::attempt::{End, Outcome, TRY_LIMIT};
use crate::config::de::Key;
use crate::config::file;
use crate::config::path::Path;
use crate::config::value::Limit;

/// What `,` passes on: there is no such thing here.
const GONE: [StatusCode; 2] = [StatusCode::NOT_FOUND, StatusCode::GONE];

/// What stands between two upstreams.
const SEPARATORS: [char; 2] = [',', '|'];

/// The upstreams of a route, by name.
pub(super) struct Chain {
    pub(super) links: Vec<Named>,
    pub(super) end: End,
}

/// One upstream of a chain.
pub(super) struct Named {
    pub(super) upstream: String,
    pub(super) limit: Option<Duration>,
    pub(super) on: Vec<Outcome>,
    named: In,
}

/// Where an upstream is named.
enum In {
    /// In the table of the upstream itself.
    Itself,
    /// In `upstream` of the route.
    Upstream,
    /// In `chain` of the route, at this place.
    Chain(usize),
}

impl Named {
    /// Where it is named.
    pub(super) fn with_path<T>(&self, route: &Path<'_>, then: impl FnOnce(&Path<'_>) -> T) -> T {
        match self.named {
            In::Itself => then(route),
            In::Upstream => then(&route.key("upstream")),
            In::Chain(nth) => then(&route.key("chain").element(nth).key("upstream")),
        }
    }
}

impl Chain {
    /// This one alone.
    pub(super) fn only(upstream: &str) -> Self {
        let only = Named { upstream: upstream.to_owned(), limit: None, on: Vec::new(), named: In::Itself };
        Self { links: vec![only], end: End::Answer }
    }

    fn push(&mut self, upstream: &str, on: Vec<Outcome>) {
        self.links.push(Named { upstream: upstream.to_owned(), limit: None, on, named: In::Upstream });
    }
}

/// The chain of a route; none where it has been complained of.
pub(super) fn chain(
    table: &file::Route,
    path: &Path<'_>,
    upstreams: &mut Upstreams<'_>,
    context: Context<'_>,
) -> Option<Chain> {
    let Chain { mut links, end } = said(table, path, context)?;
    let mut seen = HashSet::new();
    for link in &links {
        link.with_path(path, |path| {
            if upstreams.is_known(&link.upstream, path) && !seen.insert(link.upstream.as_str()) {
                let message = format!("`{}` stands there twice; expected each upstream once", link.upstream);
                context.complaints.value(path, message);
            }
        });
    }
    let own = table.try_timeout.get().map(|Limit(limit)| *limit).or(Some(TRY_LIMIT).filter(|_| links.len() > 1));
    for link in &mut links {
        link.limit = link.limit.or(own);
    }
    Some(Chain { links, end })
}

/// What the route says, in one of two ways.
fn said(table: &file::Route, path: &Path<'_>, context: Context<'_>) -> Option<Chain> {
    let complaints = context.complaints;
    match (table.upstream.get(), table.chain.get()) {
        (Some(text), None) => brief(text, &path.key("upstream"), context),
        (None, Some(links)) => full(links, &path.key("chain"), context),
        (Some(_), Some(_)) => {
            complaints.key(&path.key("chain"), "stands beside `upstream`; expected one of the two");
            None
        }
        (None, None) => {
            let message = "a route without an upstream; expected the name of a table [upstream.NAME]";
            if !context.is_wrong(&table.chain, &path.key("chain")) {
                complaints.missing(path, "upstream", message);
            }
            None
        }
    }
}

/// From `corp,mirror|direct`.
fn brief(text: &str, path: &Path<'_>, context: Context<'_>) -> Option<Chain> {
    let mut chain = Chain { links: Vec::new(), end: End::Answer };
    let parts: Vec<&str> = text.split_inclusive(SEPARATORS).collect();
    for (nth, part) in parts.iter().enumerate() {
        let name = part.trim_end_matches(SEPARATORS).trim();
        if let Some(wrong) = wrong(name, part, (nth, nth + 1 == parts.len())) {
            context.complaints.value(path, format!("{text:?} {wrong}"));
            return None;
        }
        match part.chars().last() {
            _ if name == OFF => chain.end = End::Off,
            Some(',') => chain.push(name, GONE.map(Outcome::Status).to_vec()),
            Some('|') => chain.push(name, vec![Outcome::Any]),
            _ => chain.push(name, Vec::new()),
        }
    }
    if parts.is_empty() {
        context.complaints.value(path, "names no upstream; expected the name of a table [upstream.NAME]");
        return None;
    }
    Some(chain)
}

/// What is wrong with a part of `corp,mirror|direct`: the name and the separator behind it, at this place.
fn wrong(name: &str, part: &str, (nth, is_last): (usize, bool)) -> Option<&'static str> {
    if name.is_empty() {
        Some("has a separator without an upstream beside it; expected names with `,` or `|` between them")
    } else if is_last && part.ends_with(SEPARATORS) {
        Some("ends in a separator; expected an upstream after it, or none")
    } else if name == OFF && !is_last {
        Some("has `off` in the middle, and nothing comes after that; expected it at the end")
    } else if name == OFF && nth == 0 {
        Some("ends before it begins; expected an upstream before `off`")
    } else {
        None
    }
}

/// From `[{ upstream = "corp", on = ["404"] }, { upstream = "mirror" }]`.
fn full(tables: &[Key<file::Link>], path: &Path<'_>, context: Context<'_>) -> Option<Chain> {
    let mut chain = Chain { links: Vec::new(), end: End::Answer };
    if tables.is_empty() {
        context.complaints.value(path, "names no upstream; expected at least one");
    }
    for (nth, table) in tables.iter().enumerate() {
        let (path, is_last) = (path.element(nth), nth + 1 == tables.len());
        let Some(table) = table.get() else { continue };
        let message = "a link without an upstream; expected the name of a table [upstream.NAME]";
        context.complaints.missing(&path, "upstream", message);
        match table.upstream.get() {
            Some(off) if off == OFF => {
                check_off(table, &path, (nth, is_last), context);
                chain.end = End::Off;
            }
            Some(upstream) => {
                check_edge(table, &path, is_last, context);
                let on = table.on.get().into_iter().flat_map(|on| on.iter()).map(|(_, outcome)| *outcome).collect();
                let limit = table.timeout.get().map(|Limit(limit)| *limit);
                chain.links.push(Named { upstream: upstream.clone(), limit, on, named: In::Chain(nth) });
            }
            None => {}
        }
    }
    Some(chain).filter(|chain| !chain.links.is_empty())
}

fn check_edge(table: &file::Link, path: &Path<'_>, is_last: bool, context: Context<'_>) {
    if !is_last {
        let message = "nothing goes on to the next upstream; expected outcomes such as [\"404\", \"410\"]";
        context.complaints.missing(path, "on", message);
    } else if table.on.get().is_some() {
        let message = "nothing comes after the last upstream; expected another one, `off`, or no `on`";
        context.complaints.key(&path.key("on"), message);
    }
}

fn check_off(table: &file::Link, path: &Path<'_>, (nth, is_last): (usize, bool), context: Context<'_>) {
    let complaints = context.complaints;
    if !is_last {
        let message = "`off` stands in the middle, and nothing comes after that; expected it at the end";
        complaints.value(&path.key("upstream"), message);
    } else if nth == 0 {
        complaints.value(&path.key("upstream"), "`off` stands alone; expected an upstream before it");
    }
    for (key, is_there) in [("on", table.on.get().is_some()), ("timeout", table.timeout.get().is_some())] {
        if is_there {
            complaints.key(&path.key(key), "`off` is no upstream and is not tried; expected it alone");
        }
    }
}
