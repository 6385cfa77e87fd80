//! What a scripted upstream does, by the path of the request.

use std::time::Duration;

use super::MS;

#[derive(Clone, Debug)]
pub(super) enum Step {
    Send(String),
    Wait(Duration),
    /// Sends chunks as fast as they are taken, until they are not.
    Flood,
    /// Does nothing until the peer leaves.
    Stall,
    Close,
}

use Step::{Close, Flood, Send, Stall, Wait};

pub(super) fn script(path: &str) -> Vec<Step> {
    let send = |text: &str| Send(text.to_owned());
    match path {
        "/slow" => [vec![Wait(3_000 * MS)], ok()].concat(),
        "/soon" => [vec![Wait(1_500 * MS)], ok()].concat(),
        "/stream" => stream("text/plain", vec![chunk(1), Wait(50 * MS), chunk(2), Wait(50 * MS), chunk(3), last()]),
        "/stops" => stream("text/plain", vec![chunk(1), Stall]),
        "/text" => stream("text/plain", vec![chunk(1), Wait(900 * MS), chunk(2), last()]),
        "/events" => stream("text/event-stream", vec![chunk(1), Wait(900 * MS), chunk(2), last()]),
        "/flood" => stream("application/octet-stream", vec![Flood]),
        "/never" => vec![Stall],
        "/die" => vec![Close],
        "/short" => vec![send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n0123456789"), Close],
        "/old" => vec![send("HTTP/1.0 200 OK\r\n\r\nmessage 1\n"), Stall],
        "/cut" => stream("text/plain", vec![chunk(1), Close]),
        _ => ok(),
    }
}

fn ok() -> Vec<Step> {
    vec![Send("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n".to_owned())]
}

/// `message N`, which all of the streams send.
fn chunk(number: u8) -> Step {
    Send(format!("a\r\nmessage {number}\n\r\n"))
}

fn last() -> Step {
    Send("0\r\n\r\n".to_owned())
}

fn stream(media: &str, steps: Vec<Step>) -> Vec<Step> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {media}\r\ntransfer-encoding: chunked\r\n\r\n");
    [vec![Send(head)], steps].concat()
}
