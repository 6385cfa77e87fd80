//! Which upstreams a route calls, one after the other (R38).

use std::collections::HashSet;
use std::time::Duration;

use http::StatusCode;

use super::Context;
use super::upstreams::{OFF, Upstreams};
use crate::attempt::{End, Outcome};
use crate::config::file;
use crate::config::path::Path;
use crate::config::value::Limit;

/// The most that one try takes in a chain where nobody says anything else: long enough for a mirror that is far away,
/// and short enough to ask another.
const TRY_LIMIT: Duration = Duration::from_secs(30);

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
}

/// The chain of a route; none where it has been complained of.
pub(super) fn chain(
    table: &file::Route,
    path: &Path<'_>,
    upstreams: &mut Upstreams<'_>,
    context: Context<'_>,
) -> Option<Chain> {
    let complaints = context.complaints;
    let chain = match (table.upstream.get(), table.chain.get()) {
        (Some(_), Some(_)) => {
            complaints.key(&path.key("chain"), "stands beside `upstream`; expected one of the two");
            None
        }
        (None, None) => {
            if !path.key("chain").is_in(complaints.root()) {
                complaints.missing(
                    path,
                    "upstream",
                    "a route without an upstream; expected the name of a table [upstream.NAME]",
                );
            }
            None
        }
        (Some(text), None) => brief(text, &path.key("upstream"), context),
        (None, Some(links)) => full(links, &path.key("chain"), context),
    };
    let Chain { mut links, end } = chain?;
    let mut seen = HashSet::new();
    for link in &links {
        link.with_path(path, |path| {
            if upstreams.is_known(&link.upstream, path) && !seen.insert(link.upstream.as_str()) {
                let message = format!("`{}` stands there twice; expected each upstream once", link.upstream);
                complaints.value(path, message);
            }
        });
    }
    let own = table.try_timeout.get().map(|Limit(limit)| *limit).or(Some(TRY_LIMIT).filter(|_| links.len() > 1));
    for link in &mut links {
        link.limit = link.limit.or(own);
    }
    Some(Chain { links, end })
}

/// From `corp,mirror|direct`.
fn brief(text: &str, path: &Path<'_>, context: Context<'_>) -> Option<Chain> {
    let parts: Vec<&str> = text.split_inclusive([',', '|']).collect();
    let mut chain = Chain { links: Vec::new(), end: End::Answer };
    for (nth, part) in parts.iter().enumerate() {
        let name = part.trim_end_matches([',', '|']).trim();
        let on = match part.chars().last() {
            Some(',') => vec![Outcome::Status(StatusCode::NOT_FOUND), Outcome::Status(StatusCode::GONE)],
            Some('|') => vec![Outcome::Any],
            _ => Vec::new(),
        };
        let is_last = nth + 1 == parts.len();
        let wrong = if name.is_empty() {
            Some("has a separator without an upstream beside it; expected names with `,` or `|` between them")
        } else if is_last && !on.is_empty() {
            Some("ends in a separator; expected an upstream after it, or none")
        } else if name == OFF && !is_last {
            Some("has `off` in the middle, and nothing comes after that; expected it at the end")
        } else if name == OFF && chain.links.is_empty() {
            Some("ends before it begins; expected an upstream before `off`")
        } else {
            None
        };
        if let Some(wrong) = wrong {
            context.complaints.value(path, format!("{text:?} {wrong}"));
            return None;
        }
        if name == OFF {
            chain.end = End::Off;
        } else {
            chain.links.push(Named { upstream: name.to_owned(), limit: None, on, named: In::Upstream });
        }
    }
    if chain.links.is_empty() {
        context.complaints.value(path, "names no upstream; expected the name of a table [upstream.NAME]");
        return None;
    }
    Some(chain)
}

/// From `[{ upstream = "corp", on = ["404"] }, { upstream = "mirror" }]`.
fn full(tables: &[crate::config::de::Key<file::Link>], path: &Path<'_>, context: Context<'_>) -> Option<Chain> {
    let complaints = context.complaints;
    let mut chain = Chain { links: Vec::new(), end: End::Answer };
    for (nth, table) in tables.iter().enumerate() {
        let (path, is_last) = (path.element(nth), nth + 1 == tables.len());
        let Some(table) = table.get() else { continue };
        complaints.missing(
            &path,
            "upstream",
            "a link without an upstream; expected the name of a table [upstream.NAME]",
        );
        let Some(upstream) = table.upstream.get() else { continue };
        let on: Vec<_> = table.on.get().into_iter().flat_map(|on| on.iter()).map(|(_, outcome)| *outcome).collect();
        if upstream == OFF {
            off(table, &path, (nth, is_last), context);
            chain.end = End::Off;
            continue;
        }
        if is_last && table.on.get().is_some() {
            complaints
                .key(&path.key("on"), "nothing comes after the last upstream; expected another one, `off`, or no `on`");
        }
        if !is_last {
            complaints.missing(
                &path,
                "on",
                "nothing goes on to the next upstream; expected outcomes such as [\"404\", \"410\"]",
            );
        }
        let limit = table.timeout.get().map(|Limit(limit)| *limit);
        chain.links.push(Named { upstream: upstream.clone(), limit, on, named: In::Chain(nth) });
    }
    if tables.is_empty() {
        complaints.value(path, "names no upstream; expected at least one");
    }
    Some(chain).filter(|chain| !chain.links.is_empty())
}

fn off(table: &file::Link, path: &Path<'_>, (nth, is_last): (usize, bool), context: Context<'_>) {
    let complaints = context.complaints;
    if !is_last {
        complaints.value(
            &path.key("upstream"),
            "`off` stands in the middle, and nothing comes after that; expected it at the end",
        );
    } else if nth == 0 {
        complaints.value(&path.key("upstream"), "`off` stands alone; expected an upstream before it");
    }
    for (key, is_there) in [("on", table.on.get().is_some()), ("timeout", table.timeout.get().is_some())] {
        if is_there {
            complaints.key(&path.key(key), "`off` is no upstream and is not tried; expected it alone");
        }
    }
}
