//! `/metrics`: what was counted, in the format that is asked for.
//!
//! Covers which of the two formats that is: OpenMetrics where `Accept` names it and wants nothing else more, the text
//! format of Prometheus otherwise. Does not make them: [`count`](crate::count) does.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, VARY};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::Full;

use super::{text, with};
use crate::count::Collected;

/// The text format's own.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What was counted; `None` where something else counts.
pub(super) fn metrics(collected: Option<&Collected>, asked: &HeaderMap) -> Response<Full<Bytes>> {
    let Some(collected) = collected else {
        return text(StatusCode::NOT_FOUND, "something else counts in this process\n");
    };
    let (told, kind) = match wants_open_metrics(asked) {
        true => (collected.open_metrics(), OPEN_METRICS),
        false => (collected.text(), PROMETHEUS),
    };
    with(with(Response::new(Full::new(told.into())), CONTENT_TYPE, kind), VARY, ACCEPT.as_str())
}

/// Whether OpenMetrics is wanted, and no less than plain text (RFC 9110 section 12.5.1). It has to be named: a browser
/// that takes anything shows the other.
fn wants_open_metrics(asked: &HeaderMap) -> bool {
    let (mut open, mut plain, mut any) = (None, None, None);
    let lines = asked.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok());
    for range in lines.flat_map(|line| line.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        // What cannot be read is as good as anything.
        let quality = quality.and_then(|quality| quality.parse().ok()).unwrap_or(1.0);
        let best = match kind.as_str() {
            "application/openmetrics-text" => &mut open,
            "text/plain" => &mut plain,
            "text/*" | "*/*" => &mut any,
            _ => continue,
        };
        *best = Some(best.map_or(quality, |best: f32| best.max(quality)));
    }
    open.is_some_and(|open| open > 0.0 && open >= plain.or(any).unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::install;
    use http_body_util::BodyExt;

    fn asking(accept: &str) -> HeaderMap {
        HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())])
    }

    #[test]
    fn open_metrics_are_told_where_they_are_named_and_nothing_is_wanted_more() {
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                          text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for (accept, is_open) in [
            (prometheus, true),
            ("application/openmetrics-text", true),
            ("text/plain, Application/OpenMetrics-Text; Q=1", true),
            ("text/plain;q=0.9, application/openmetrics-text;q=0.8", false),
            ("application/openmetrics-text; version=1.0.0; q=0", false),
            ("application/openmetrics-text;q=0.2, */*;q=0.1", true),
            ("application/openmetrics-text;q=0.1, text/*;q=0.2", false),
            ("text/html, */*;q=0.8", false),
            ("*/*", false),
            ("", false),
        ] {
            assert_eq!(wants_open_metrics(&asking(accept)), is_open, "{accept}");
        }
        assert!(!wants_open_metrics(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn each_format_says_what_it_is_and_one_has_an_end() {
        let collected = install().unwrap();
        for (accept, kind, has_end) in
            [("*/*", PROMETHEUS, false), ("application/openmetrics-text", OPEN_METRICS, true)]
        {
            let answer = metrics(Some(&collected), &asking(accept));
            assert_eq!(
                (&answer.headers()[CONTENT_TYPE], &answer.headers()[VARY]),
                (&kind.parse().unwrap(), &ACCEPT.as_str().parse().unwrap())
            );
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body.ends_with(b"# EOF\n"), has_end, "{accept}");
        }
        assert_eq!(metrics(None, &asking("*/*")).status(), 404);
    }
}
