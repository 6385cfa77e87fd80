//! What a file can say, for editors and for the reference.

use schemars::generate::SchemaSettings;

use super::file::File;

/// The schema of a configuration file, as JSON Schema (draft 7, which editors of TOML know). Every key is in it, with its
/// description, and with its default where it has one. It is all in one piece, without references.
#[must_use]
pub fn schema() -> serde_json::Value {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<File>().to_value()
}
