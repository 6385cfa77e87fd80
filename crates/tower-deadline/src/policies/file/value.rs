//! One key of a policy.
//!
//! Covers which keys there are, and what each takes. Does not know where it stands.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use http::StatusCode;
use http_deadline::{Covers, Dialect, Ledger, Mode, OnInvalid, OnMissing, Outgoing, Policy};
use toml::de::DeValue;

use super::suggest;

/// Every key of a policy.
pub(super) const KEYS: [&str; 12] = [
    "timeout",
    "max",
    "min",
    "reserve",
    "covers",
    "status",
    "pool_status",
    "mode",
    "on_invalid",
    "on_missing",
    "ledger",
    "outgoing",
];

/// The policy with this key set, or what was expected instead; `None` for a key that is not known.
pub(super) fn set(policy: Policy, key: &str, value: &DeValue<'_>) -> Option<Result<Policy, String>> {
    let set = match key {
        "timeout" => duration(value).map(|timeout| policy.default_timeout(timeout)),
        "max" => duration(value).map(|max| policy.max(max)),
        "min" => duration(value).map(|min| policy.min(min)),
        "reserve" => duration(value).map(|reserve| policy.reserve(reserve)),
        "covers" => word(value, [("head", Covers::Head), ("body", Covers::Body)]).map(|covers| policy.covers(covers)),
        "status" => status(value).map(|status| policy.status(status)),
        "pool_status" => status(value).map(|status| policy.pool_status(status)),
        "mode" => word(value, [("observe", Mode::Observe), ("enforce", Mode::Enforce)]).map(|mode| policy.mode(mode)),
        "on_invalid" => word(value, [("reject", OnInvalid::Reject), ("ignore", OnInvalid::Ignore)])
            .map(|on_invalid| policy.on_invalid(on_invalid)),
        "on_missing" => word(value, [("allow", OnMissing::Allow), ("reject", OnMissing::Reject)])
            .map(|on_missing| policy.on_missing(on_missing)),
        "ledger" => word(value, [("off", Ledger::Off), ("inside", Ledger::Inside), ("public", Ledger::Public)])
            .map(|ledger| policy.ledger(ledger)),
        "outgoing" => word(value, [("allow", Outgoing::Allow), ("require", Outgoing::Require)])
            .map(|outgoing| policy.outgoing(outgoing)),
        _ => return None,
    };
    Some(set)
}

/// A value where there should be a table.
pub(super) fn not_a_table(value: &DeValue<'_>) -> String {
    let is_list_of_tables = value.as_array().is_some_and(|list| list.iter().any(|table| table.get_ref().is_table()));
    let hint = if is_list_of_tables { "; each has its name behind a dot, in single brackets" } else { "" };
    format!("expected a table, not {}{hint}", Kind(value))
}

/// A value where there should be the name of a policy.
pub(super) fn not_a_name(value: &DeValue<'_>) -> String {
    format!("expected the name of a policy in quotes, not {}", Kind(value))
}

/// In the grammar of `X-Request-Timeout`, but for bare digits, whose unit a reader would have to know.
fn duration(value: &DeValue<'_>) -> Result<Duration, String> {
    const SUCH_AS: &str = "such as \"300ms\", \"1.5s\" or \"1h30m\"";
    let Some(text) = value.as_str() else {
        return Err(format!("expected a duration in quotes, {SUCH_AS}, not {}", Kind(value)));
    };
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("{text:?} has no unit; expected a duration {SUCH_AS}"));
    }
    // A field may have blanks around it, a file has no reason to.
    let element = Some(text).filter(|text| text.trim().len() == text.len());
    let decode = |text: &str| Dialect::XRequestTimeout.decode(text.as_bytes(), UNIX_EPOCH).ok().flatten();
    let decoded = element.and_then(decode);
    decoded.ok_or_else(|| format!("{text:?} is no duration; expected one {SUCH_AS}"))
}

fn status(value: &DeValue<'_>) -> Result<StatusCode, String> {
    const EXPECTED: &str = "expected a status from 400 to 599 in digits";
    let Some(digits) = value.as_integer() else {
        return Err(format!("{EXPECTED}, not {}", Kind(value)));
    };
    let code = u16::from_str_radix(digits.as_str(), digits.radix()).ok();
    let status = code.and_then(|code| StatusCode::from_u16(code).ok());
    // Those outside of errors are left to the check of every policy.
    status.ok_or_else(|| format!("{EXPECTED}, not {}", digits.as_str()))
}

fn word<T, const N: usize>(value: &DeValue<'_>, words: [(&str, T); N]) -> Result<T, String> {
    let known = words.each_ref().map(|(word, _)| *word);
    let quoted = known.map(|word| format!("{word:?}"));
    let expected = match quoted.split_last() {
        Some((last, others)) => format!("expected {} or {last}", others.join(", ")),
        None => String::new(),
    };
    let Some(text) = value.as_str() else {
        return Err(format!("{expected}, not {}", Kind(value)));
    };
    words
        .into_iter()
        .find_map(|(word, meant)| (word == text).then_some(meant))
        .ok_or_else(|| suggest::with(format!("{expected}, not {text:?}"), text, known))
}

/// What a value is, with its article.
struct Kind<'v>(&'v DeValue<'v>);

impl fmt::Display for Kind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) | DeValue::Float(_) => "a bare number",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        })
    }
}
