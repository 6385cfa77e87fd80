//! Clients that have to show a certificate.

use super::{Authority, Listening};
use crate::support::{Folder, Upstream, curl};

#[tokio::test]
async fn only_a_client_with_a_certificate_of_the_right_authority_comes_in() {
    let (mut upstream, folder, authority) = (Upstream::start().await, Folder::new(), Authority::new());
    let (ours, theirs) = (Authority::new(), Authority::new());
    let issued = authority.issue("shop.example").write(&folder);
    let ca = folder.write("ca.pem", &authority.pem());
    let client_ca = folder.write("clients.pem", &ours.pem());
    let proxy = Listening::start(
        &upstream,
        &[
            ["--listen-tls", "127.0.0.1:0", "--tls-client-ca", &client_ca],
            ["--tls-cert", &issued.chain, "--tls-key", &issued.key],
        ]
        .concat(),
    )
    .await;
    let port = proxy.address(0).port();
    let (url, resolved) = (format!("https://shop.example:{port}/"), format!("shop.example:{port}:127.0.0.1"));
    let shown = |name: &str, authority: &Authority| {
        let issued = authority.issue("client");
        let (chain, key) = (format!("{name}.pem"), format!("{name}-key.pem"));
        [folder.write(&chain, &issued.chain), folder.write(&key, &issued.key)]
    };
    let (right, foreign) = (shown("right", &ours), shown("foreign", &theirs));
    for version in ["1.2", "1.3"] {
        let always = ["--cacert", &ca, "--resolve", &resolved, "--tls-max", version, &url];
        for (files, let_in) in [(None, false), (Some(&foreign), false), (Some(&right), true)] {
            let certificate: Vec<&str> = match files {
                Some([chain, key]) => vec!["--cert", chain, "--key", key],
                None => Vec::new(),
            };
            let answer = curl(&[&certificate, &always[..]].concat()).await;
            assert_eq!((answer.exit == Some(0), answer.status == 200), (let_in, let_in), "{version} {certificate:?}");
            if let_in {
                upstream.request().await;
            }
            upstream.assert_no_more();
        }
    }
    assert_eq!(proxy.counted(r#"deadline_proxy_refusals_total{reason="tls"}"#).await, 4);
}
