//! The pictures in `docs/images`: made anew where `DEADLINE_PICTURES` is set.

use std::path::Path;

use http::Response;
use http_body_util::Empty;
use tokio::time::sleep;

use super::browser::Browser;
use super::shown;
use crate::support::{Http1Client, MS, Proxy, Server, Upstream, body, curl};

/// What a reader waits for at most, over a slow line.
const BYTES_AT_MOST: usize = 150 * 1024;

#[tokio::test]
async fn the_pictures_in_the_papers_are_small() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/images");
    if std::env::var_os("DEADLINE_PICTURES").is_some() {
        take(&folder).await;
    }
    for name in ["light", "dark", "phone"] {
        let path = folder.join(format!("status-{name}.png"));
        let picture = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(
            picture.starts_with(b"\x89PNG") && picture.len() <= BYTES_AT_MOST,
            "{}: {}",
            path.display(),
            picture.len()
        );
    }
}

/// A shop with three services, one of which is slow, and of another one of two endpoints is gone.
async fn shop() -> (Proxy, Server, [Upstream; 2]) {
    let ledger = "hop.payments;dur=182.4;desc=\"budget=240 own=22.4 database=160 stage=database cause=deadline\", \
                  hop.orders;dur=214;desc=\"budget=280 pool=9 connect=2.4 upstream=183 own=19.6 sent=28\"";
    let trail = "origin=header, stage=database, cause=deadline, hop=\"payments\"";
    let late = Server::answering(move |_| async move {
        sleep(225 * MS).await;
        let answer = Response::builder().status(504).header("server-timing", ledger).header("deadline-exceeded", trail);
        answer.body(body(Empty::new())).expect("a head can be made")
    })
    .await;
    let (orders, search) = (Upstream::start().await, Upstream::start().await);
    let mut text =
        "hop = \"edge-1\"\nadmin = \"127.0.0.1:0\"\nworkers = 2\n[[listener]]\naddress = \"127.0.0.1:0\"\n".to_owned();
    for (name, targets) in [
        ("orders", format!("\"http://{}\"", orders.address)),
        ("payments", format!("\"http://{}\", \"http://127.0.0.1:1\"", late.address)),
        ("search", format!("\"http://{}\"", search.address)),
    ] {
        text += &format!("[upstream.{name}]\ntargets = [{targets}]\n");
    }
    text += "[policy.default]\ntimeout = \"2s\"\nmax = \"30s\"\n[policy.payment]\ntimeout = \"800ms\"\nmax = \"3s\"\nretries = 2\n\
             [policy.search]\ntimeout = \"250ms\"\n";
    for (name, policy) in [("orders", "default"), ("payments", "payment"), ("search", "search")] {
        text += &format!(
            "[[route]]\nname = \"{name}\"\nprefix = \"/{name}\"\nupstream = \"{name}\"\npolicy = \"{policy}\"\nrewrite = {{ prefix = \"/\" }}\n"
        );
    }
    (Proxy::configured(&text).await, late, [orders, search])
}

async fn traffic(proxy: &Proxy, round: u32) {
    let mut client = Http1Client::connect(proxy.address).await;
    for nth in 0..40 {
        let timeout = ["300ms", "900ms", "1500ms", "4s"][(nth % 4) as usize];
        client.get("/orders/17", &format!("x-request-timeout: {timeout}\r\n")).await;
        client.answer().await;
    }
    for path in ["/search/q", "/search/q", "/search/never", "/payments/charge"] {
        curl(&[&proxy.url(path)]).await;
    }
    if round.is_multiple_of(2) {
        curl(&["--header", "x-request-timeout: 400ms", &proxy.url("/orders/stops")]).await;
        curl(&["--max-time", "0.2", &proxy.url("/orders/slow")]).await;
    }
}

async fn take(folder: &Path) {
    let (proxy, _late, _others) = shop().await;
    let browser = shown(&proxy).await;
    browser.size(1040, 730).await;
    browser.hide_scrollbars().await;
    for round in 0..12 {
        traffic(&proxy, round).await;
        sleep(1_000 * MS).await;
    }
    let rounds = "document.querySelectorAll('#requests-list > li').length >= 20";
    browser.until(rounds).await;
    browser.run("[...document.querySelectorAll('#requests-list > li')].find((row) => row.textContent.includes('payments') && row.textContent.includes('database'))?.querySelector('summary').click()").await;
    browser.run("document.querySelector('.requests').scrollTop = 0").await;
    std::fs::create_dir_all(folder).unwrap();
    for (name, width, height, scheme) in
        [("light", 1040, 730, "light"), ("dark", 1040, 730, "dark"), ("phone", 360, 1500, "light")]
    {
        browser.size(width, height).await;
        browser.prefer(&[("prefers-color-scheme", scheme)]).await;
        settled(&browser).await;
        std::fs::write(folder.join(format!("status-{name}.png")), browser.picture().await).unwrap();
    }
}

/// A frame later.
async fn settled(browser: &Browser) {
    browser
        .run("return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")
        .await;
    sleep(100 * MS).await;
}
