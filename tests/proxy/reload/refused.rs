//! A configuration that cannot be used: each reason is told, and nothing has changed.

use std::net::TcpListener;

use tokio::process::Command;

use super::{ANYWHERE, config, file, reloaded, reloads, said, saying};
use crate::support::{Proxy, curl, own_place};

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_wrong_is_refused_with_every_reason_and_the_old_one_serves_on() {
    let upstream = saying("ok").await;
    let good = file(&[ANYWHERE], &[("/", upstream.address)]);
    let proxy = Proxy::configured(&good).await;
    let before = config(&proxy).await;
    proxy.rewrite(&(good.clone() + "[policy.default]\ntimeout = \"soon\"\nmax = 3\n"));
    let (status, told) = proxy.reload().await;
    let lines: Vec<_> = told.lines().collect();
    let named = |line: &str, what: &str| line.contains("proxy.toml:") && line.contains(what);
    assert!(status == 422 && lines.len() == 2, "{told}");
    assert!(named(lines[0], "policy.default.timeout") && named(lines[1], "policy.default.max"), "{told}");
    assert_eq!((said(&proxy, "/").await, config(&proxy).await), ("ok".to_owned(), before));
    assert_eq!((reloads(&proxy, "refused").await, reloads(&proxy, "applied").await), (1.0, 0.0));
    assert_eq!(proxy.metric("deadline_proxy_config_refused", &[]).await, 1.0);
    proxy.rewrite(&good);
    assert_eq!(proxy.reload().await.0, 200);
    assert_eq!(proxy.metric("deadline_proxy_config_refused", &[]).await, 0.0);
}

/// Who is woken when a count grows would not be by one that appears.
#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_is_woken_by_is_there_before_it_happens() {
    let upstream = saying("ok").await;
    let proxy = Proxy::configured(&file(&[ANYWHERE], &[("/", upstream.address)])).await;
    let told = curl(&[&format!("http://{}/metrics", proxy.admin)]).await.text();
    for line in [
        "deadline_proxy_reloads_total{outcome=\"applied\"} 0",
        "deadline_proxy_reloads_total{outcome=\"refused\"} 0",
        "deadline_proxy_certificate_reloads_total{outcome=\"refused\"} 0",
        "deadline_proxy_config_refused 0",
        "deadline_proxy_config_generation 1",
    ] {
        assert!(told.lines().any(|told| told == line), "{line}: {told}");
    }
}

/// From the message of the system one would look for another process.
#[tokio::test(flavor = "multi_thread")]
async fn a_listener_in_the_way_of_the_admin_listener_is_told_as_such() {
    let (upstream, admin) = (saying("ok").await, own_place(20_082));
    let good = file(&[ANYWHERE], &[("/", upstream.address)]).replacen(ANYWHERE, &admin, 1);
    let proxy = Proxy::configured(&good).await;
    let wrong = format!("{good}[[listener]]\naddress = \"0.0.0.0:20082\"\n");
    proxy.rewrite(&wrong);
    let (status, told) = proxy.reload().await;
    assert!(status == 422 && told.contains(&format!("0.0.0.0:20082, by our own {admin}")), "{told}");
}

/// What a file alone does not tell: a port in use, a missing certificate, what is made at the start only.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_had_is_refused_as_a_whole() {
    let upstream = saying("ok").await;
    let good = file(&[ANYWHERE], &[("/", upstream.address)]);
    let proxy = Proxy::configured(&good).await;
    let taken = TcpListener::bind(ANYWHERE).unwrap();
    let taken = format!("[[listener]]\naddress = \"{}\"\n", taken.local_addr().unwrap());
    let tls = "[[listener]]\naddress = \"127.0.0.1:1\"\ntls = { cert = \"/nowhere.pem\", key = \"/nowhere.pem\" }\n";
    let pem = "[upstream.tls]\ntargets = [\"https://127.0.0.1:1\"]\ntls = { ca = \"/nowhere.pem\" }\n\
               [[route]]\nprefix = \"/tls\"\nupstream = \"tls\"\n";
    for (wrong, reason) in [
        (good.clone() + &taken, "address in use"),
        (good.clone() + tls, "/nowhere.pem"),
        (good.clone() + pem, "/nowhere.pem"),
        (good.replace("workers = 2", "workers = 3"), "workers: 3: it is 2 as long as this process lives"),
        (good.replace("admin = \"127.0.0.1:0\"", "admin = \"127.0.0.1:1\""), "admin: 127.0.0.1:1: it is 127.0.0.1:0"),
        (String::new(), "proxy.toml"),
    ] {
        proxy.rewrite(&wrong);
        let (status, told) = proxy.reload().await;
        assert!(status == 422 && told.contains(reason) && told.contains("proxy.toml:"), "{reason}: {status} {told}");
        assert_eq!(said(&proxy, "/").await, "ok");
    }
    assert_eq!(reloads(&proxy, "applied").await, 0.0);
}

/// It is noticed by itself, told once, and not again until it is another.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_becomes_wrong_is_refused_once() {
    let upstream = saying("ok").await;
    let good = file(&[ANYWHERE], &[("/", upstream.address)]);
    let proxy = Proxy::configured(&good).await;
    proxy.rewrite("listener = 3\n");
    reloaded(&proxy, "refused", 1.0).await;
    proxy.rewrite("listener = 4\n");
    reloaded(&proxy, "refused", 2.0).await;
    std::fs::remove_file(proxy.folder().of("proxy.toml")).unwrap();
    reloaded(&proxy, "refused", 3.0).await;
    proxy.rewrite(&good);
    reloaded(&proxy, "applied", 1.0).await;
    assert_eq!(reloads(&proxy, "refused").await, 3.0);
    assert_eq!(said(&proxy, "/").await, "ok");
}

/// A reload of a file that says nothing of workers is not refused because the machine has changed.
#[tokio::test(flavor = "multi_thread")]
async fn workers_that_nobody_has_told_are_as_many_as_before_on_whatever_cores() {
    let upstream = saying("ok").await;
    let good = file(&[ANYWHERE], &[("/", upstream.address)]).replace("workers = 2\n", "");
    let proxy = Proxy::configured(&good).await;
    let fewer = Command::new("taskset").args(["-p", "1", &proxy.program.id().to_string()]).output().await.unwrap();
    assert!(fewer.status.success(), "{fewer:?}");
    assert_eq!(proxy.reload().await, (200, "{\"generation\":2}\n".to_owned()));
}

/// Both cannot be open at once, and the old one is until the whole is exchanged.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_a_listener_is_about_to_leave_is_told_as_such() {
    let (upstream, port) = (saying("ok").await, super::doors::free().port());
    let told = |host: &str| file(&[&format!("{host}:{port}")], &[("/", upstream.address)]);
    let proxy = Proxy::configured(&told("127.0.0.1")).await;
    proxy.rewrite(&told("0.0.0.0"));
    let (status, told) = proxy.reload().await;
    let reason = format!(
        "address in use: 0.0.0.0:{port}, by our own 127.0.0.1:{port}, which is open until this is in use; \
         leave both out of one reload, or start anew\n"
    );
    assert!(status == 422 && told.ends_with(&reason), "{told}");
}
