use super::*;

const MS: Duration = Duration::from_millis(1);

fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

/// 300 ms had arrived, of which 100 are spent.
#[track_caller]
fn sent(fields: &[(&'static str, &'static str)]) {
    assert_propagated(&headers(&[("x-request-timeout", "300ms")]), 100 * MS, &[headers(fields)]);
}

#[test]
fn what_is_left_and_less_is_right_in_any_dialect() {
    sent(&[("x-request-timeout", "200ms")]);
    sent(&[("grpc-timeout", "1n")]);
    sent(&[("x-request-timeout", "150ms"), ("grpc-timeout", "150999u"), ("accept", "*/*")]);
}

#[test]
fn a_service_that_set_its_own_deadline_propagates_too() {
    assert_propagated(&HeaderMap::new(), Duration::ZERO, &[headers(&[("x-request-timeout", "2s")])]);
}

#[test]
#[should_panic(expected = "nothing was sent")]
fn nothing_sent_is_nothing_propagated() {
    assert_propagated(&HeaderMap::new(), Duration::ZERO, &[]);
}

#[test]
#[should_panic(expected = "request 0 carries no deadline")]
fn a_request_without_a_field_is_found() {
    sent(&[("accept", "*/*")]);
}

#[test]
#[should_panic(expected = "request 1 carries no deadline")]
fn so_is_the_second_of_two() {
    let both = [headers(&[("x-request-timeout", "1ms")]), HeaderMap::new()];
    assert_propagated(&headers(&[("x-request-timeout", "300ms")]), Duration::ZERO, &both);
}

#[test]
#[should_panic(expected = "grants more than the 200ms that are left")]
fn a_field_of_more_than_is_left_is_found() {
    sent(&[("x-request-timeout", "201ms")]);
}

#[test]
#[should_panic(expected = "carries a deadline of zero")]
fn a_zero_is_found() {
    sent(&[("x-request-timeout", "0ms")]);
}

#[test]
#[should_panic(expected = "has a doubled field")]
fn a_doubled_field_is_found() {
    sent(&[("x-request-timeout", "100ms"), ("x-request-timeout", "100ms")]);
}

#[test]
#[should_panic(expected = "has a stale field")]
fn a_stale_field_beside_a_fresh_one_is_found() {
    sent(&[("x-request-timeout", "100ms"), ("connect-timeout-ms", "150")]);
}

#[test]
#[should_panic(expected = "has a malformed field")]
fn a_malformed_field_is_found() {
    sent(&[("x-request-timeout", "soon")]);
}
