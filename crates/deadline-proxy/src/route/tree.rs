//! The paths of routes, as a tree of their segments.
//!
//! Covers which routes a path has, the most specific first. Written for this and not taken from `matchit`, which
//! tells the one best path: here the next best is taken where a method or a field is another.
//!
//! Each node is looked at once at most, so that no path costs more than the routes that there are.

use std::collections::HashMap;

use super::path::Rest;
use super::{PathMatch, Segment};

/// What there is from one segment on. Routes are known by their places.
#[derive(Debug, Default)]
pub(super) struct Tree {
    fixed: HashMap<Box<[u8]>, Tree>,
    any: Option<Box<Tree>>,
    /// Those whose path ends here, in order of precedence.
    whole: Vec<usize>,
    /// Those whose prefix ends here, in order of precedence.
    begun: Vec<usize>,
}

impl Tree {
    /// Adds a route behind those of the same path.
    pub(super) fn add(&mut self, path: &PathMatch, route: usize) {
        let mut node = self;
        for segment in &path.segments {
            node = match segment {
                Segment::Fixed(text) => node.fixed.entry(text.as_bytes().into()).or_default(),
                Segment::Any(_) => node.any.get_or_insert_default(),
            };
        }
        if path.is_prefix { node.begun.push(route) } else { node.whole.push(route) }
    }

    /// The first route of this path that also takes the rest of the request: a fixed segment before any, a whole path
    /// before a prefix, a longer prefix before a shorter one.
    pub(super) fn find(&self, path: Rest<'_>, takes: &dyn Fn(usize) -> bool) -> Option<usize> {
        let first = |routes: &[usize]| routes.iter().copied().find(|route| takes(*route));
        if self.fixed.is_empty() && self.any.is_none() && self.whole.is_empty() {
            return first(&self.begun);
        }
        let within = match path.next() {
            Some((segment, rest)) => self.behind(&segment).find_map(|tree| tree.find(rest, takes)),
            None => first(&self.whole),
        };
        within.or_else(|| first(&self.begun))
    }

    /// Whether there is no route in it.
    pub(super) fn is_empty(&self) -> bool {
        self.fixed.is_empty() && self.any.is_none() && self.whole.is_empty() && self.begun.is_empty()
    }

    fn behind(&self, segment: &[u8]) -> impl Iterator<Item = &Self> {
        let any = self.any.as_deref().filter(|_| !segment.is_empty());
        self.fixed.get(segment).into_iter().chain(any)
    }
}
