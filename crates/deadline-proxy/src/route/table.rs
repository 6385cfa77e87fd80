//! Which of many routes a request takes.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::iter::once;

use http::Request;

use super::host::{above, host};
use super::path::{Rest, is_clear};
use super::tree::Tree;
use super::words::{unmet, why};
use super::{Host, Matches, Miss, PathMatch, Route, Taken};

/// The routes, as they are looked up; see the [module](super) for which is taken.
///
/// A look-up costs a few hashes whatever the number of routes: one for each label of the host and each segment of the
/// path. It costs more where less specific routes have to be looked at too, or routes of the same path differ by method
/// or fields, and never more than a look at each route.
#[derive(Debug)]
pub struct Table {
    /// In their order.
    routes: Vec<(Taken, Matches)>,
    exact: HashMap<String, Tree>,
    under: HashMap<String, Tree>,
    /// Bytes of the longest of `under`: no longer one is looked for.
    longest: usize,
    /// Those that name no host.
    any: Tree,
    has_paths: bool,
}

impl Table {
    /// These routes.
    #[must_use]
    pub fn new(routes: &[Route]) -> Self {
        let mut table = Self {
            routes: routes.iter().map(|route| (Taken::new(route), route.matches.clone())).collect(),
            exact: HashMap::new(),
            under: HashMap::new(),
            longest: 0,
            any: Tree::default(),
            has_paths: routes.len() > 1 || routes.iter().any(needs_path),
        };
        let mut order: Vec<_> = routes.iter().map(|route| &route.matches).enumerate().collect();
        // The sort keeps the order of those that say as much.
        order.sort_by_key(|(_, matches)| (matches.methods.is_empty(), Reverse(matches.fields.len())));
        for (route, matches) in order {
            table.add(route, matches);
        }
        table
    }

    fn add(&mut self, route: usize, matches: &Matches) {
        if matches.hosts.is_empty() {
            self.any.add(&matches.path, route);
        }
        for host in &matches.hosts {
            let tree = match host {
                Host::Exact(host) => self.exact.entry(host.clone()).or_default(),
                Host::Under(host) => {
                    self.longest = self.longest.max(host.len());
                    self.under.entry(host.clone()).or_default()
                }
            };
            tree.add(&matches.path, route);
        }
    }

    /// The place of the route of this request. Allocates nothing for an ordinary host and path.
    ///
    /// # Errors
    ///
    /// [`Miss::Path`] for a path that could be read as another, where there are several routes or one that looks at
    /// paths; [`Miss::NoRoute`] where none takes it.
    pub fn find<B>(&self, request: &Request<B>) -> Result<usize, Miss> {
        if self.has_paths {
            is_clear(request.uri().path())?;
        }
        let takes = |route: usize| self.routes.get(route).is_some_and(|(_, matches)| matches.takes(request));
        self.first(request, &takes).ok_or(Miss::NoRoute)
    }

    /// What the route of this place is called, and what it is held to.
    #[must_use]
    pub fn taken(&self, route: usize) -> Option<&Taken> {
        self.routes.get(route).map(|(taken, _)| taken)
    }

    /// What was found, and why, in words.
    pub(super) fn explain<B>(&self, request: &Request<B>, found: Result<usize, Miss>) -> Option<String> {
        let host = host(request.uri(), request.headers());
        Some(match found {
            Ok(route) => {
                let (taken, matches) = self.routes.get(route)?;
                format!("{}: {}", taken.route, why(matches, &host))
            }
            Err(Miss::Path(unclear)) => format!("none: {unclear}"),
            Err(Miss::NoRoute) => match self.first(request, &|_| true).and_then(|nearest| self.routes.get(nearest)) {
                Some((taken, matches)) => format!("none: {} wants {}", taken.route, unmet(matches, request)),
                None if self.trees(&host).all(Tree::is_empty) => format!("none: no route is for {host:?}"),
                None => format!("none: no route for {host:?} has this path"),
            },
        })
    }

    /// In order of precedence.
    fn first<B>(&self, request: &Request<B>, takes: &dyn Fn(usize) -> bool) -> Option<usize> {
        let path = Rest::of(request.uri().path());
        if self.exact.is_empty() && self.under.is_empty() {
            return self.any.find(path, takes);
        }
        self.trees(&host(request.uri(), request.headers())).find_map(|tree| tree.find(path, takes))
    }

    /// Of an exact host, of each that it is under, and of those without one.
    fn trees<'a>(&'a self, host: &'a str) -> impl Iterator<Item = &'a Tree> {
        let above = (!self.under.is_empty()).then(|| above(host, self.longest));
        let under = above.into_iter().flatten().filter_map(|above| self.under.get(above));
        self.exact.get(host).into_iter().chain(under).chain(once(&self.any))
    }
}

/// Whether it matters which path this is.
fn needs_path(route: &Route) -> bool {
    route.rewrite.is_some() || route.matches.path != PathMatch::default()
}
