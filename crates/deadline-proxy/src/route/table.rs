//! Which route a request takes.

use http::{HeaderMap, Method};

use super::{Matches, Route, Segment};

/// The routes, as they are looked up.
#[derive(Debug)]
pub struct Table(Vec<Matches>);

impl Table {
    /// These routes; the first that matches is taken.
    #[must_use]
    pub fn new(routes: &[Route]) -> Self {
        Self(routes.iter().map(|route| route.matches.clone()).collect())
    }

    /// The place of the route of this request.
    #[must_use]
    pub fn find(&self, host: &str, path: &str, method: &Method, headers: &HeaderMap) -> Option<usize> {
        let matches = |matches: &Matches| {
            (matches.hosts.is_empty() || matches.hosts.iter().any(|one| one.matches(host)))
                && is_path(matches, path)
                && (matches.methods.is_empty() || matches.methods.contains(method))
                && matches.fields.iter().all(|(name, field)| field.matches(name, headers))
        };
        self.0.iter().position(matches)
    }
}

fn is_path(matches: &Matches, path: &str) -> bool {
    let (mut parts, wanted) = (path.split('/').skip(1), &matches.path);
    let begins = wanted.segments.iter().all(|segment| match (segment, parts.next()) {
        (Segment::Fixed(fixed), Some(part)) => fixed == part,
        (Segment::Any(_), Some(part)) => !part.is_empty(),
        (_, None) => false,
    });
    begins && (wanted.is_prefix || parts.next().is_none())
}
