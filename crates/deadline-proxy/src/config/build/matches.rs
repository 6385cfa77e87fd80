//! What a route matches, and which route no request can take.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use http::header::HOST;
use http::{HeaderName, Method};

use super::{Context, fields};
use crate::config::file::{self, FieldOf};
use crate::config::path::Path;
use crate::config::value::Verb;
use crate::route::{FieldMatch, Host, Matches, PathMatch, Segment};

/// What a route matches.
pub(super) fn matches(table: &file::Route, path: &Path<'_>, context: Context<'_>) -> Matches {
    let hosts = table.host.get().map(|hosts| hosts.iter().map(|(_, host)| host.clone()).collect());
    let methods = table.method.get().map(|methods| methods.iter().map(|(_, Verb(method))| method.clone()).collect());
    Matches {
        hosts: hosts.unwrap_or_default(),
        path: path_match(table, path, context),
        methods: methods.unwrap_or_default(),
        fields: field_matches(table, path, context),
    }
}

fn path_match(table: &file::Route, path: &Path<'_>, context: Context<'_>) -> PathMatch {
    let (key, read) = match (table.prefix.get(), table.path.get()) {
        (None, None) => return PathMatch::default(),
        (Some(prefix), None) => ("prefix", PathMatch::prefix(prefix)),
        (None, Some(whole)) => ("path", PathMatch::pattern(whole)),
        (Some(_), Some(_)) => {
            context.complaints.key(&path.key("path"), "stands beside `prefix`; expected one of the two");
            return PathMatch::default();
        }
    };
    read.unwrap_or_else(|error| {
        context.complaints.value(&path.key(key), error.to_string());
        PathMatch::default()
    })
}

fn field_matches(table: &file::Route, path: &Path<'_>, context: Context<'_>) -> Vec<(HeaderName, FieldMatch)> {
    let above = path.key("headers");
    let mut wanted: Vec<(HeaderName, FieldMatch)> = Vec::new();
    for (key, value) in table.headers.get().into_iter().flatten() {
        let path = above.key(key);
        let Some(name) = fields::name(key, &path, context) else { continue };
        if name == HOST {
            let message = "is no field in HTTP/2; expected `host` of the route, which is matched in every version";
            context.complaints.key(&path, message);
        }
        if wanted.iter().any(|(other, _)| *other == name) {
            context.complaints.key(&path, "stands there twice, in other letters; expected each field once");
        }
        let field = match value.get() {
            Some(FieldOf::Is(secret)) => fields::value(secret, &path, context).map(FieldMatch::Is),
            Some(FieldOf::There(true)) => Some(FieldMatch::Present),
            Some(FieldOf::There(false)) => Some(FieldMatch::Absent),
            None => None,
        };
        wanted.extend(field.map(|field| (name, field)));
    }
    wanted
}

/// What routes have matched so far, each with its name: of two that match the same, the second is never taken.
#[derive(Default)]
pub(super) struct Taken {
    by: HashMap<Wanted, usize>,
    names: Vec<String>,
}

/// One kind of request: with one host and one method, or any.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Wanted {
    host: Option<Host>,
    path: (String, bool),
    method: Option<Method>,
    fields: Vec<(String, Option<Vec<u8>>, bool)>,
}

impl Taken {
    /// The name of the route that takes everything that this one matches, if there is one.
    pub(super) fn before(&mut self, name: &str, matches: &Matches) -> Option<&str> {
        let nth = self.names.len();
        self.names.push(name.to_owned());
        let Matches { hosts, path, methods, fields } = matches;
        let mut fields: Vec<_> = fields.iter().map(|(name, field)| known(name, field)).collect();
        fields.sort_unstable();
        let path = (path.segments.iter().map(known_segment).collect(), path.is_prefix);
        let mut by = None;
        let mut is_new = false;
        for host in any(hosts) {
            for method in any(methods) {
                let (path, fields) = (path.clone(), fields.clone());
                match self.by.entry(Wanted { host: host.clone(), path, method, fields }) {
                    Entry::Occupied(taken) => by = by.or(Some(*taken.get()).filter(|by| *by != nth)),
                    Entry::Vacant(free) => {
                        free.insert(nth);
                        is_new = true;
                    }
                }
            }
        }
        self.names.get(by.filter(|_| !is_new)?).map(String::as_str)
    }
}

/// Each of these, or `None` for whatever it is.
fn any<T: Clone>(several: &[T]) -> Vec<Option<T>> {
    if several.is_empty() { vec![None] } else { several.iter().cloned().map(Some).collect() }
}

fn known(name: &HeaderName, field: &FieldMatch) -> (String, Option<Vec<u8>>, bool) {
    let name = name.as_str().to_owned();
    match field {
        FieldMatch::Is(value) => (name, Some(value.as_bytes().to_owned()), true),
        FieldMatch::Present => (name, None, true),
        FieldMatch::Absent => (name, None, false),
    }
}

/// Names of `{parameters}` make no difference.
fn known_segment(segment: &Segment) -> String {
    match segment {
        Segment::Fixed(text) => format!("/{text}"),
        Segment::Any(_) => "/{}".to_owned(),
    }
}
