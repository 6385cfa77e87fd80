//! The real curl.

use std::time::Duration;

use http::HeaderMap;
use serde_json::Value;
use tokio::process::Command;

use super::{Head, soon};

/// What curl got.
#[derive(Debug)]
pub(crate) struct Answer {
    /// curl's exit code.
    pub(crate) exit: Option<i32>,
    /// 0 where there was no answer.
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// From before it connected to the last byte.
    pub(crate) took: Duration,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body, as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The value of a field that stands there once.
    #[track_caller]
    pub(crate) fn field(&self, name: &str) -> &str {
        let values: Vec<_> = self.headers.get_all(name).iter().collect();
        let [value] = values[..] else { panic!("{name}: {values:?}") };
        value.to_str().expect("a field is text")
    }
}

/// Runs curl with these arguments.
pub(crate) async fn curl(arguments: &[&str]) -> Answer {
    let mut command = Command::new("curl");
    command
        .args(["-q", "--silent", "--include", "--noproxy", "*", "--max-time", "20"])
        .args(["--write-out", "%{stderr}%{json}"])
        .args(arguments)
        .kill_on_drop(true);
    let output = soon("curl", command.output()).await.expect("curl can be run");
    let told: Value = serde_json::from_slice(&output.stderr).expect("curl tells how it went");
    let (headers, body) = last_message(&output.stdout);
    Answer {
        exit: output.status.code(),
        status: told["http_code"].as_u64().and_then(|code| u16::try_from(code).ok()).unwrap_or_default(),
        headers,
        body,
        took: Duration::from_secs_f64(told["time_total"].as_f64().unwrap_or_default()),
    }
}

/// The answer, after the interim ones.
fn last_message(mut output: &[u8]) -> (HeaderMap, Vec<u8>) {
    while let Some((head, rest)) = Head::split(output) {
        if head.status() >= 200 {
            return (head.headers, rest.to_vec());
        }
        output = rest;
    }
    (HeaderMap::new(), output.to_vec())
}
