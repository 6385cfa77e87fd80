//! The status page, in a real browser: it loads, lives, filters, and shows what a test has caused, and nothing that comes
//! from elsewhere becomes a part of it.

mod browser;
mod looks;
mod pictures;

use serde_json::{Value, json};

use self::browser::{Browser, ENTER, ESCAPE, TAB};
use crate::support::{Http1Client, Proxy, Upstream, curl, signal};

/// What no text of a page may ever do.
const MARKUP: &str = "<img src=x onerror='window.owned=1'>";

/// Counts what the policy of the page has refused.
const WATCH: &str = "window.refused = []; addEventListener('securitypolicyviolation', (event) => refused.push(event.violatedDirective + ' ' + event.sample))";

const ROWS: &str = "document.querySelectorAll('#requests-list > li').length";

/// Two routes under two policies, before one upstream.
async fn two_routes(upstream: &Upstream) -> Proxy {
    let rest = "[policy.default]\ntimeout = \"9s\"\n[policy.strict]\ntimeout = \"300ms\"\n\
                [[route]]\nname = \"orders\"\nupstream = \"shop\"\n\
                [[route]]\nname = \"search\"\nprefix = \"/never\"\nupstream = \"shop\"\npolicy = \"strict\"\n";
    Proxy::of(&[("shop", upstream.address)], rest).await
}

async fn shown(proxy: &Proxy) -> Browser {
    let browser = Browser::start().await;
    browser.open(&format!("http://{}/", proxy.admin)).await;
    browser.run(WATCH).await;
    browser.until("document.querySelector('#state').dataset.state === 'live'").await;
    browser
}

async fn assert_quiet(browser: &Browser) {
    let told = (browser.complaints().await, browser.value("window.refused").await);
    assert_eq!(told, (Vec::new(), json!([])));
}

#[tokio::test]
async fn the_page_lives_and_shows_an_expiry_that_has_just_happened() {
    let upstream = Upstream::start().await;
    let proxy = two_routes(&upstream).await;
    let browser = shown(&proxy).await;
    browser.until("document.querySelectorAll('#routes-rows > tr').length === 2").await;
    assert_eq!(browser.text("#requests-none").await, "No request was stopped since the start.");
    assert_eq!(
        (browser.text("#hop").await, browser.text("#configuration-number").await),
        ("proxy".into(), "generation 1".into())
    );

    for _ in 0..3 {
        assert_eq!(curl(&[&proxy.url("/")]).await.status, 200);
    }
    let answer = curl(&[&proxy.url("/never")]).await;
    assert_eq!(answer.status, 504);
    browser.until(&format!("{ROWS} === 1")).await;
    let row = browser.text("#requests-list summary").await;
    for part in ["GET /never", "search → shop", "upstream", "504", "300\u{a0}ms"] {
        assert!(row.contains(part), "{part}: {row}");
    }
    let picture = browser.value("document.querySelector('#requests-list svg').getAttribute('aria-label')").await;
    assert!(picture.as_str().is_some_and(|told| told.contains("upstream ")), "{picture}");
    browser.run("document.querySelector('#requests-list summary').click()").await;
    browser.until("document.querySelector('#requests-list details').children.length === 2").await;
    let details = browser.text("#requests-list .detail").await;
    for part in ["in upstream, cause deadline", "policy strict", answer.field("x-request-id")] {
        assert!(details.contains(part), "{part}: {details}");
    }
    browser.until("document.querySelector('#matrix tbody').textContent.startsWith('upstream1')").await;

    // It goes on, and what is open stays so.
    curl(&[&proxy.url("/never")]).await;
    browser.until(&format!("{ROWS} === 2")).await;
    browser.until("document.querySelector('#matrix tbody').textContent.startsWith('upstream2')").await;
    assert_eq!(browser.value("document.querySelectorAll('#requests-list details')[1].open").await, json!(true));
    assert_eq!(browser.text("#news").await, "1 more request was stopped; the last in upstream, cause deadline.");

    let rest = "[policy.default]\ntimeout = \"2s\"\n[[route]]\nname = \"all\"\nupstream = \"shop\"\n";
    let listens = format!(
        "admin = \"127.0.0.1:0\"\n[[listener]]\naddress = \"127.0.0.1:0\"\n[upstream.shop]\ntargets = [\"http://{}\"]\n",
        upstream.address
    );
    proxy.rewrite(&(listens + rest));
    browser
        .until("document.querySelector('#configuration-number').textContent === 'generation 2'")
        .await;
    browser.until("document.querySelector('#config').textContent.includes('\"name\": \"all\"')").await;
    assert_quiet(&browser).await;
}

#[tokio::test]
async fn what_comes_from_elsewhere_is_text_and_nothing_else() {
    let trail = format!("deadline-exceeded: origin=header, stage=database, cause=deadline, hop=\"{MARKUP}\"");
    let timing = "server-timing: hop.<script>window.owned=1</script>;dur=5;desc=\"budget=9 own=5 stage=<b>\"";
    let upstream =
        Upstream::answering(format!("HTTP/1.1 504 Late\r\n{trail}\r\n{timing}\r\ncontent-length: 0\r\n\r\n")).await;
    let rest = format!("[policy.default]\ntimeout = \"9s\"\n[[route]]\nname = \"{MARKUP}\"\nupstream = \"shop\"\n");
    let proxy = Proxy::of(&[("shop", upstream.address)], &rest).await;
    let browser = shown(&proxy).await;
    let mut client = Http1Client::connect(proxy.address).await;
    let path = "/%3Cimg%20src=x%20onerror=%22window.owned=1%22%3E\"'{{7*7}}";
    client.get(path, "traceparent: <script>\r\n").await;
    assert_eq!(client.head().await.status(), 504);
    browser.until(&format!("{ROWS} === 1")).await;
    let row = browser.text("#requests-list summary").await;
    assert!(
        row.contains(&format!("GET {path}"))
            && row.contains(&format!("{MARKUP} → shop"))
            && row.contains(&format!("by {MARKUP}")),
        "{row}"
    );
    browser.run("document.querySelector('#requests-list summary').click()").await;
    browser.until("document.querySelector('.hops .name') !== null").await;
    assert_eq!(browser.text(".hops .name").await, "<script>window.owned=1</script>, stopped in <b>");
    assert_eq!(browser.text("#routes-rows th").await, MARKUP);
    let own = "[document.scripts.length, document.images.length, document.querySelectorAll('b > *, b img').length, window.owned ?? null]";
    assert_eq!(browser.value(own).await, json!([1, 0, 0, null]));
    // Nor could it be: the browser refuses whoever tries.
    let tried = "try { document.body.innerHTML = '<p>'; return 'written' } catch (error) { return error.name }";
    assert_eq!(browser.run(tried).await, json!("TypeError"));
    browser.run("const script = document.createElement('script'); script.append('window.owned = 1'); document.body.append(script)").await;
    assert_eq!(browser.value("window.owned ?? null").await, Value::Null);
}

/// What has grown while nobody looked, as the page of a tab that was not in front does, did not grow in the last minute.
#[tokio::test]
async fn the_last_minute_is_no_longer_than_that() {
    let upstream = Upstream::start().await;
    let proxy = two_routes(&upstream).await;
    let browser = shown(&proxy).await;
    let grown = |times: &str| {
        let of = "const seen = new Looks(); const count = (value) => new Map([['deadline_requests_total', [{ labels: new Map(), value }]]])";
        format!(
            "{of}; for (const [at, count_] of {times}) seen.add(at * 1000, count(count_)); return seen.growth('deadline_requests_total')"
        )
    };
    for (times, told) in [
        ("[[0, 5], [59, 7]]", 2),
        ("[[0, 5], [60, 7]]", 2),
        ("[[0, 5], [61, 7]]", 0),
        ("[[0, 5], [600, 9], [602, 10]]", 1),
        ("[[0, 5], [30, 6], [60, 8], [90, 9]]", 3),
        ("[[0, 5], [2, 1], [4, 3]]", 2),
    ] {
        assert_eq!(browser.run(&grown(times)).await, json!(told), "{times}");
    }
}

#[tokio::test]
async fn everything_is_in_reach_of_the_keyboard_and_a_filter_narrows_it() {
    let upstream = Upstream::start().await;
    let proxy = two_routes(&upstream).await;
    curl(&[&proxy.url("/never")]).await;
    curl(&["--header", "x-request-timeout: 100ms", &proxy.url("/stops")]).await;
    let browser = shown(&proxy).await;
    browser.until(&format!("{ROWS} === 2")).await;

    browser.press(&[TAB]).await;
    assert_eq!(browser.value("document.activeElement.className").await, json!("skip"));
    let outline = "getComputedStyle(document.activeElement).outlineStyle";
    assert_eq!(browser.value(outline).await, json!("solid"));
    browser.press(&[ENTER]).await;
    assert_eq!(browser.value("document.activeElement.id").await, json!("main"));
    browser.press(&[TAB, ENTER]).await;
    browser.until("document.querySelector('#requests-list details').open").await;
    let reached = reached(&browser).await;
    for wanted in ["filter", "pause", "theme", "config", "A", "SUMMARY"] {
        assert!(reached.iter().any(|one| one == wanted), "{wanted}: {reached:?}");
    }

    let rows = "['#routes-rows > tr', '#requests-list > li', '#policies-list > article', '#upstreams-list > article'].map((rows) => document.querySelectorAll(rows).length)";
    assert_eq!(browser.value(rows).await, json!([2, 2, 2, 1]));
    browser.run("document.activeElement.blur()").await;
    browser.press(&["/", "N", "e", "v", "e", "r"]).await;
    assert_eq!(browser.value("document.querySelector('#filter').value").await, json!("Never"));
    assert_eq!(browser.value(rows).await, json!([0, 1, 0, 0]));
    assert_eq!(browser.text("#requests-count").await, "1 of 2");
    assert_eq!(browser.text("#routes-none").await, "Nothing here has the words of the filter.");
    browser.press(&[ESCAPE, "/", "s", "e", "a", "r", "c", "h", " ", "s", "t", "r", "i", "c", "t"]).await;
    assert_eq!(browser.value(rows).await, json!([1, 1, 1, 0]));
    // All of them, in one.
    browser.press(&[" ", "d", "e", "f", "a", "u", "l", "t"]).await;
    assert_eq!(browser.value(rows).await, json!([0, 0, 0, 0]));
    browser.press(&[ESCAPE]).await;
    assert_eq!(browser.value(rows).await, json!([2, 2, 2, 1]));
    assert_eq!(browser.value("document.activeElement.tagName").await, json!("BODY"));
    assert_quiet(&browser).await;
}

/// By Tab, until it goes round: ids, and names of what has none.
async fn reached(browser: &Browser) -> Vec<String> {
    browser
        .run("document.querySelector('.whole').open = true; document.activeElement.blur(); window.scrollTo(0, 0)")
        .await;
    let mut reached = Vec::new();
    for _ in 0..40 {
        browser.press(&[TAB]).await;
        let now = browser.value("document.activeElement.id || document.activeElement.tagName").await;
        reached.push(now.as_str().unwrap_or_default().to_owned());
    }
    reached
}

#[tokio::test]
async fn a_proxy_that_does_not_answer_is_said_to_and_a_pause_asks_nothing() {
    let upstream = Upstream::start().await;
    let proxy = two_routes(&upstream).await;
    let browser = shown(&proxy).await;
    browser.run("window.asked = 0; const before = fetch; window.fetch = (...all) => { window.asked += 1; return before(...all) }").await;
    browser.until("window.asked >= 3").await;
    browser.run("document.querySelector('#pause').click()").await;
    assert_eq!(browser.value("document.querySelector('#pause').getAttribute('aria-pressed')").await, json!("true"));
    assert_eq!((browser.text("#state-text").await, browser.text("#pause").await), ("paused".into(), "Resume".into()));
    // More than one of its rounds: nothing tells that nothing is asked.
    let asked =
        "const before = window.asked; const done = arguments[0]; setTimeout(() => done(window.asked - before), 2500)";
    assert_eq!(
        browser
            .run(&format!("return new Promise((done) => {{ {} }})", asked.replace("const done = arguments[0]; ", "")))
            .await,
        json!(0)
    );
    browser.run("document.querySelector('#pause').click()").await;
    browser.until("document.querySelector('#state').dataset.state === 'live'").await;
    assert!(browser.value("document.querySelector('#trouble').hidden").await == json!(true));

    signal(proxy.program.id(), "STOP").await;
    browser.until("document.querySelector('#state').dataset.state === 'lost'").await;
    let told = browser.text("#trouble").await;
    assert!(told.starts_with("The admin listener does not answer. Its last answer came at "), "{told}");
    assert!(told.contains("/metrics: no answer in 5 s"), "{told}");
    signal(proxy.program.id(), "CONT").await;
    browser.until("document.querySelector('#trouble').hidden").await;
    proxy.program.signal("KILL").await;
    browser.until("document.querySelector('#trouble').textContent.includes('Failed to fetch')").await;
}
