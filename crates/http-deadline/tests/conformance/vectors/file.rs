//! A vector file: each of its cases is run, and each key of a case is used.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

/// One case: what goes in, and what has to come out.
pub(super) struct Case {
    pub(super) id: String,
    pub(super) given: Keys,
    pub(super) expected: Keys,
}

/// The keys of an `in` or an `out` that no check has used yet.
pub(super) struct Keys(BTreeMap<String, Value>);

/// Runs every case of a file.
pub(super) fn each(text: &str, check: impl FnMut(&mut Case)) {
    each_but(&[], text, check);
}

/// Runs every case of a file but those that another crate proves.
pub(super) fn each_but(elsewhere: &[&str], text: &str, mut check: impl FnMut(&mut Case)) {
    let (name, cases) = parse(text);
    let (left_out, here): (Vec<Case>, Vec<Case>) =
        cases.into_iter().partition(|case| elsewhere.contains(&case.id.as_str()));
    assert_eq!(left_out.len(), elsewhere.len(), "{name}: {elsewhere:?}");
    let mut ran = BTreeSet::new();
    for mut case in here {
        check(&mut case);
        for (part, keys) in [("in", &case.given), ("out", &case.expected)] {
            let unused: Vec<_> = keys.0.keys().collect();
            assert!(unused.is_empty(), "{} {part}: {unused:?}", case.id);
        }
        ran.insert(case.id);
    }
    // Counted in the text, so that nothing can be lost on the way, nor run twice under one name. One identity
    // is the file's own.
    let written = text.matches("\"id\"").count() - 1;
    assert_eq!(ran.len() + elsewhere.len(), written, "{name}");
}

fn parse(text: &str) -> (String, Vec<Case>) {
    let mut file = Keys::of(serde_json::from_str(text).unwrap());
    let name = file.text("id").unwrap();
    let Some(Value::Array(cases)) = file.take("cases") else {
        return (name, Vec::new());
    };
    (name, cases.into_iter().map(Case::of).collect())
}

impl Case {
    fn of(case: Value) -> Self {
        let mut keys = Keys::of(case);
        let mut part = |key| Keys::of(keys.take(key).unwrap());
        let (given, expected) = (part("in"), part("out"));
        let id = keys.text("id").unwrap();
        keys.take("note");
        assert!(keys.0.is_empty(), "{id}: {:?}", keys.0);
        Self { id, given, expected }
    }
}

impl Keys {
    /// The keys of an object; anything else stands under the key `value`.
    fn of(value: Value) -> Self {
        match value {
            Value::Object(keys) => Self(keys.into_iter().collect()),
            other => Self(BTreeMap::from([("value".to_owned(), other)])),
        }
    }

    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        self.0.remove(key)
    }

    /// All of them that are left, in order.
    pub(super) fn take_all(&mut self) -> BTreeMap<String, Value> {
        std::mem::take(&mut self.0)
    }

    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        self.take(key).map(|value| value.as_str().unwrap().into())
    }

    /// A number, or a number in quotes: nanoseconds do not fit into the numbers of every JSON reader.
    pub(super) fn integer(&mut self, key: &str) -> Option<i64> {
        let value = self.take(key)?;
        let parsed = value.as_str().map(|text| text.parse().unwrap());
        Some(parsed.unwrap_or_else(|| value.as_i64().unwrap()))
    }

    pub(super) fn nanos(&mut self, key: &str) -> Option<Duration> {
        let nanos = self.integer(key)?;
        Some(Duration::from_nanos(u64::try_from(nanos).unwrap()))
    }

    pub(super) fn millis(&mut self, key: &str) -> Option<Duration> {
        let millis = self.integer(key)?;
        Some(Duration::from_millis(u64::try_from(millis).unwrap()))
    }

    /// Whether the key is there. It is never there to say no.
    pub(super) fn flag(&mut self, key: &str) -> bool {
        let flag = self.take(key);
        assert!(matches!(flag, None | Some(Value::Bool(true))), "{key}");
        flag.is_some()
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, key: &str) -> Option<Vec<String>> {
        self.take(key).map(texts)
    }

    /// A list of fields: name and value.
    pub(super) fn fields(&mut self, key: &str) -> Option<Vec<(String, String)>> {
        let fields = self.take(key)?;
        let pair = |pair: &Value| match <[String; 2]>::try_from(texts(pair.clone())) {
            Ok([name, value]) => Some((name, value)),
            Err(_) => None,
        };
        fields.as_array().unwrap().iter().map(pair).collect()
    }
}

/// The texts of a list.
pub(super) fn texts(list: Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    list.as_array().unwrap().iter().map(text).collect()
}
