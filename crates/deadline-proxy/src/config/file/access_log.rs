//! The access log.

use std::path::PathBuf;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::de::Key;
use crate::config::value::{Share, Text, Word};

/// One line for each request, when it has ended: route, policy, upstream, status, budget, time spent by stage, cause,
/// bytes, attempts.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AccessLog {
    /// Which requests have a line.
    #[schemars(extend("default" = "off"))]
    pub(crate) requests: Key<Requests>,

    /// The share of the requests that have a line, from 0 to 1. Only with `requests = "sampled"`.
    #[schemars(extend("default" = 0.01))]
    pub(crate) sample: Key<Share>,

    /// The form of a line.
    #[schemars(extend("default" = "text"))]
    pub(crate) format: Key<LineFormat>,

    /// Where lines go: `stdout`, `stderr`, or the end of the file with this path, which begins with `/`.
    #[schemars(extend("default" = "stdout", "examples" = ["stderr", "/var/log/deadline-proxy/access.log"]))]
    pub(crate) output: Key<Text<Output>>,
}

/// Which requests have a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Requests {
    /// None.
    Off,
    /// A share of them, and each that failed: answered with 5xx, or stopped for a cause.
    Sampled,
    /// Each.
    Full,
}

/// The form of a line.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LineFormat {
    /// `key=value`, for people and grep.
    Text,
    /// One JSON object.
    Json,
}

/// Where lines go.
#[derive(Clone, Debug)]
pub(crate) struct Output(pub(in crate::config) crate::access::Output);

impl Word for Output {
    const EXPECTED: &'static str = "\"stdout\", \"stderr\" or the path of a file that begins with /";
}

impl FromStr for Output {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "stdout" => Ok(Self(crate::access::Output::Stdout)),
            "stderr" => Ok(Self(crate::access::Output::Stderr)),
            path if path.starts_with('/') && path.len() > 1 && !path.contains('\0') => {
                Ok(Self(crate::access::Output::File(PathBuf::from(path))))
            }
            _ => Err(()),
        }
    }
}
