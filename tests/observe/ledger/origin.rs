//! Whose word it was: in answers only where that is wanted, and never by who asks.

use http_deadline::dialect::trail::DEADLINE_EXCEEDED;
use serde_json::{Value, json};

use crate::support::{Proxy, Upstream, curl};

/// The problem document of a request that takes for ever.
async fn told(proxy: &Proxy, arguments: &[&str]) -> Value {
    let answer = curl(&[arguments, &[&proxy.url("/never")]].concat()).await;
    assert_eq!(answer.status, 504, "{answer:?}");
    answer.json()
}

#[tokio::test]
async fn who_set_a_deadline_is_told_in_detail_only_where_that_is_wanted() {
    let upstream = Upstream::start().await;
    let asks = ["-H", "X-Request-Timeout: 200ms"];
    for (arguments, of_policy, of_header) in [
        (&["--timeout", "300ms"][..], Value::Null, Value::Null),
        (&["--timeout", "300ms", "--expose-origin"], json!("default"), json!("x-request-timeout")),
    ] {
        let proxy = Proxy::with(upstream.address, arguments).await;
        let (policy, header) = (told(&proxy, &[]).await, told(&proxy, &asks).await);
        assert_eq!((&policy["origin"], &policy["origin_detail"]), (&json!("policy"), &of_policy), "{policy}");
        assert_eq!((&header["origin"], &header["origin_detail"]), (&json!("header"), &of_header), "{header}");
    }
}

#[tokio::test]
async fn the_limit_of_a_try_is_its_own_and_named() {
    let upstream = Upstream::start().await;
    let route = "[[route]]\nupstream = \"app\"\ntry_timeout = \"200ms\"\n";
    for (key, detail) in [("expose_origin = true\n", json!("try_timeout of app")), ("", Value::Null)] {
        let text = format!(
            "{key}admin = \"127.0.0.1:0\"\n[[listener]]\naddress = \"127.0.0.1:0\"\n\
             [upstream.app]\ntargets = [\"http://{}\"]\n{route}",
            upstream.address
        );
        let proxy = Proxy::configured(&text).await;
        let told = told(&proxy, &[]).await;
        let expected = (&json!("policy"), &detail, &json!("upstream"), &json!(200));
        assert_eq!((&told["origin"], &told["origin_detail"], &told["stage"], &told["budget_ms"]), expected, "{told}");
    }
}

#[tokio::test]
async fn what_a_request_says_of_a_stop_is_nobodys_business() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::with(upstream.address, &["--trust", "127.0.0.1"]).await;
    let said = "Deadline-Exceeded: origin=header, stage=pool, cause=deadline, hop=\"me\"";
    let answer = curl(&["-H", said, &proxy.url("/")]).await;
    assert_eq!((answer.status, answer.headers.contains_key(&DEADLINE_EXCEEDED)), (200, false));
    assert!(!upstream.request().await.headers.contains_key(&DEADLINE_EXCEEDED));
}
