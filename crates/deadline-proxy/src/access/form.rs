//! The form of a line: the same keys in the same order, as text or as JSON.
//!
//! Nobody can forge a line: whatever is not a letter, a digit, a space or a mark of ASCII is written as an escape. So no
//! value ends its line, moves a terminal's cursor, or turns the direction of what follows.

use std::fmt::Write;
use std::time::Duration;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::Format;

/// A line: keys and values, in order. What is not known is not there.
pub(super) type Line = Vec<(&'static str, Value)>;

/// One value of a line.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(String),
    Number(u64),
    /// In milliseconds, to the microsecond.
    Millis(Duration),
    /// Stages, and what each took.
    Spent(Vec<(&'static str, Duration)>),
    /// Upstreams, and why each was passed by.
    Passed(Vec<(String, String)>),
}

impl Value {
    pub(super) fn text(text: impl ToString) -> Self {
        Self::Text(text.to_string())
    }

    /// What of it is no UTF-8 is a mark that says so.
    pub(super) fn bytes(bytes: &[u8]) -> Self {
        Self::Text(String::from_utf8_lossy(bytes).into_owned())
    }
}

/// The line in this form, with its end.
pub(super) fn written(line: &Line, format: Format) -> String {
    let mut written = match format {
        Format::Text => text(line),
        Format::Json => json(line),
    };
    written.push('\n');
    written
}

fn text(line: &Line) -> String {
    let mut text = String::new();
    for (key, value) in line {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(key);
        text.push('=');
        match value {
            Value::Text(value) => push_text(&mut text, value),
            // Writing into a string does not fail.
            Value::Number(number) => {
                let _ = write!(text, "{number}");
            }
            Value::Millis(time) => {
                let _ = write!(text, "{}", millis(*time));
            }
            Value::Spent(stages) => {
                let stages = stages.iter().map(|(stage, time)| format!("{stage}:{}", millis(*time)));
                push_text(&mut text, &stages.collect::<Vec<_>>().join(","));
            }
            Value::Passed(passed) => {
                let passed = passed.iter().map(|(upstream, why)| format!("{upstream}:{why}"));
                push_text(&mut text, &passed.collect::<Vec<_>>().join(","));
            }
        }
    }
    text
}

/// Quoted where a reader that splits at spaces and `=` would read something else.
fn push_text(line: &mut String, value: &str) {
    let is_plain =
        |char: char| char.is_alphanumeric() || (char.is_ascii_graphic() && !matches!(char, '"' | '=' | '\\'));
    if !value.is_empty() && value.chars().all(is_plain) {
        line.push_str(value);
        return;
    }
    line.push('"');
    for char in value.chars() {
        match char {
            '"' | '\\' => line.extend(['\\', char]),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            ' ' | '=' => line.push(char),
            plain if is_plain(plain) => line.push(plain),
            other => line.extend(other.escape_unicode()),
        }
    }
    line.push('"');
}

fn json(line: &Line) -> String {
    // Text under keys that are text is always JSON.
    let json = serde_json::to_string(&Object(line)).unwrap_or_default();
    if json.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return json;
    }
    // What is left stands within a string, and JSON knows only one way to escape it.
    let mut escaped = String::with_capacity(json.len());
    for char in json.chars() {
        match char {
            ' '..='~' => escaped.push(char),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    let _ = write!(escaped, "\\u{unit:04x}");
                }
            }
        }
    }
    escaped
}

/// To the microsecond, as the nearest number that is written with three digits at most.
pub(super) fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}

struct Object<'a>(&'a Line);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in self.0 {
            object.serialize_entry(key, value)?;
        }
        object.end()
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::Millis(time) => serializer.serialize_f64(millis(*time)),
            Self::Spent(stages) => serializer.collect_map(stages.iter().map(|(stage, time)| (stage, millis(*time)))),
            Self::Passed(passed) => {
                let mut list = serializer.serialize_seq(Some(passed.len()))?;
                for (upstream, why) in passed {
                    list.serialize_element(&serde_json::json!({ "upstream": upstream, "why": why }))?;
                }
                list.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: Duration = Duration::from_micros(1);

    fn text_of(text: &str) -> Line {
        vec![("path", Value::Text(text.to_owned()))]
    }

    #[test]
    fn a_line_has_the_same_keys_in_the_same_order_in_both_forms() {
        let line = vec![
            ("host", Value::Text("shop.example:80".to_owned())),
            ("route", Value::Text("all orders".to_owned())),
            (
                "passed",
                Value::Passed(vec![("corp".to_owned(), "404".to_owned()), ("b".to_owned(), "timeout".to_owned())]),
            ),
            ("status", Value::Number(200)),
            ("duration_ms", Value::Millis(12_345 * US)),
            ("spent", Value::Spent(vec![("pool", 300_001 * US), ("upstream", 1_000 * US)])),
        ];
        assert_eq!(
            written(&line, Format::Text),
            "host=shop.example:80 route=\"all orders\" passed=corp:404,b:timeout status=200 duration_ms=12.345 \
             spent=pool:300.001,upstream:1\n"
        );
        assert_eq!(
            written(&line, Format::Json),
            concat!(
                r#"{"host":"shop.example:80","route":"all orders","#,
                r#""passed":[{"upstream":"corp","why":"404"},{"upstream":"b","why":"timeout"}],"#,
                r#""status":200,"duration_ms":12.345,"spent":{"pool":300.001,"upstream":1.0}}"#,
                "\n"
            )
        );
    }

    #[test]
    fn nobody_forges_a_line_or_writes_to_a_terminal() {
        for (given, text, json) in [
            ("", r#""""#, r#""""#),
            ("/a", "/a", r#""/a""#),
            ("/ü", "/ü", r#""/\u00fc""#),
            ("/a status=200", r#""/a status=200""#, r#""/a status=200""#),
            ("a=b", r#""a=b""#, r#""a=b""#),
            ("\"", r#""\"""#, r#""\"""#),
            ("\\", r#""\\""#, r#""\\""#),
            ("a\nb", r#""a\nb""#, r#""a\nb""#),
            ("a\r\t\0", r#""a\r\t\u{0}""#, r#""a\r\t\u0000""#),
            ("\x1b[2J", r#""\u{1b}[2J""#, r#""\u001b[2J""#),
            ("\x7f", r#""\u{7f}""#, r#""\u007f""#),
            // What a terminal takes for an escape, what some readers take for an end of line, and what turns text around.
            ("\u{9b}31m", r#""\u{9b}31m""#, r#""\u009b31m""#),
            ("\u{2028}", r#""\u{2028}""#, r#""\u2028""#),
            ("\u{202e}", r#""\u{202e}""#, r#""\u202e""#),
            ("\u{1f600}", r#""\u{1f600}""#, r#""\ud83d\ude00""#),
        ] {
            assert_eq!(written(&text_of(given), Format::Text), format!("path={text}\n"), "{given:?}");
            assert_eq!(written(&text_of(given), Format::Json), format!("{{\"path\":{json}}}\n"), "{given:?}");
            let read: serde_json::Value = serde_json::from_str(&written(&text_of(given), Format::Json)).unwrap();
            assert_eq!(read["path"], given);
        }
    }
}
