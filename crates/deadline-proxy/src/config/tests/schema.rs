//! That the schema says what is so.

use serde_json::{Map, Value, json};
use tower_deadline::PolicySet;

use super::*;

/// A file in which every table is there, and hardly any key.
fn sparse() -> Value {
    json!({
        "listener": [{ "address": "[::]:80", "side": "edge" }],
        "limits": {},
        "forwarding": {},
        "access_log": { "requests": "sampled" },
        "traces": { "endpoint": "http://a" },
        "retry_budget": {},
        "upstream": { "app": { "targets": "https://app", "tls": {}, "ejection": {}, "health": {} } },
        "policy": { "default": { "retries": 1 } },
        "route": [
            { "upstream": "app", "prefix": "/a", "upgrade": ["websocket"], "tunnel": {}, "rewrite": { "prefix": "/v2" } },
            { "name": "b", "upstream": "app", "prefix": "/b" },
        ],
    })
}

/// As it would be written in a file.
fn toml(value: &Value) -> String {
    match value {
        Value::Array(all) => format!("[{}]", all.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Value::Object(all) => {
            let all: Vec<_> = all.iter().map(|(key, value)| format!("{key} = {}", toml(value))).collect();
            format!("{{ {} }}", all.join(", "))
        }
        scalar => scalar.to_string(),
    }
}

fn file(value: &Value) -> String {
    value.as_object().unwrap().iter().map(|(key, value)| format!("{key} = {}\n", toml(value))).collect()
}

/// What is done with the keys that a table can have, the table, and its path.
type Then<'t> = dyn FnMut(&Map<String, Value>, &mut Map<String, Value>, &str) + 't;

/// Calls this with each table, its schema and its path.
fn each_table(schema: &Value, value: &mut Value, path: &str, then: &mut Then<'_>) {
    if let Value::Array(all) = value {
        for (nth, value) in all.iter_mut().enumerate() {
            each_table(&schema["items"], value, &format!("{path}[{}]", nth + 1), then);
        }
    } else if let Value::Object(table) = value {
        if let Some(known) = schema["properties"].as_object() {
            then(known, table, path);
        }
        for (key, value) in table {
            let schema = schema["properties"].get(key).unwrap_or(&schema["additionalProperties"]);
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            each_table(schema, value, &path, then);
        }
    }
}

#[test]
fn what_is_called_a_default_is_what_holds_without_it() {
    let (mut explicit, mut count) = (sparse(), 0);
    each_table(&schema(), &mut explicit, "", &mut |known, table, _| {
        for (key, schema) in known {
            if let Some(default) = schema.get("default").filter(|_| !table.contains_key(key)) {
                table.insert(key.clone(), default.clone());
                count += 1;
            }
        }
    });
    assert!(count > 45, "{count} defaults");
    let shown = |value: &Value| {
        settings(&file(value))
            .map(|settings| format!("{settings:#?}"))
            .unwrap_or_else(|told| panic!("{told}"))
    };
    assert_eq!(shown(&explicit), shown(&sparse()));
}

#[test]
fn every_example_of_a_key_can_stand_there() {
    let schema = schema();
    let mut cases = Vec::new();
    each_table(&schema, &mut sparse(), "", &mut |known, _, path| {
        for (key, schema) in known {
            let examples = schema.get("examples").and_then(Value::as_array).into_iter().flatten();
            cases.extend(examples.map(|example| (path.to_owned(), key.clone(), example.clone())));
        }
    });
    assert!(cases.len() > 25, "{} examples", cases.len());
    for (at, key, example) in cases {
        let mut with = sparse();
        each_table(&schema, &mut with, "", &mut |_, table, path| {
            if path == at {
                table.insert(key.clone(), example.clone());
            }
        });
        let told = parse("f", &file(&with), &|_| Some("x".to_owned())).err();
        let about = told
            .iter()
            .flat_map(Error::complaints)
            .filter(|about| about.key().starts_with(&format!("{at}.{key}")));
        // What it refers to is not there, nor is what it needs beside it.
        let is_shape = |message: &str| !message.starts_with("there is no ") && !message.contains("beside");
        let wrong: Vec<_> = about.filter(|about| is_shape(about.message())).collect();
        assert!(wrong.is_empty(), "{at}.{key} = {example}: {wrong:?}");
    }
}

#[test]
fn every_key_is_described_and_its_table_knows_no_other() {
    fn check(schema: &Value, path: &str, count: &mut usize) {
        for (key, schema) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{key}");
            let described = schema["description"].as_str().unwrap_or_default();
            let is_one_line = !described.replace("\n\n", "").contains('\n');
            assert!(described.ends_with('.') && is_one_line, "{path}: {described:?}");
            *count += 1;
            check(schema, &path, count);
            check(&schema["items"], &path, count);
            check(&schema["additionalProperties"], &path, count);
        }
        if schema.get("properties").is_some() {
            assert_eq!(schema["additionalProperties"], false, "{path}");
        }
    }
    let mut count = 0;
    let schema = schema();
    check(&schema, "", &mut count);
    assert!(count > 90, "{count} keys");
    assert!(!schema.to_string().contains("$ref"), "it is in one piece");
}

#[test]
fn the_schema_has_the_keys_of_a_policy_that_its_reader_has() {
    let schema = schema();
    let policy = schema["properties"]["policy"]["additionalProperties"]["properties"].as_object().unwrap();
    let mut keys: Vec<_> = PolicySet::KEYS.iter().chain(&OWN_KEYS).map(|key| (*key).to_owned()).collect();
    keys.sort();
    assert_eq!(policy.keys().cloned().collect::<Vec<_>>(), keys);
}
