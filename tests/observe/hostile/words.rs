//! What a hostile client writes: valid, almost valid, and nothing of the kind.

use std::fmt::Write;

use crate::support::Chance;

/// Timeouts that somebody got wrong once, and some that are right.
const TIMEOUTS: [&str; 22] = [
    "",
    "0",
    "-1s",
    "+5",
    "1e9",
    "99999999999999999999",
    "9223372036854775807ns",
    "1h1h1h1h1h",
    "300ms",
    "1ms",
    "1us",
    "1ns",
    "abc",
    "1s, 2s, x",
    ",,,",
    "1.5s",
    "NaN",
    "0x10",
    "5 s",
    "\u{b5}s",
    "1S",
    "123456789S",
];

const TRACES: [&str; 5] = [
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "00-00000000000000000000000000000000-0000000000000000-00",
    "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
    "00-4BF92F3577B34DA6A3CE929D0E0E4736-00F067AA0BA902B7-01",
    "-",
];

const FIELDS: [&str; 10] = [
    "x-request-timeout",
    "grpc-timeout",
    "x-envoy-expected-rq-timeout-ms",
    "connect-timeout-ms",
    "x-request-start",
    "traceparent",
    "tracestate",
    "baggage",
    "x-request-id",
    "deadline-exceeded",
];

const METHODS: [&str; 8] = ["GET", "HEAD", "DELETE", "OPTIONS", "M-SEARCH", "get", "PROPFIND", "TRACE"];

fn one_of<'a>(chance: &mut Chance, words: &[&'a str]) -> &'a str {
    words[below(chance, words.len())]
}

fn below(chance: &mut Chance, most: usize) -> usize {
    usize::try_from(chance.number() % most as u64).expect("it is less than one that fits")
}

/// Of these characters, so many at most.
fn noise(chance: &mut Chance, of: &[u8], most: usize) -> String {
    let length = 1 + below(chance, most);
    (0..length).map(|_| char::from(of[below(chance, of.len())])).collect()
}

pub(super) fn method(chance: &mut Chance) -> String {
    if chance.happens(0.8) { one_of(chance, &METHODS).to_owned() } else { noise(chance, b"ABCXYZ-_!", 24) }
}

pub(super) fn host(chance: &mut Chance) -> String {
    match below(chance, 8) {
        0..5 => "shop.example".to_owned(),
        5 => format!("{}.lenient.example", noise(chance, b"abcxyz019-", 20)),
        6 => format!("{}:{}", noise(chance, b"abcxyz.", 30), chance.number() % 70_000),
        _ => noise(chance, b"abc[]:@%_.,~", 12),
    }
}

pub(super) fn path(chance: &mut Chance) -> String {
    let start = one_of(chance, &["/shop/", "/shop/a/", "/trial/", "/trial/b/", "/", "/shop", "//shop/", "/shop/../"]);
    let most = if chance.happens(0.02) { 2_000 } else { 40 };
    // Most are no worse than unusual: what is refused for its form is not counted by a policy.
    let of: &[u8] = if chance.happens(0.9) { b"abcxyz019-_~" } else { b"abcxyz/.%2fE0?&=;{}~\"<>|" };
    format!("{start}{}?{}", noise(chance, of, most), noise(chance, b"abc=&", 9))
}

/// Fields of a head, each a name and a value without a line end in it.
pub(super) fn fields(chance: &mut Chance) -> Vec<(&'static str, String)> {
    (0..below(chance, 4)).map(|_| field(chance)).collect()
}

fn field(chance: &mut Chance) -> (&'static str, String) {
    let name = one_of(chance, &FIELDS);
    let value = match below(chance, 4) {
        0 => one_of(chance, &TIMEOUTS).to_owned(),
        1 => one_of(chance, &TRACES).to_owned(),
        2 => format!("{}{}", chance.number() % 100_000, one_of(chance, &["ms", "s", "us", "m", "S", "n", "", "h"])),
        _ => noise(chance, b"0123456789abcdefSMHmun.,;=-+\\\"{} ", 60).trim().to_owned(),
    };
    (name, value)
}

/// A whole request of HTTP/1.1, which has no body.
pub(super) fn request(chance: &mut Chance, method: &str) -> String {
    let mut text = format!("{method} {} HTTP/1.1\r\nhost: {}\r\n", path(chance), host(chance));
    for (name, value) in fields(chance) {
        write!(text, "{name}: {value}\r\n").expect("a string takes it");
    }
    if chance.happens(0.1) {
        text += "content-type: application/grpc\r\nte: trailers\r\n";
    }
    if chance.happens(0.02) {
        text += "connection: x-request-timeout, traceparent, close\r\n";
    }
    text + "\r\n"
}

#[test]
fn what_is_written_is_of_many_kinds_and_the_same_in_every_run() {
    let write = || {
        let mut chance = Chance::of(7, 1);
        (0..500).map(|_| request(&mut chance, "GET")).collect::<Vec<_>>()
    };
    let (written, again) = (write(), write());
    assert_eq!(written, again);
    for needed in
        ["x-request-timeout: ", "grpc-timeout: ", "traceparent: 00-", ".lenient.example", " /trial/", " //shop/"]
    {
        assert!(written.iter().any(|request| request.contains(needed)), "{needed}");
    }
    assert!(written.iter().any(|request| request.len() > 1_000));
    assert!(
        written
            .iter()
            .all(|request| request.ends_with("\r\n\r\n") && request.matches("\r\n\r\n").count() == 1)
    );
}
