//! TLS: which version is agreed on, and who is no client of it.

use super::{Authority, Listening, one};
use crate::support::{Folder, Http1Client, Upstream, curl};

#[tokio::test]
async fn the_version_is_agreed_on_in_tls() {
    let (mut upstream, folder, authority) = (Upstream::start().await, Folder::new(), Authority::new());
    let issued = authority.issue("shop.example").write(&folder);
    let ca = folder.write("ca.pem", &authority.pem());
    let arguments = ["--listen-tls", "127.0.0.1:0", "--tls-cert", &issued.chain, "--tls-key", &issued.key];
    let proxy = Listening::start(&upstream, &arguments).await;
    let port = proxy.address(0).port();
    let (url, resolved) = (format!("https://shop.example:{port}/"), format!("shop.example:{port}:127.0.0.1"));
    let always = ["--cacert", &ca, "--resolve", &resolved, &url];
    for (versions, via) in [
        (&["--http2"][..], "2 proxy"),
        (&["--http1.1"], "1.1 proxy"),
        // Nothing is offered: either could come, and this does.
        (&["--no-alpn"], "1.1 proxy"),
        (&["--http1.1", "--tls-max", "1.2"], "1.1 proxy"),
        (&["--http2", "--tls-max", "1.2"], "2 proxy"),
    ] {
        let answer = curl(&[versions, &always[..]].concat()).await;
        assert_eq!((answer.exit, answer.status), (Some(0), 200), "{versions:?}");
        let seen = upstream.request().await;
        assert_eq!(one(&seen, "via"), via, "{versions:?}");
        assert_eq!((one(&seen, "x-forwarded-proto"), one(&seen, "x-forwarded-port")), ("https", &*port.to_string()));
    }
    // Who does not know the authority does not ask.
    let stranger = curl(&["--resolve", &resolved, &url]).await;
    assert_eq!((stranger.exit, stranger.status), (Some(60), 0));
    upstream.assert_no_more();
}

#[tokio::test]
async fn http_without_tls_is_no_request() {
    let (mut upstream, folder, authority) = (Upstream::start().await, Folder::new(), Authority::new());
    let issued = authority.issue("shop.example").write(&folder);
    let arguments = ["--listen-tls", "127.0.0.1:0", "--tls-cert", &issued.chain, "--tls-key", &issued.key];
    let proxy = Listening::start(&upstream, &arguments).await;
    let mut client = Http1Client::connect(proxy.address(0)).await;
    client.get("/", "").await;
    assert!(!client.rest().await.contains("HTTP/"));
    assert_eq!(proxy.counted(r#"deadline_proxy_refusals_total{reason="tls"}"#).await, 1);
    upstream.assert_untouched();
}
