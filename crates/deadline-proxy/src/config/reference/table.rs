//! The tables of a schema, each with its name and its keys.

use serde_json::{Map, Value};

/// How often a table can be there.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// Once: `[limits]`, and the whole file.
    One,
    /// As often as wanted, in order: `[[route]]`.
    Several,
    /// Once for each name: `[upstream.NAME]`.
    Named,
}

impl Form {
    /// What is said of it.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::One => "A table.",
            Self::Several => "A list of tables, in order.",
            Self::Named => "A table for each name.",
        }
    }
}

/// A table.
pub(super) struct Table<'a> {
    /// Where it says what it is about.
    pub(super) schema: &'a Value,
    pub(super) form: Form,
    /// Whether the table that it is in cannot do without it.
    pub(super) is_needed: bool,
    /// The path of a table within the file, and none of the file itself.
    path: String,
    properties: &'a Map<String, Value>,
    needed: &'a Value,
}

impl<'a> Table<'a> {
    /// The file, and every table in it: each before what is within it.
    pub(super) fn all(schema: &'a Value) -> Vec<Self> {
        let mut tables = Vec::new();
        collect(schema, "", false, &mut tables);
        tables
    }

    /// Whether it is the file.
    pub(super) fn is_root(&self) -> bool {
        self.path.is_empty()
    }

    /// As a file has it.
    pub(super) fn heading(&self) -> String {
        match self.form {
            Form::One if self.is_root() => "At the top of the file".to_owned(),
            Form::Several => format!("`[[{}]]`", self.path),
            Form::One | Form::Named => format!("`[{}]`", self.path),
        }
    }

    /// What a host of Git makes of the heading, for links.
    pub(super) fn anchor(&self) -> String {
        let kept = self.heading().to_lowercase().replace(' ', "-");
        kept.chars().filter(|char| char.is_alphanumeric() || "-_".contains(*char)).collect()
    }

    /// The key that it is the value of.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or_default()
    }

    /// The full name of one of its keys.
    pub(super) fn path_of(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// Its keys that are no tables of their own, with whether each is needed: first those that are.
    pub(super) fn keys(&self) -> impl Iterator<Item = (&'a str, &'a Value, bool)> {
        let of = |is_wanted: bool| {
            let keys = self.properties.iter().filter(|(_, schema)| within(schema).is_none());
            let keys = keys.map(|(key, schema)| (key.as_str(), schema, is_needed(self.needed, key)));
            keys.filter(move |(.., is_needed)| *is_needed == is_wanted)
        };
        of(true).chain(of(false))
    }
}

fn collect<'a>(schema: &'a Value, path: &str, is_needed_there: bool, tables: &mut Vec<Table<'a>>) {
    let Some((form, table, properties)) = within(schema) else { return };
    let path = if matches!(form, Form::Named) { join(path, "NAME") } else { path.to_owned() };
    let needed = &table["required"];
    tables.push(Table { schema, form, is_needed: is_needed_there, path: path.clone(), properties, needed });
    for (key, schema) in properties {
        collect(schema, &join(&path, key), is_needed(needed, key), tables);
    }
}

/// The table that is the value of a key, or each of several.
fn within(schema: &Value) -> Option<(Form, &Value, &Map<String, Value>)> {
    let places =
        [(Form::One, schema), (Form::Several, &schema["items"]), (Form::Named, &schema["additionalProperties"])];
    places.into_iter().find_map(|(form, table)| Some((form, table, table["properties"].as_object()?)))
}

fn is_needed(needed: &Value, key: &str) -> bool {
    needed.as_array().is_some_and(|needed| needed.iter().any(|needed| needed == key))
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
