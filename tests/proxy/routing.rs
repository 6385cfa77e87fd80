//! Which upstream a request reaches through the program, and as what.

use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;

use crate::support::{Answer, End, H2Client, Http1Client, Proxy, Server, body, curl};

/// Answers with its name and with what it was asked.
async fn upstream(name: &'static str) -> Server {
    Server::answering(move |request: Request<Incoming>| async move {
        let field = |name| request.headers().get(name).map_or("none", |value| value.to_str().unwrap()).to_owned();
        let (host, original) = (field("x-forwarded-host"), field("x-original-path"));
        let told = format!("{name}: {} {} of {host}, was {original}", request.method(), request.uri());
        Response::new(body(Full::from(told)))
    })
    .await
}

/// A proxy of two upstreams with these routes.
async fn routed(routes: &str) -> Proxy {
    let (blue, green) = (upstream("blue").await.address, upstream("green").await.address);
    let listens = "admin = \"127.0.0.1:0\"\n[[listener]]\naddress = \"127.0.0.1:0\"\n";
    let upstreams =
        format!("[upstream.blue]\ntargets = [\"http://{blue}\"]\n[upstream.green]\ntargets = [\"http://{green}\"]\n");
    Proxy::configured(&format!("{listens}{upstreams}{routes}")).await
}

const ROUTES: &str = r#"
[[route]]
name = "orders"
host = "shop.example"
path = "/orders/{id}"
method = "GET"
upstream = "blue"

[[route]]
host = ["shop.example", "*.shop.example"]
prefix = "/orders"
headers = { "x-tenant" = "green" }
upstream = "green"
rewrite = { prefix = "/v2", original = "x-original-path" }

[[route]]
host = "*.shop.example"
upstream = "green"

[[route]]
prefix = "/blue"
upstream = "blue"
"#;

/// What a client of HTTP/1.1 gets who asks for this path as it is.
async fn get(proxy: &Proxy, host: &str, path: &str, more: &[&str]) -> Answer {
    let (host, url) = (format!("host: {host}"), proxy.url(path));
    curl(&[&["--path-as-is", "--header", &host, &url], more].concat()).await
}

#[tokio::test]
async fn a_request_reaches_the_upstream_of_its_route() {
    let proxy = routed(ROUTES).await;
    let tenant = ["--header", "x-tenant: green"];
    for (host, path, more, told) in [
        ("shop.example", "/orders/7?a=b", &[][..], "blue: GET /orders/7?a=b of shop.example, was none"),
        ("SHOP.example.:8443", "/orders/7", &[], "blue: GET /orders/7 of SHOP.example.:8443, was none"),
        ("shop.example", "/%6Frders/%37", &tenant, "blue: GET /%6Frders/%37 of shop.example, was none"),
        (
            "shop.example",
            "/%6Frders/%37/8?a=/b",
            &tenant,
            "green: GET /v2/%37/8?a=/b of shop.example, was /%6Frders/%37/8?a=/b",
        ),
        ("eu.shop.example", "/orders", &tenant, "green: GET /v2 of eu.shop.example, was /orders"),
        (
            "eu.shop.example",
            "/orders/7",
            &["--header", "x-original-path: /x"],
            "green: GET /orders/7 of eu.shop.example, was /x",
        ),
        ("other.example", "/blue/sky", &[], "blue: GET /blue/sky of other.example, was none"),
    ] {
        let answer = get(&proxy, host, path, more).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, told), "{host} {path}");
    }
    let posted = get(&proxy, "shop.example", "/orders/7", &["--request", "POST", "--header", "x-tenant: green"]).await;
    assert_eq!(posted.text(), "green: POST /v2/7 of shop.example, was /orders/7");
}

#[tokio::test]
async fn a_request_over_http2_is_routed_by_its_authority() {
    let proxy = routed(ROUTES).await;
    let mut client = H2Client::connect(proxy.address).await;
    for (url, told) in [
        ("http://Shop.Example:80/orders/7", "blue: GET /orders/7 of Shop.Example:80, was none"),
        ("http://eu.shop.example/", "green: GET / of eu.shop.example, was none"),
    ] {
        let (response, _) = client.open(Request::get(url).body(()).unwrap(), true).await;
        let reply = H2Client::reply(response).await;
        assert_eq!((reply.status, String::from_utf8(reply.data).unwrap().as_str()), (200, told));
    }
    let call = Request::post("http://other.example/shop.Orders/Get").header("content-type", "application/grpc");
    let (response, _) = client.open(call.body(()).unwrap(), true).await;
    let reply = H2Client::reply(response).await;
    let field = |headers: &HeaderMap| headers.get("grpc-status").cloned();
    assert_eq!((reply.status, field(&reply.headers), reply.end), (200, "12".parse().ok(), End::Data));
}

#[tokio::test]
async fn what_takes_no_route_is_told_and_counted() {
    let proxy = routed(ROUTES).await;
    let answer = get(&proxy, "other.example", "/orders/7", &[]).await;
    assert_eq!((answer.status, answer.field("content-type")), (404, "application/problem+json"));
    assert_eq!(answer.json()["detail"], "no route takes this request");
    for path in ["/blue/../orders/7", "/blue/%2e%2E/orders/7", "/blue%2f..%2forders", "/blue/%zz", "/blue/%00"] {
        let answer = get(&proxy, "other.example", path, &[]).await;
        let detail = answer.json()["detail"].clone();
        assert!(
            answer.status == 400 && detail.as_str().is_some_and(|detail| detail.starts_with("path: ")),
            "{path}: {detail}"
        );
    }
    let counted = curl(&[&format!("http://{}/metrics", proxy.admin)]).await.text();
    for line in ["{reason=\"no_route\"} 1", "{reason=\"path\"} 5"] {
        assert!(counted.contains(&format!("deadline_proxy_refusals_total{line}\n")), "{line}: {counted}");
    }
}

#[tokio::test]
async fn what_asks_for_no_path_takes_a_route_that_names_none() {
    let proxy = routed(ROUTES).await;
    let mut client = Http1Client::connect(proxy.address).await;
    for (host, status, told) in [
        ("eu.shop.example", 200, "green: OPTIONS * of eu.shop.example, was none"),
        ("shop.example", 404, "no route takes this request"),
    ] {
        client.send(&format!("OPTIONS * HTTP/1.1\r\nhost: {host}\r\n\r\n")).await;
        let (head, body) = client.answer().await;
        assert!(head.status() == status && body.contains(told), "{body}");
    }
}

// R35
#[tokio::test]
async fn what_has_two_readings_takes_no_route_and_its_connection_is_closed() {
    let proxy = routed(ROUTES).await;
    let mut client = Http1Client::connect(proxy.address).await;
    client.send("GET /nowhere HTTP/1.1\r\nhost: a\r\nhost: shop.example\r\n\r\n").await;
    let (head, told) = client.answer().await;
    assert_eq!(head.status(), 400, "{told}");
    assert_eq!(client.rest().await, "");
}
