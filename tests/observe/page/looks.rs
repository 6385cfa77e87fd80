//! How the page looks: at any width, by day and by night, and for who does not see well.

use serde_json::{Value, json};

use super::browser::Browser;
use super::{ROWS, shown};
use crate::support::{Proxy, Upstream, curl};

/// Each text that can be read less well than WCAG's AA wants, by its colour on what is behind it.
const FAINT: &str = r"
    const parse = (text) => {
      const numbers = text.match(/[\d.]+(e-?\d+)?/g).map(Number);
      const [r, g, b, a = 1] = text.startsWith('color(') ? numbers.map((n, at) => (at < 3 ? n * 255 : n)) : numbers;
      return { c: [r, g, b], a };
    };
    const over = (top, below) => top.c.map((n, at) => n * top.a + below[at] * (1 - top.a));
    const behind = (element) => {
      if (element === null) return [255, 255, 255];
      const back = parse(getComputedStyle(element).backgroundColor);
      return back.a === 1 ? back.c : over(back, behind(element.parentElement));
    };
    const light = (c) => {
      const [r, g, b] = c.map((n) => n / 255).map((n) => (n <= 0.04045 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const faint = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const [text, element] = [texts.currentNode.textContent.trim(), texts.currentNode.parentElement];
      if (text === '' || element.closest('script, style, noscript, [hidden]') || element.getClientRects().length === 0) continue;
      const back = behind(element);
      const [a, b] = [light(over(parse(getComputedStyle(element).color), back)), light(back)];
      const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      if (ratio < 4.5) faint.push(`${ratio.toFixed(2)} ${element.tagName}.${element.className}: ${text.slice(0, 40)}`);
    }
    return faint;
";

/// What reaches beyond the right edge, but for what has a scroll bar of its own.
const SIDEWAYS: &str = r"
    const edge = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= edge) return [];
    const wide = [...document.querySelectorAll('body *')].filter((one) => one.getBoundingClientRect().right > edge + 1);
    return [edge, ...wide.filter((one) => !one.closest('.wide, .unseen')).map((one) => `${one.tagName}.${one.className}`)];
";

async fn busy(upstream: &Upstream) -> Proxy {
    let name = "a-route-with-a-name-that-somebody-has-made-of-all-that-it-is-for-and-of-where-it-goes";
    let rest = format!(
        "[policy.default]\ntimeout = \"9s\"\n[policy.{name}]\ntimeout = \"150ms\"\n\
         [[route]]\nname = \"{name}\"\nprefix = \"/never\"\nupstream = \"shop\"\npolicy = \"{name}\"\n\
         [[route]]\nname = \"orders\"\nupstream = \"shop\"\n\
         [[route]]\nname = \"other\"\nprefix = \"/other\"\nupstream = \"a-long-name-of-an-upstream-which-nobody-asks-for-anything\"\n"
    );
    let proxy = Proxy::of(
        &[("shop", upstream.address), ("a-long-name-of-an-upstream-which-nobody-asks-for-anything", upstream.address)],
        &rest,
    )
    .await;
    curl(&[&proxy.url("/")]).await;
    let long = format!("/never/{}", "x".repeat(300));
    curl(&["--header", "x-request-timeout: 1ns", &proxy.url(&long)]).await;
    curl(&[&proxy.url("/never")]).await;
    proxy
}

async fn open_all(browser: &Browser) {
    browser.until(&format!("{ROWS} === 2")).await;
    browser.run("for (const details of document.querySelectorAll('details')) details.open = true").await;
    browser.until("document.querySelectorAll('.detail').length === 2").await;
}

#[tokio::test]
async fn the_page_fits_any_width_and_can_be_read_by_day_and_by_night() {
    let upstream = Upstream::start().await;
    let proxy = busy(&upstream).await;
    let browser = shown(&proxy).await;
    // 320 is a window of 640 at 200 %, or of 1280 at 400 %.
    for width in [320, 360, 640, 900, 1280, 2000] {
        browser.size(width, 800).await;
        browser.run("scrollTo(0, 0)").await;
        open_all(&browser).await;
        assert_eq!(browser.run(SIDEWAYS).await, json!([]), "{width}");
    }

    let back = "getComputedStyle(document.body).backgroundColor";
    let mut backs = Vec::new();
    for scheme in ["light", "dark"] {
        browser.prefer(&[("prefers-color-scheme", scheme)]).await;
        assert_eq!(browser.run(FAINT).await, json!([]), "{scheme}");
        backs.push(browser.value(back).await);
    }
    assert_eq!(backs, ["rgb(244, 245, 246)", "rgb(14, 17, 21)"]);

    // Whoever wants another than the system says, has it, and has it again.
    browser.run("document.querySelector('#theme').click()").await;
    assert_eq!((browser.text("#theme").await, browser.value(back).await), ("Theme: light".into(), backs[0].clone()));
    assert_eq!(browser.run(FAINT).await, json!([]));
    browser.run("location.reload()").await;
    browser.until("document.querySelector('#state')?.dataset.state === 'live'").await;
    assert_eq!((browser.text("#theme").await, browser.value(back).await), ("Theme: light".into(), backs[0].clone()));
    browser.run("document.querySelector('#theme').click()").await;
    assert_eq!((browser.text("#theme").await, browser.value(back).await), ("Theme: dark".into(), backs[1].clone()));
    browser.run("document.querySelector('#theme').click()").await;
    assert_eq!((browser.text("#theme").await, browser.value(back).await), ("Theme: auto".into(), backs[1].clone()));
}

#[tokio::test]
async fn nothing_moves_for_who_wants_that_and_every_part_has_a_name() {
    let upstream = Upstream::start().await;
    let proxy = busy(&upstream).await;
    let browser = shown(&proxy).await;
    open_all(&browser).await;
    assert_eq!(browser.value("document.getAnimations().length").await, json!(1));
    browser.prefer(&[("prefers-reduced-motion", "reduce")]).await;
    assert_eq!(browser.value("document.getAnimations().length").await, json!(0));

    let unnamed = r"
        const named = (one) => one.getAttribute('aria-label') || document.getElementById(one.getAttribute('aria-labelledby'))?.textContent || one.textContent.trim() || one.labels?.length;
        const wanted = [...document.querySelectorAll('section, nav, button, input, a, summary, [role=img], [role=table], [role=region], article')];
        return wanted.filter((one) => !named(one)).map((one) => one.outerHTML.slice(0, 80));
    ";
    assert_eq!(browser.run(unnamed).await, json!([]));
    let landmarks = browser.value("['header', 'nav', 'main', 'h1', 'search'].map((name) => document.querySelectorAll(`body > ${name}, body ${name}`).length > 0)").await;
    assert_eq!(landmarks, json!([true, true, true, true, true]));
    let live = browser.value("[document.querySelector('#news').getAttribute('role'), document.querySelector('#trouble').getAttribute('role')]").await;
    assert_eq!(live, json!(["status", "alert"]));
    assert_eq!(browser.value("document.documentElement.lang").await, Value::from("en"));
}
