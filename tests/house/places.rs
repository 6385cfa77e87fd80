//! What may be named in one place only: header fields, the runtime's time, the clock, the facade of counts.

use std::collections::BTreeSet;

use http_deadline::Dialect;
use http_deadline::dialect::trail::{DEADLINE_EXCEEDED, RETRY_AFTER};
use http_deadline::dialect::{GRPC_MESSAGE, GRPC_STATUS, request_start};

use super::lexer::is_word;
use super::source::Source;
use super::{Outcome, nothing_in, tree};

const DIALECTS: &str = "crates/http-deadline/src/dialect/";
const FLOOR_1: &str = "crates/http-deadline/src/";
/// Of each crate that waits, where its code is and the file that waits.
const TIMERS: [(&str, &str); 2] = [
    ("crates/tower-deadline/src/", "crates/tower-deadline/src/timer.rs"),
    ("crates/deadline-sql/src/", "crates/deadline-sql/src/timer.rs"),
];
/// Of each crate that counts, where its code is and the file, or the folder, that counts.
const COUNTS: [(&str, &str); 3] = [
    ("crates/tower-deadline/src/", "crates/tower-deadline/src/count"),
    ("crates/deadline-sql/src/", "crates/deadline-sql/src/count.rs"),
    ("crates/deadline-proxy/src/", "crates/deadline-proxy/src/count/"),
];

/// Every field that concerns deadlines, by the vocabulary's own word.
fn fields() -> Vec<String> {
    let timeouts = Dialect::ALL.map(Dialect::as_str);
    let others = [&DEADLINE_EXCEEDED, &RETRY_AFTER, &GRPC_STATUS, &GRPC_MESSAGE].map(|name| name.as_str());
    timeouts.into_iter().chain(others).chain([request_start::NAME]).map(str::to_owned).collect()
}

/// Literals with the name of a field in them, outside of the dialects.
fn fields_named(source: &Source, fields: &[String]) -> Vec<String> {
    if !source.path.starts_with("crates/") || source.path.starts_with(DIALECTS) {
        return Vec::new();
    }
    let mut complaints = Vec::new();
    for (line, text) in source.literals() {
        let text = text.to_ascii_lowercase();
        let mut tokens = text.split(|char| !is_word(char) && char != '-');
        if let Some(name) = tokens.find(|token| fields.iter().any(|field| field == token)) {
            let path = &source.path;
            complaints
                .push(format!("{path}:{line}: \"{name}\": fields are named under {DIALECTS} only, and in comments"));
        }
    }
    complaints
}

/// What alone may name something in a crate, for a file of that crate that is not it.
fn elsewhere<'a>(source: &Source, places: &[(&str, &'a str)]) -> Option<&'a str> {
    let (_, alone) = places.iter().find(|(code, _)| source.path.starts_with(code))?;
    (!source.path.starts_with(alone)).then_some(alone)
}

/// `tokio::time`, by its path or in a group, outside of the timer.
fn runtime_time(source: &Source) -> Vec<String> {
    let Some(timer) = elsewhere(source, &TIMERS) else { return Vec::new() };
    const GROUP: &str = "tokio::{";
    let in_group = source.find(GROUP).filter(|at| heads(&source.code()[at + GROUP.len()..]).contains(&"time".into()));
    let places = source.find("tokio::time").chain(in_group);
    places
        .map(|at| format!("{}:{}: `tokio::time`: {timer} alone names it", source.path, source.line(at)))
        .collect()
}

/// The first word of each path in the group that is open here.
fn heads(group: &str) -> Vec<String> {
    let (mut depth, mut top) = (1_usize, String::new());
    for char in group.chars() {
        match char {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ if depth == 1 => top.push(char),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    let head = |path: &str| path.trim().split(|char| !is_word(char)).next().unwrap_or_default().to_owned();
    top.split(',').map(head).collect()
}

/// The clock, on the floor that is handed the time.
fn clock(source: &Source) -> Vec<String> {
    if !source.path.starts_with(FLOOR_1) {
        return Vec::new();
    }
    let asked = ["Instant::now", "SystemTime::now"].into_iter().flat_map(|clock| {
        source
            .find(clock)
            .map(move |at| format!("{}:{}: `{clock}`: `now` is an argument", source.path, source.line(at)))
    });
    asked.collect()
}

/// The `metrics` facade, by a path or imported, outside of the file that counts.
fn facade(source: &Source) -> Vec<String> {
    let Some(count) = elsewhere(source, &COUNTS) else { return Vec::new() };
    let places = ["metrics::", "use metrics"].into_iter().flat_map(|named| source.find(named));
    let lines: BTreeSet<usize> = places.map(|at| source.line(at)).collect();
    lines
        .into_iter()
        .map(|line| format!("{}:{line}: `metrics`: {count} alone names it", source.path))
        .collect()
}

#[test]
fn deadline_fields_are_named_under_dialect_only() -> Outcome {
    let fields = fields();
    nothing_in(&tree::sources()?.iter().flat_map(|source| fields_named(source, &fields)).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn the_timer_alone_names_the_runtimes_time() -> Outcome {
    nothing_in(&tree::sources()?.iter().flat_map(runtime_time).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn one_file_alone_names_the_facade_of_counts() -> Outcome {
    nothing_in(&tree::sources()?.iter().flat_map(facade).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn the_vocabulary_never_asks_the_time() -> Outcome {
    nothing_in(&tree::sources()?.iter().flat_map(clock).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn a_field_that_is_named_elsewhere_is_found() {
    let fields = fields();
    let count = |path: &str, text: &str| fields_named(&Source::parse(path, text), &fields).len();
    for field in &fields {
        assert_eq!(count("crates/tower-deadline/src/a.rs", &format!("f(\"{field}\")")), 1, "{field}");
        assert_eq!(count(&format!("{DIALECTS}a.rs"), &format!("f(\"{field}\")")), 0, "{field}");
    }
    let proxy = "crates/deadline-proxy/src/a.rs";
    assert_eq!(count(proxy, "f(b\"X-Request-Timeout: 5s\", r#\"grpc-status\"#)"), 2);
    assert_eq!(count(proxy, "/// Reads X-Request-Timeout.\nf(\"x-request-timeouts\", \"deadline exceeded\")"), 0);
    assert_eq!(count(proxy, "#[cfg(test)]\nmod tests {\n    const A: &str = \"grpc-timeout\";\n}"), 0);
    for name in ["x-request-timeout", "grpc-timeout", "x-request-start", "deadline-exceeded", "grpc-message"] {
        assert!(fields.iter().any(|field| field == name), "{name}");
    }
}

#[test]
fn the_runtimes_time_is_found_by_its_path_and_in_a_group() {
    let count = |path: &str, text: &str| runtime_time(&Source::parse(path, text)).len();
    let path = "crates/tower-deadline/src/a.rs";
    for bad in [
        "use tokio::time::{self, Sleep};",
        "tokio::time::sleep(a)",
        "use tokio::{\n    task::{self, JoinHandle},\n    time::Sleep,\n};",
        "use ::tokio::{time as t};",
    ] {
        assert_eq!(
            TIMERS.map(|(code, timer)| [count(&format!("{code}a/b.rs"), bad), count(timer, bad)]),
            [[1, 0]; 2],
            "{bad}"
        );
    }
    assert_eq!(count(path, "use tokio::{task::{time, other}, sync}; // tokio::time\nuse std::time::Duration;"), 0);
    assert_eq!(count("crates/deadline-proxy/src/a.rs", "use tokio::time;"), 0);
}

#[test]
fn the_facade_of_counts_is_found_by_its_path_and_imported() {
    let count = |path: &str, text: &str| facade(&Source::parse(path, text)).len();
    let path = "crates/tower-deadline/src/a.rs";
    for bad in ["metrics::counter!(\"a\")", "use metrics::counter;", "use metrics as m;", "::metrics::gauge!(b)"] {
        assert_eq!(COUNTS.map(|(code, of)| [count(&format!("{code}a.rs"), bad), count(of, bad)]), [[1, 0]; 3], "{bad}");
    }
    assert_eq!(count(path, "#[cfg(feature = \"metrics\")]\nmod my_metrics; // metrics::counter!"), 0);
    assert_eq!(count(path, "#[cfg(test)]\nmod tests {\n    use metrics::Key;\n}"), 0);
    assert_eq!(count("crates/http-deadline/src/a.rs", "use metrics::Key;"), 0);
}

#[test]
fn a_look_at_the_clock_is_found_on_floor_1() {
    let count = |path: &str, text: &str| clock(&Source::parse(path, text)).len();
    let text = "let a = Instant::now();\nlet b = std::time::SystemTime::now();\n/// Instant::now()";
    assert_eq!(count("crates/http-deadline/src/a.rs", text), 2);
    assert_eq!(count("crates/http-deadline/src/a.rs", "#[cfg(test)]\nfn a() { Instant::now(); }"), 0);
    assert_eq!(count("crates/tower-deadline/src/a.rs", text), 0);
}
