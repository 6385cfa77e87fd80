//! What a value can be, in words, and as it is written.

use serde_json::Value;

/// What a value can be: `a duration`, `a whole number from 1 up`.
pub(super) fn words(schema: &Value) -> String {
    let any = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array());
    if let Some(any) = any {
        return listed(any.iter().map(words));
    }
    if let Some(word) = schema.get("const") {
        return format!("`{}`", toml(word));
    }
    if let Some(all) = schema["enum"].as_array() {
        return listed(all.iter().map(|word| format!("`{}`", toml(word))));
    }
    match &schema["type"] {
        Value::Array(types) => listed(types.iter().map(|kind| of_type(kind, schema))),
        kind => of_type(kind, schema),
    }
}

fn of_type(kind: &Value, schema: &Value) -> String {
    match kind.as_str().unwrap_or_default() {
        "array" => format!("a list of {}", several(&schema["items"])),
        "object" => format!("a table of {}, by name", several(&schema["additionalProperties"])),
        "boolean" => "`true` or `false`".to_owned(),
        "integer" => format!("a whole number {}", bounds(schema)),
        "number" => format!("a number {}", bounds(schema)),
        // Of all that is written as a string, a schema can tell the form of this alone.
        "string" if schema.get("pattern").is_some() => "a duration".to_owned(),
        kind => format!("a {kind}"),
    }
}

/// `strings or booleans`.
fn several(schema: &Value) -> String {
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.as_slice(),
        kind => std::slice::from_ref(kind),
    };
    listed(kinds.iter().filter_map(Value::as_str).map(|kind| format!("{kind}s")))
}

fn bounds(schema: &Value) -> String {
    let least = &schema["minimum"];
    // What a number is kept in is no bound that a reader needs to know of.
    match schema["maximum"].as_u64().filter(|most| *most < u32::MAX.into()) {
        Some(most) => format!("from {least} to {most}"),
        None => format!("from {least} up"),
    }
}

/// `a, b or c`.
pub(super) fn listed(words: impl Iterator<Item = String>) -> String {
    let words: Vec<_> = words.collect();
    match words.split_last() {
        Some((last, before)) if !before.is_empty() => format!("{} or {last}", before.join(", ")),
        _ => words.concat(),
    }
}

/// A value as a file has it.
pub(super) fn toml(value: &Value) -> String {
    match value {
        Value::Array(all) => format!("[{}]", all.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Value::Object(all) if all.is_empty() => "{}".to_owned(),
        Value::Object(all) => {
            let all: Vec<_> = all.iter().map(|(key, value)| format!("{key} = {}", toml(value))).collect();
            format!("{{ {} }}", all.join(", "))
        }
        // TOML has the others as JSON has them.
        scalar => scalar.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_kind_is_told_in_words() {
        for (schema, told) in [
            (json!({ "type": "string" }), "a string"),
            (json!({ "type": "string", "pattern": "^[0-9]+s$" }), "a duration"),
            (json!({ "type": "boolean" }), "`true` or `false`"),
            (json!({ "type": "integer", "minimum": 1, "maximum": u32::MAX }), "a whole number from 1 up"),
            (json!({ "type": "integer", "minimum": 0 }), "a whole number from 0 up"),
            (json!({ "type": "integer", "minimum": 0, "maximum": 10 }), "a whole number from 0 to 10"),
            (json!({ "type": "number", "minimum": 0, "maximum": 1 }), "a number from 0 to 1"),
            (json!({ "type": ["string", "array"], "items": { "type": "string" } }), "a string or a list of strings"),
            (
                json!({ "type": "object", "additionalProperties": { "type": ["string", "boolean"] } }),
                "a table of strings or booleans, by name",
            ),
            (json!({ "oneOf": [{ "const": "a" }, { "const": "b" }, { "const": "c" }] }), "`\"a\"`, `\"b\"` or `\"c\"`"),
            (json!({ "anyOf": [{ "enum": ["a", "b"] }, { "type": "string" }] }), "`\"a\"` or `\"b\"` or a string"),
        ] {
            assert_eq!(words(&schema), told);
        }
    }

    #[test]
    fn a_value_is_written_as_toml_reads_it() {
        let value = json!({ "a": ["x \"y\"", 0.5], "b": { "c-d": true }, "e": {} });
        let written = toml(&value);
        assert_eq!(written, r#"{ a = ["x \"y\"", 0.5], b = { c-d = true }, e = {} }"#);
        let read: toml::Table = format!("key = {written}").parse().unwrap();
        assert_eq!(serde_json::to_value(&read["key"]).unwrap(), value);
    }
}
