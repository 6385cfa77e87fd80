//! `Max-Forwards`: by how many more hops an `OPTIONS` or a `TRACE` may go (RFC 9110 §7.6.2).
//!
//! Covers the count of these two methods, and the answer where it has come to its end. What is no number, and what
//! another method says, passes as it is.

use bytes::Bytes;
use http::header::MAX_FORWARDS;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use tower_deadline::Answers;
use tower_deadline::dialect::Call;

/// How many hops may follow, where the request says so.
fn left<B>(request: &Request<B>) -> Option<u64> {
    if !matches!(*request.method(), Method::OPTIONS | Method::TRACE) {
        return None;
    }
    let mut lines = request.headers().get_all(MAX_FORWARDS).iter();
    let digits = lines.next().filter(|_| lines.next().is_none())?.to_str().ok()?;
    // A number may have a `+` for whoever parses it.
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

/// The answer to a request that goes no further. Nothing of a `TRACE` is sent back, lest it tells what fields were
/// added on the way.
pub(super) fn last<B>(request: &Request<B>, answers: &Answers) -> Option<Response<Bytes>> {
    if left(request)? > 0 {
        return None;
    }
    if request.method() == Method::TRACE {
        let detail = "max-forwards: the request ends here, and this hop does not reflect it";
        return Some(answers.failure(StatusCode::NOT_IMPLEMENTED, detail, Call::of(request.headers())));
    }
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    Some(answer)
}

/// Counts this hop.
pub(super) fn count<B>(request: &mut Request<B>) {
    if let Some(left) = left(request) {
        request.headers_mut().insert(MAX_FORWARDS, HeaderValue::from(left.saturating_sub(1)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: &str, lines: &[&'static str]) -> Request<()> {
        let request = Request::builder().method(method).uri("/");
        lines.iter().fold(request, |request, line| request.header(MAX_FORWARDS, *line)).body(()).unwrap()
    }

    fn counted(method: &str, line: &'static str) -> String {
        let mut request = asked(method, &[line]);
        count(&mut request);
        request.headers()[MAX_FORWARDS].to_str().unwrap().to_owned()
    }

    #[test]
    fn each_hop_takes_one() {
        assert_eq!((counted("OPTIONS", "10"), counted("TRACE", "1")), ("9".to_owned(), "0".to_owned()));
        let mut plain = asked("OPTIONS", &[]);
        count(&mut plain);
        assert!(plain.headers().is_empty());
    }

    #[test]
    fn the_last_hop_answers() {
        let status = |method, lines: &[&'static str]| {
            last(&asked(method, lines), &Answers::new()).map(|answer| answer.status().as_u16())
        };
        assert_eq!((status("OPTIONS", &["0"]), status("TRACE", &["0"])), (Some(204), Some(501)));
        for more in [&[][..], &["1"], &["0", "0"]] {
            assert_eq!(status("OPTIONS", more), None, "{more:?}");
        }
    }

    #[test]
    fn another_method_and_what_is_no_number_pass() {
        assert!(last(&asked("GET", &["0"]), &Answers::new()).is_none());
        assert_eq!(counted("GET", "5"), "5");
        for odd in ["+5", "", "-1", "5 hops", "99999999999999999999"] {
            assert_eq!(counted("OPTIONS", odd), odd);
        }
    }
}
