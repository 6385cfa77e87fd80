use super::*;
use http_deadline::{Mode, OnInvalid, OnMissing};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

/// The complaints about a text, as they read.
#[track_caller]
fn complaints(text: &str) -> String {
    match PolicySet::from_toml(text) {
        Ok(set) => panic!("nothing is wrong: {set:?}"),
        Err(error) => error.to_string(),
    }
}

/// The complaint about one line of `[policy.report]`, after its file, line, column and key.
#[track_caller]
fn complaint(line: &str) -> String {
    let (key, _) = line.split_once(" = ").unwrap();
    let told = complaints(&format!("[policy.report]\n{line}\n"));
    let column = line.len() - line.split_once(" = ").unwrap().1.len() + 1;
    let place = format!("<toml>:2:{column}: policy.report.{key}: ");
    told.strip_prefix(&place).unwrap_or_else(|| panic!("{told}: not at {place}")).to_owned()
}

#[test]
fn every_key_of_a_policy_is_read() {
    let set = PolicySet::from_toml(
        r#"
            [policy.default]
            timeout = "3s"

            [policy.replica-read]
            timeout = "1m30s"
            max = "1h"
            min = "5ms"
            reserve = "1.5s"
            covers = "head"
            status = 500
            pool_status = 503
            mode = "observe"
            on_invalid = "ignore"
            on_missing = "reject"
            outgoing = "require"

            [route]
            "/replicas/{id}" = "replica-read"
        "#,
    );
    let set = set.unwrap();
    let policy = set.of_route("/replicas/{id}");
    assert_eq!(
        (policy.name().as_str(), policy.timeout(), policy.cap()),
        ("replica-read", Some(90_000 * MS), Some(3_600_000 * MS))
    );
    assert_eq!((policy.least(), policy.reserved(), policy.pool_status_code().as_u16()), (5 * MS, 1_500 * MS, 503));
    let written = Policy::new().covers(http_deadline::Covers::Head).mode(Mode::Observe);
    let written = written.on_invalid(OnInvalid::Ignore).on_missing(OnMissing::Reject).named("replica-read");
    let written = written.outgoing(http_deadline::Outgoing::Require);
    let written = written.default_timeout(90_000 * MS).max(3_600_000 * MS).min(5 * MS).reserve(1_500 * MS);
    let written = written.status(http::StatusCode::INTERNAL_SERVER_ERROR);
    let written = written.pool_status(http::StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(format!("{policy:?}"), format!("{written:?}"));
    assert_eq!((set.default_policy().timeout(), set.default_policy().name().as_str()), (Some(3_000 * MS), "default"));
}

#[test]
fn policies_inherit_nothing_and_none_is_needed() {
    let set =
        PolicySet::from_toml("[policy.default]\ntimeout = \"3s\"\n[policy.bare]\n[route]\n\"/\" = \"bare\"").unwrap();
    assert_eq!((set.of_route("/").name().as_str(), set.of_route("/").timeout()), ("bare", None));
    let set = PolicySet::from_toml("").unwrap();
    assert_eq!(format!("{:?}", set.default_policy()), format!("{:?}", Policy::new()));
    let set = PolicySet::from_toml("[route]\n\"/\" = \"default\"").unwrap();
    assert_eq!(set.of_route("/").name().as_str(), "default");
}

#[test]
fn a_duration_has_a_unit_and_the_grammar_of_the_header() {
    let such_as = "such as \"300ms\", \"1.5s\" or \"1h30m\"";
    for key in ["timeout", "max", "min", "reserve"] {
        assert_eq!(
            complaint(&format!("{key} = \"300\"")),
            format!("\"300\" has no unit; expected a duration {such_as}")
        );
        for bad in ["3 s", "", "-1s", "+1s", "1d", " 3s", " 3", "1s, 2s"] {
            assert_eq!(
                complaint(&format!("{key} = \"{bad}\"")),
                format!("\"{bad}\" is no duration; expected one {such_as}")
            );
        }
        for (value, kind) in [
            ("3", "a bare number"),
            ("1.5", "a bare number"),
            ("true", "a boolean"),
            ("[\"3s\"]", "a list"),
            ("{ seconds = 3 }", "a table"),
            ("1979-05-27", "a date"),
        ] {
            let told = complaint(&format!("{key} = {value}"));
            assert_eq!(told, format!("expected a duration in quotes, {such_as}, not {kind}"));
        }
    }
}

#[test]
fn a_word_is_one_of_two() {
    for (key, first, second) in [
        ("covers", "head", "body"),
        ("mode", "observe", "enforce"),
        ("on_invalid", "reject", "ignore"),
        ("on_missing", "allow", "reject"),
        ("outgoing", "allow", "require"),
    ] {
        let expected = format!("expected \"{first}\" or \"{second}\"");
        assert_eq!(complaint(&format!("{key} = \"Head\"")), told_of_head(&expected, key));
        assert_eq!(complaint(&format!("{key} = \"nothing\"")), format!("{expected}, not \"nothing\""));
        assert_eq!(complaint(&format!("{key} = true")), format!("{expected}, not a boolean"));
        for word in [first, second] {
            assert!(PolicySet::from_toml(&format!("[policy.report]\n{key} = \"{word}\"")).is_ok());
        }
    }
    assert_eq!(
        complaint("mode = \"observed\""),
        "expected \"observe\" or \"enforce\", not \"observed\"; did you mean `observe`?"
    );
}

fn told_of_head(expected: &str, key: &str) -> String {
    let hint = if key == "covers" { "; did you mean `head`?" } else { "" };
    format!("{expected}, not \"Head\"{hint}")
}

#[test]
fn a_status_is_one_of_an_error() {
    for key in ["status", "pool_status"] {
        for status in [200, 399, 600, 999] {
            let outside = format!("the {key} {status} is none of an error; expected one from 400 to 599");
            assert_eq!(complaint(&format!("{key} = {status}")), outside);
        }
        let expected = "expected a status from 400 to 599 in digits";
        for (value, told) in
            [("70000", "70000"), ("-1", "-1"), ("99", "99"), ("\"504\"", "a string"), ("504.0", "a bare number")]
        {
            assert_eq!(complaint(&format!("{key} = {value}")), format!("{expected}, not {told}"));
        }
        for status in [400, 599] {
            assert!(PolicySet::from_toml(&format!("[policy.report]\n{key} = {status}")).is_ok());
        }
    }
}

#[test]
fn limits_that_cannot_be_kept_are_told_at_the_key_that_is_to_blame() {
    for (lines, told) in [
        ("timeout = \"0s\"", "2:11: policy.report.timeout: a timeout of zero refuses every request; expected more"),
        ("max = \"0ns\"", "2:7: policy.report.max: a max of zero refuses every request; expected more"),
        (
            "timeout = \"3s\"\nmax = \"2s\"",
            "2:11: policy.report.timeout: the timeout of 3s is above the max of 2s; expected at most that",
        ),
        (
            "max = \"2s\"\nmin = \"3s\"",
            "3:7: policy.report.min: the min of 3s is above the max of 2s, and refuses every request; expected at most that",
        ),
        (
            "min = \"3001ms\"\ntimeout = \"3s\"\nmax = \"9s\"",
            "2:7: policy.report.min: the min of 3.001s is above the timeout of 3s, and refuses who asks for none; \
             expected at most that",
        ),
        (
            "timeout = \"3s\"\nreserve = \"3s\"",
            "3:11: policy.report.reserve: the reserve of 3s leaves nothing of 3s for an outgoing call; expected less",
        ),
        (
            "max = \"2s\"\nreserve = \"3s\"",
            "3:11: policy.report.reserve: the reserve of 3s leaves nothing of 2s for an outgoing call; expected less",
        ),
    ] {
        assert_eq!(complaints(&format!("[policy.report]\n{lines}")), format!("<toml>:{told}"));
    }
    for lines in [
        "timeout = \"3s\"\nmax = \"3s\"\nmin = \"3s\"\nreserve = \"2999ms\"",
        "min = \"0s\"\nreserve = \"0s\"",
        "reserve = \"9s\"",
    ] {
        assert!(PolicySet::from_toml(&format!("[policy.report]\n{lines}")).is_ok(), "{lines}");
    }
}

#[test]
fn what_is_not_known_is_told_with_what_it_may_have_been() {
    let known =
        "timeout, max, min, reserve, covers, status, pool_status, mode, on_invalid, on_missing, ledger, outgoing";
    for (text, told) in [
        (
            "[policy.default]\ntimeot = \"3s\"",
            format!("2:1: policy.default.timeot: unknown key; expected one of {known}; did you mean `timeout`?"),
        ),
        ("[policy.default]\nretries = 3", format!("2:1: policy.default.retries: unknown key; expected one of {known}")),
        (
            "[policies.default]\n",
            "1:2: policies: unknown table; expected one of policy, route".to_owned(),
        ),
        ("\n[routes]\n", "2:2: routes: unknown table; expected one of policy, route; did you mean `route`?".to_owned()),
        ("timeout = \"3s\"", "1:1: timeout: unknown table; expected one of policy, route".to_owned()),
        (
            "[policy.payment]\n[route]\n\"/pay\" = \"paymnt\"",
            "3:10: route.\"/pay\": there is no policy `paymnt`; expected the name of a table [policy.NAME]; did you mean `payment`?"
                .to_owned(),
        ),
    ] {
        assert_eq!(complaints(text), format!("<toml>:{told}"));
    }
}

#[test]
fn what_has_the_wrong_shape_is_told_by_its_key() {
    for (text, told) in [
        ("policy = \"3s\"", "1:10: policy: expected a table, not a string"),
        ("[policy]\ntimeout = \"3s\"", "2:11: policy.timeout: expected a table, not a string"),
        (
            "[[policy]]\n",
            "1:1: policy: expected a table, not a list; each has its name behind a dot, in single brackets",
        ),
        ("route = [\"/\"]", "1:9: route: expected a table, not a list"),
        ("[route]\n\"/\" = 3", "2:7: route.\"/\": expected the name of a policy in quotes, not a bare number"),
        (
            "[policy.\"a b\"]\nmin = 3",
            "2:7: policy.\"a b\".min: expected a duration in quotes, such as \"300ms\", \"1.5s\" or \"1h30m\", not a bare number",
        ),
    ] {
        assert_eq!(complaints(text), format!("<toml>:{told}"));
    }
}

#[test]
fn a_policy_has_a_name() {
    let told = "a policy without a name; expected a table [policy.NAME]";
    for (text, place) in [
        ("[policy.\"\"]\nmin = \"3s\"\n[route]\n\"/\" = \"\"\n", "1:9: policy.\"\""),
        ("policy = { \" \" = { min = \"3s\" } }", "1:12: policy.\" \""),
    ] {
        assert_eq!(complaints(text), format!("<toml>:{place}: {told}"));
    }
}

#[test]
fn what_stands_twice_is_told_at_the_second() {
    for (text, told) in [
        ("policy:\n", "1:7: policy: invalid unquoted key, expected letters, numbers, `-`, `_`"),
        ("[policy.a]\nmin = \"1s\"\nmin = \"2s\"", "3:1: policy.a.min: duplicate key; expected each key once"),
        ("[policy.a]\n[policy.a]\n", "2:9: policy.a: duplicate key; expected each key once"),
        (
            "[route]\n\"/x\" = \"default\"\n\"/x\" = \"default\"",
            "3:1: route.\"/x\": duplicate key; expected each key once",
        ),
    ] {
        assert_eq!(complaints(text), format!("<toml>:{told}"));
    }
}

#[test]
fn what_is_no_toml_is_told_with_its_place_and_not_again_for_what_it_may_mean() {
    for (text, told) in [
        (
            "[policy.default]\ntimeout = 3s",
            "2:11: policy.default.timeout: string values must be quoted, expected literal string",
        ),
        // Neither is what a broken line seems to say.
        (
            "[policy.default]\nmode = observ",
            "2:8: policy.default.mode: string values must be quoted, expected literal string",
        ),
        // The policy is there for a reader: the route to it is not complained of.
        (
            "[policy.report\ntimeout = \"3s\"\n[route]\n\"/\" = \"report\"",
            "1:15: policy.report: unclosed table, expected `]`",
        ),
        ("[route]\n/x = \"default\"", "2:1: route./x: invalid unquoted key, expected letters, numbers, `-`, `_`"),
        // What is in quotes ends neither a key nor a table.
        (
            "[route]\n\"/x=y#z\" = default",
            "2:12: route.\"/x=y#z\": string values must be quoted, expected literal string",
        ),
        ("[policy.'a]#b']\nmin = 3s", "2:7: policy.'a]#b'.min: string values must be quoted, expected literal string"),
        ("[route]\n\"/x = 3", "2:8: route.\"/x: invalid basic string, expected `\"`"),
    ] {
        assert_eq!(complaints(text), format!("<toml>:{told}"));
    }
}

#[test]
fn everything_is_told_at_once_in_the_order_of_the_text() {
    let error = PolicySet::from_toml(
        "[route]\n\"/\" = \"gone\"\n\n[policy.strict]\ntimeout = \"3s\"\nmin = \"4s\"\nmode = \"on\"\n\n\
         [policy.a]\nstatus = 200\n\"écart\" = 1\n\n[listen]\nport = 80\n",
    );
    let error = error.unwrap_err();
    let places: Vec<_> = error.complaints().iter().map(|at| (at.line(), at.column(), at.key())).collect();
    assert_eq!(
        places,
        [
            (2, 7, "route.\"/\""),
            (6, 7, "policy.strict.min"),
            (7, 8, "policy.strict.mode"),
            (10, 10, "policy.a.status"),
            (11, 1, "policy.a.\"écart\""),
            (13, 2, "listen"),
        ],
        "{error}"
    );
    assert_eq!(error.to_string().lines().count(), 6);
}

#[test]
fn what_is_wrong_beside_broken_toml_is_told_too() {
    let error = PolicySet::from_toml("[policy.a]\ntimeout = 3s\nmode = \"on\"\n[policy.a]\nmin = 3\n").unwrap_err();
    let lines: Vec<_> = error.complaints().iter().map(Complaint::line).collect();
    assert_eq!(lines, [2, 3, 4, 5], "{error}");
}

#[test]
fn a_column_counts_characters() {
    let told = complaints("[policy.\"café\"]\nmin = \"é\"   # é\n[route]\n\"/é\" = \"x\"\n");
    assert!(told.starts_with("<toml>:2:7: policy.\"café\".min: \"é\" is no duration"), "{told}");
    assert!(told.contains("\n<toml>:4:8: route.\"/é\": there is no policy `x`"), "{told}");
}

#[test]
fn a_place_is_that_of_an_editor_whatever_ends_a_line_or_stands_in_front() {
    let number = "expected a duration in quotes, such as \"300ms\", \"1.5s\" or \"1h30m\", not a bare number";
    for (text, place) in [
        ("[policy.a]\r\nmax = \"3s\"\r\nmin = 3\r\n", "3:7"),
        ("[policy.a]\n\tmin\t=\t3", "2:8"),
        ("\u{feff}policy.a.min = 3", "1:16"),
        ("\u{feff}[policy.a]\nmin = 3", "2:7"),
        ("policy = { a = { max = \"3s\", min = 3 } }", "1:36"),
        ("[policy]\na.min = 3", "2:9"),
        ("[policy.a]\nmax = \"\"\"\n3s\"\"\"\n\"min\" = 3", "4:9"),
    ] {
        assert_eq!(complaints(text), format!("<toml>:{place}: policy.a.min: {number}"), "{text}");
    }
    assert!(complaints("\u{feff}timeout = 3s").starts_with("<toml>:1:11: timeout: string values"));
}

#[test]
fn a_file_is_told_by_its_name() {
    let folder = std::env::temp_dir().join(format!("tower-deadline-policies-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("policies.toml");
    let absent = PolicySet::read(&path).unwrap_err();
    assert!(absent.to_string().starts_with(&format!("{}: cannot be read: ", path.display())), "{absent}");
    assert!(absent.complaints().is_empty() && std::error::Error::source(&absent).is_some());

    std::fs::write(&path, "[policy.default]\nmin = 3\n").unwrap();
    let wrong = PolicySet::read(&path).unwrap_err();
    assert_eq!((wrong.file(), wrong.complaints().len()), (path.display().to_string().as_str(), 1));
    assert!(wrong.to_string().starts_with(&format!("{}:2:7: policy.default.min: ", path.display())), "{wrong}");

    std::fs::write(&path, "[policy.default]\nmin = \"3ms\"\n").unwrap();
    assert_eq!(PolicySet::read(&path).unwrap().default_policy().least(), 3 * MS);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn policies_among_other_tables_are_read_and_the_rest_is_somebody_elses() {
    let text = "port = 80\n[policy.payment]\ntimeout = \"3s\"\nretries = 2\n[route]\nhost = 3\n[[listen]]\n";
    let set = PolicySet::among("shop.toml", text, &["retries", "backoff"]).unwrap();
    assert_eq!(set.named("payment").and_then(|policy| policy.timeout()), Some(3_000 * MS));
    assert!(set.named("default").is_some() && set.named("report").is_none() && set.policies().count() == 2);
    assert!(PolicySet::among("shop.toml", "", &[]).is_ok());
}

#[test]
fn what_is_wrong_with_policies_among_other_tables_is_told_with_the_name_of_the_file() {
    let told = |text| PolicySet::among("shop.toml", text, &["retries"]).unwrap_err().to_string();
    let known = "timeout, max, min, reserve, covers, status, pool_status, mode, on_invalid, on_missing, ledger, outgoing, retries";
    assert_eq!(
        told("port = 80\n[policy.payment]\nretrys = 2\nmin = 3"),
        format!(
            "shop.toml:3:1: policy.payment.retrys: unknown key; expected one of {known}; did you mean `retries`?\n\
             shop.toml:4:7: policy.payment.min: expected a duration in quotes, such as \"300ms\", \"1.5s\" or \"1h30m\", \
             not a bare number"
        )
    );
    assert_eq!(told("policy = 3"), "shop.toml:1:10: policy: expected a table, not a bare number");
    // What is no TOML is told wherever it stands.
    assert!(told("\u{feff}port = http\n").starts_with("shop.toml:1:8: port: string values must be quoted"));
}

#[test]
fn the_keys_of_a_policy_are_those_that_are_read() {
    for key in PolicySet::KEYS {
        let told = complaints(&format!("[policy.a]\n{key} = []"));
        assert!(told.contains(", not a list"), "{told}");
    }
}

#[test]
fn a_complaint_of_somebody_else_reads_like_ours() {
    let complaint = Complaint::new(3, 7, "route.policy", "there is no policy `paymnt`");
    assert_eq!(
        complaint.clone().or_meant("paymnt", ["payment"]).message(),
        "there is no policy `paymnt`; did you mean `payment`?"
    );
    assert_eq!(complaint.clone().or_meant("a", ["payment"]), complaint);
    assert_eq!(complaint.to_string(), "3:7: route.policy: there is no policy `paymnt`");
}
