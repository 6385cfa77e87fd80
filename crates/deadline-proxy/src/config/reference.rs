//! What a file can say, for people: the schema as a page of Markdown.
//!
//! Covers every table and every key, each under a heading that can be linked to. Knows none of them by name: what the
//! page says of a key stands at the key, in `file`.

mod kind;
mod lines;
mod table;

use std::fmt::{self, Write};

use serde_json::Value;

use self::lines::wrapped;
use self::table::Table;

const OPENING: &str = "\
<!-- Made by `deadline-proxy schema --markdown` of the comments in crates/deadline-proxy/src/config/file: edit those. -->

# Configuration

";

const WORDS: &str = "\
A key is named here as complaints name it: `listener.tls.cert` is the key `cert` of the table `tls` of a `[[listener]]`,
and `NAME` is a name of your own. A file may write a table under its heading or inline, as TOML has it.
";

/// The reference of the configuration, in Markdown: for each key its kind, its default, its meaning, and examples.
///
/// # Example
///
/// ```
/// let page = deadline_proxy::config::reference();
/// assert!(page.contains("### `listener.tls.cert`\n\nA string. Needed.\n"));
/// ```
#[must_use]
pub fn reference() -> String {
    let mut page = String::new();
    // A string takes whatever is written.
    let _ = write(&mut page, &super::schema());
    page
}

fn write(page: &mut String, schema: &Value) -> fmt::Result {
    let tables = Table::all(schema);
    writeln!(page, "{OPENING}{}\n\n{WORDS}", wrapped(description(schema)))?;
    writeln!(page, "| table | |\n|---|---|")?;
    for table in &tables {
        let about = first_sentence(description(table.schema));
        writeln!(page, "| [{}](#{}) | {about} |", table.heading(), table.anchor())?;
    }
    tables.iter().try_for_each(|table| section(page, table))
}

fn section(page: &mut String, table: &Table) -> fmt::Result {
    writeln!(page, "\n## {}", table.heading())?;
    if !table.is_root() {
        let needed = if table.is_needed { " Needed." } else { "" };
        writeln!(page, "\n{}{needed}\n\n{}", table.form.words(), wrapped(description(table.schema)))?;
        examples(page, table.name(), table.schema)?;
    }
    for (key, schema, is_needed) in table.keys() {
        let kind = capital(&kind::words(schema));
        let default = schema.get("default").map(|default| format!(" Default: `{}`.", kind::toml(default)));
        let needed = if is_needed { " Needed." } else { "" };
        writeln!(page, "\n### `{}`\n\n{kind}.{}{needed}", table.path_of(key), default.unwrap_or_default())?;
        writeln!(page, "\n{}", wrapped(description(schema)))?;
        choices(page, schema)?;
        examples(page, key, schema)?;
    }
    Ok(())
}

/// What each of several words means.
fn choices(page: &mut String, schema: &Value) -> fmt::Result {
    let choices = schema["oneOf"].as_array().map_or(&[][..], Vec::as_slice);
    for (nth, choice) in choices.iter().enumerate() {
        let before = if nth == 0 { "\n" } else { "" };
        writeln!(page, "{before}- `{}`: {}", kind::toml(&choice["const"]), description(choice))?;
    }
    Ok(())
}

fn examples(page: &mut String, key: &str, schema: &Value) -> fmt::Result {
    let Some(examples) = schema["examples"].as_array() else { return Ok(()) };
    let lines = examples.iter().map(|example| format!("`{key} = {}`", kind::toml(example)));
    writeln!(page, "\nFor example {}.", kind::listed(lines))
}

fn description(schema: &Value) -> &str {
    schema["description"].as_str().unwrap_or_default()
}

/// On one line, for a row of a table.
fn first_sentence(text: &str) -> String {
    let paragraph = text.split("\n\n").next().unwrap_or(text).replace('\n', " ");
    paragraph.split_inclusive(". ").next().unwrap_or_default().trim_end().to_owned()
}

fn capital(words: &str) -> String {
    let mut chars = words.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
