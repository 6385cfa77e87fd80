//! What the requests of a route may cost their upstreams.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use http::StatusCode;

/// Bytes of a request body that are kept in order to send it again.
const REPLAY: usize = 64 * 1024;

/// The most that one try takes in a chain where nobody says anything else: long enough for a mirror that is far away,
/// and short enough to ask another.
pub(crate) const TRY_LIMIT: Duration = Duration::from_secs(30);

/// The upstreams that are called for a request, in this order, and how often (R38).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// At least one.
    pub chain: Vec<Link>,
    /// What there is after the last.
    pub end: End,
    /// How often the last upstream that is tried is called again, where that is safe; not at all by default.
    pub retries: u32,
    /// What is waited for before the first of these; twice as long before each further one, less a part by chance.
    pub backoff: Duration,
    /// The most bytes of a request body that are kept in order to send it again. 64 KiB by default: nearly every call of
    /// an API, and no upload.
    pub replay: usize,
}

/// One upstream of a chain.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Link {
    /// Its place among those of the proxy.
    pub upstream: usize,
    /// The most that one try takes up to the head of its answer, within the deadline; the deadline alone where there is
    /// none. A body takes as long as the deadline allows: once it has begun there is no other try to make.
    pub limit: Option<Duration>,
    /// What passes on to the next.
    pub on: Vec<Outcome>,
}

/// What there is after the last upstream of a chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// Its answer is the client's, whatever it is.
    #[default]
    Answer,
    /// `off`: what the last passes on is an error.
    Off,
}

/// What a try came to, as far as another upstream could do better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// This status.
    Status(StatusCode),
    /// A status of this class: `4xx` is 4, `5xx` is 5.
    Class(u16),
    /// Nothing was sent: no connection could be had.
    Connect,
    /// It broke off before its head.
    Broken,
    /// The limit of the try has passed.
    Timeout,
    /// Any of these, with any status of 400 and above.
    Any,
}

/// How many retries an upstream is asked to bear, over all routes and workers.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Budget {
    /// As a share of the requests that are sent there. 0.2 by default: an upstream that fails half of the time is asked
    /// one and a fifth times as often, and not twice. Below 1 it is taken as one retry for a whole number of requests,
    /// never more than asked for: 0.3 is one in four. From 0 to 1000.
    pub ratio: f64,
    /// So many a second are free, so that a quiet upstream can be retried at all. 1 by default.
    pub min_per_second: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self { ratio: 0.2, min_per_second: 1 }
    }
}

impl Settings {
    /// One upstream, called once.
    #[must_use]
    pub fn once(upstream: usize) -> Self {
        let chain = vec![Link { upstream, limit: None, on: Vec::new() }];
        Self { chain, end: End::Answer, retries: 0, backoff: Duration::from_millis(25), replay: REPLAY }
    }
}

impl Link {
    /// This upstream, of which nothing passes on.
    #[must_use]
    pub fn new(upstream: usize) -> Self {
        Self { upstream, limit: None, on: Vec::new() }
    }
}

impl FromStr for Outcome {
    type Err = String;

    /// Reads a status from 400 to 599, `4xx`, `5xx`, `connect`, `broken`, `timeout` or `any`.
    ///
    /// # Errors
    ///
    /// The text that is none of these, and what is expected.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "connect" => Ok(Self::Connect),
            "broken" => Ok(Self::Broken),
            "timeout" => Ok(Self::Timeout),
            "any" => Ok(Self::Any),
            "4xx" => Ok(Self::Class(4)),
            "5xx" => Ok(Self::Class(5)),
            status => status_of(status).ok_or_else(|| {
                format!("{text:?}: a status such as 404, 4xx, 5xx, connect, broken, timeout or any is expected")
            }),
        }
    }
}

fn status_of(text: &str) -> Option<Outcome> {
    let digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    let status = text.parse().ok().filter(|_| digits).and_then(|code: u16| StatusCode::from_u16(code).ok())?;
    (400..600).contains(&status.as_u16()).then_some(Outcome::Status(status))
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => f.write_str(status.as_str()),
            Self::Class(class) => write!(f, "{class}xx"),
            Self::Connect => f.write_str("connect"),
            Self::Broken => f.write_str("broken"),
            Self::Timeout => f.write_str("timeout"),
            Self::Any => f.write_str("any"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_comes_back_as_it_is_written() {
        for text in ["404", "503", "4xx", "5xx", "connect", "broken", "timeout", "any"] {
            assert_eq!(text.parse::<Outcome>().map(|outcome| outcome.to_string()).as_deref(), Ok(text));
        }
        for bad in ["", "200", "40", "+404", "6xx", "Any", "none"] {
            let told = bad.parse::<Outcome>().unwrap_err();
            assert!(told.contains("a status such as 404"), "{bad}: {told}");
        }
    }
}
