//! What a file can say, for editors and for the reference.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::Value;

use super::file::File;

/// The schema of a configuration file, as JSON Schema (draft 7, which editors of TOML know). Every key is in it, with its
/// description, and with its default where it has one. It is all in one piece, without references.
#[must_use]
pub fn schema() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let settings = settings.with_transform(RecursiveTransform(join_lines));
    settings.into_generator().into_root_schema_for::<File>().to_value()
}

/// A comment has as many lines as fit into the source; whoever shows it breaks it anew. An empty line is a paragraph.
fn join_lines(schema: &mut Schema) {
    let Some(Value::String(text)) = schema.get_mut("description") else { return };
    let paragraphs: Vec<_> = text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect();
    *text = paragraphs.join("\n\n");
}
