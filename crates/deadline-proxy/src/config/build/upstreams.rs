//! Upstreams, by name, and those that are another for each host.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Context;
use super::template::{DIRECT, Template};
use crate::config::file::File;
use crate::config::path::Path;
use crate::upstream::Settings;

/// The end of a chain, which is no upstream.
pub(super) const OFF: &str = "off";

/// Every upstream that a route can name, and those that were.
pub(super) struct Upstreams<'c> {
    known: BTreeMap<String, Template>,
    /// Those that go to the proxy, with their place there.
    made: Vec<Settings>,
    places: HashMap<(String, Option<String>), usize>,
    used: BTreeSet<String>,
    context: Context<'c>,
}

impl<'c> Upstreams<'c> {
    /// Those of a file.
    pub(super) fn of(file: &File, context: Context<'c>) -> Self {
        let mut known = BTreeMap::new();
        for (name, table) in file.upstream.get().into_iter().flatten() {
            let above = Path::Root.key("upstream");
            let path = above.key(name);
            check_name(name, &path, context);
            let template = table.get().map(|table| Template::read(name, table, &path, context));
            // One that is no table has a name all the same.
            known.insert(name.clone(), template.unwrap_or_else(|| Template::new(name)));
        }
        known.entry(DIRECT.to_owned()).or_insert_with(Template::direct);
        Self { known, made: Vec::new(), places: HashMap::new(), used: BTreeSet::new(), context }
    }

    /// The one that has a table, where there is only one.
    pub(super) fn only(&self, file: &File) -> Option<String> {
        let mut names = file.upstream.get()?.keys();
        names.next().filter(|_| names.next().is_none()).cloned()
    }

    /// Whether there is one of this name; complains where there is none. Whoever asks uses it.
    pub(super) fn is_known(&mut self, name: &str, path: &Path<'_>) -> bool {
        if self.known.contains_key(name) {
            self.used.insert(name.to_owned());
            return true;
        }
        let message = format!("there is no upstream `{name}`; expected the name of a table [upstream.NAME]");
        self.context.complaints.word(path, message, (name, self.known.keys().map(String::as_str)));
        false
    }

    /// Whether it is another one for each host.
    pub(super) fn is_by_host(&self, name: &str) -> bool {
        self.known.get(name).is_some_and(Template::is_by_host)
    }

    /// Its place among those of the proxy, for requests to this host.
    pub(super) fn place(&mut self, name: &str, host: Option<&str>, path: &Path<'_>) -> Option<usize> {
        let template = self.known.get(name)?;
        let host = host.filter(|_| template.is_by_host());
        let key = (name.to_owned(), host.map(str::to_owned));
        if let Some(place) = self.places.get(&key) {
            return Some(*place);
        }
        let settings = match host.map(|host| template.at(host)) {
            Some(Ok(settings)) => settings,
            Some(Err(message)) => {
                self.context.complaints.value(path, message);
                return None;
            }
            None => template.settings(),
        };
        self.made.push(settings);
        self.places.insert(key, self.made.len() - 1);
        Some(self.made.len() - 1)
    }

    /// Complains of those that no route uses.
    pub(super) fn check_used(&self, file: &File) {
        let tables = file.upstream.get().into_iter().flat_map(BTreeMap::keys);
        for name in tables.filter(|name| !self.used.contains(*name)) {
            let path = Path::Root;
            let message = "no route uses it; expected a route with it, or no such table";
            self.context.complaints.key(&path.key("upstream").key(name), message);
        }
    }

    /// Those that go to the proxy.
    pub(super) fn into_made(self) -> Vec<Settings> {
        self.made
    }
}

fn check_name(name: &str, path: &Path<'_>, context: Context<'_>) {
    let is_bad = |char: char| ",|".contains(char) || char.is_whitespace() || char.is_control();
    if name == OFF {
        context.complaints.key(path, "`off` is the end of a chain; expected another name");
    } else if name.is_empty() || name.contains(is_bad) {
        let message = format!("{name:?} cannot stand in a chain; expected a name without blank, `,` and `|`");
        context.complaints.key(path, message);
    }
}
