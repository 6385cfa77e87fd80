//! What has it read its files again: a signal, and each way in which files are replaced.

use std::fs;
use std::os::unix::fs::symlink;

use tokio::process::Command;

use super::super::listeners::Authority;
use super::{ANYWHERE, config, file, reloaded, reloads, said, saying};
use crate::support::{Folder, Program, Proxy, curl, eventually};

/// What says what, once it has been noticed.
async fn becomes(proxy: &Proxy, times: f64, text: &str) {
    reloaded(proxy, "applied", times).await;
    assert_eq!(said(proxy, "/").await, text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_written_renamed_or_linked_is_noticed_and_sighup_waits_for_no_look() {
    let (one, two) = (saying("one").await, saying("two").await);
    let texts = [&one, &two].map(|upstream| file(&[ANYWHERE], &[("/", upstream.address)]));
    let proxy = Proxy::configured(&texts[0]).await;
    proxy.folder().write("proxy.toml", &texts[1]);
    becomes(&proxy, 1.0, "two").await;
    proxy.rewrite(&texts[0]);
    becomes(&proxy, 2.0, "one").await;
    // As Kubernetes exchanges what it mounts: a link to a link.
    let (folder, at) = (proxy.folder(), |name: &str| proxy.folder().of(name));
    fs::create_dir(folder.path().join("v1")).unwrap();
    folder.write("v1/proxy.toml", &texts[1]);
    symlink("v1", at("data")).unwrap();
    symlink("data/proxy.toml", at("link")).unwrap();
    fs::rename(at("link"), at("proxy.toml")).unwrap();
    becomes(&proxy, 3.0, "two").await;
    fs::create_dir(folder.path().join("v2")).unwrap();
    folder.write("v2/proxy.toml", &texts[0]);
    symlink("v2", at("data.next")).unwrap();
    fs::rename(at("data.next"), at("data")).unwrap();
    becomes(&proxy, 4.0, "one").await;

    folder.write("v2/proxy.toml", &texts[1]);
    proxy.program.signal("HUP").await;
    becomes(&proxy, 5.0, "two").await;
    // Three looks, which find nothing else.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!((reloads(&proxy, "applied").await, reloads(&proxy, "refused").await), (5.0, 0.0));
}

/// Without a file SIGHUP has it read what there is: the log is opened anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_renamed_goes_on_in_a_new_file() {
    let (upstream, folder) = (saying("ok").await, Folder::new());
    let log = folder.of("access.log");
    let proxy = Proxy::with(upstream.address, &["--access-log", "full", "--access-log-output", &log]).await;
    let lines = |path: &str| fs::read_to_string(path).unwrap_or_default().lines().count();
    said(&proxy, "/first").await;
    eventually("a line", || lines(&log) == 1).await;
    fs::rename(&log, folder.of("access.log.1")).unwrap();
    said(&proxy, "/second").await;
    eventually("a line", || lines(&folder.of("access.log.1")) == 2).await;
    proxy.program.signal("HUP").await;
    reloaded(&proxy, "applied", 1.0).await;
    said(&proxy, "/third").await;
    eventually("a line", || lines(&log) == 1).await;
    assert_eq!(lines(&folder.of("access.log.1")), 2);
    assert!(fs::read_to_string(&log).unwrap().contains("path=/third"));
}

/// A secret of an upstream is exchanged as a file is: nobody has to say so.
#[tokio::test(flavor = "multi_thread")]
async fn the_authority_of_an_upstream_is_read_again_when_its_file_changes() {
    let (folder, plain) = (Folder::new(), saying("ok").await);
    let (good, strange) = (Authority::new(), Authority::new());
    let issued = good.issue("localhost");
    let (cert, key) = (folder.write("chain.pem", &issued.chain), folder.write("key.pem", &issued.key));
    let tls = ["--listen-tls", ANYWHERE, "--tls-cert", &cert, "--tls-key", &key];
    let secure = ["run", "--upstream", &format!("http://{}", plain.address), "--admin", ANYWHERE];
    let mut upstream = Program::start("deadline-proxy", secure.iter().chain(&tls));
    let line = upstream.line().await;
    let port = line.split(' ').nth(1).and_then(|url| url.rsplit_once(':')).unwrap().1.to_owned();
    let ca = folder.write("ca.pem", &strange.pem());
    let text = format!(
        "admin = \"{ANYWHERE}\"\n[[listener]]\naddress = \"{ANYWHERE}\"\n\
         [upstream.a]\ntargets = [\"https://localhost:{port}\"]\ntls = {{ ca = \"{ca}\" }}\n"
    );
    let proxy = Proxy::configured(&text).await;
    assert_eq!(curl(&[&proxy.url("/")]).await.status, 502);
    folder.write("ca.pem", &good.pem());
    becomes(&proxy, 1.0, "ok").await;
}

/// What was refused for a file that was half exchanged is looked at again once it is whole.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_for_a_certificate_is_tried_again_when_that_comes() {
    let (folder, upstream) = (Folder::new(), saying("ok").await);
    let issued = Authority::new().issue("localhost");
    let (cert, key) = (folder.write("chain.pem", &issued.chain), folder.of("key.pem"));
    let plain = file(&[ANYWHERE], &[("/", upstream.address)]);
    let proxy = Proxy::configured(&plain).await;
    let tls = format!("[[listener]]\naddress = \"{ANYWHERE}\"\ntls = {{ cert = \"{cert}\", key = \"{key}\" }}\n");
    proxy.rewrite(&(plain + &tls));
    reloaded(&proxy, "refused", 1.0).await;
    folder.write("key.pem", &issued.key);
    becomes(&proxy, 1.0, "ok").await;
    assert_eq!(config(&proxy).await["listeners"].as_array().map(Vec::len), Some(2));
}

/// A log that is moved leaves nothing behind that keeps the file open, or the disk that it is on.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_goes_elsewhere_is_closed_where_it_was() {
    let (upstream, folder) = (saying("ok").await, Folder::new());
    let told = |name: &str| {
        let log = format!("[access_log]\nrequests = \"full\"\noutput = \"{}\"\n", folder.of(name));
        file(&[ANYWHERE], &[("/", upstream.address)]) + &log
    };
    let proxy = Proxy::configured(&told("first.log")).await;
    let is_open = |name: &str| {
        let open = fs::read_dir(format!("/proc/{}/fd", proxy.program.id())).unwrap();
        open.flatten().filter_map(|open| fs::read_link(open.path()).ok()).any(|file| file.ends_with(name))
    };
    assert_eq!((said(&proxy, "/").await.as_str(), is_open("first.log")), ("ok", true));
    proxy.rewrite(&told("next.log"));
    assert_eq!((proxy.reload().await.0, is_open("next.log")), (200, true));
    eventually("the end of the first log", || !is_open("first.log")).await;
    assert_eq!(fs::read_to_string(folder.of("first.log")).unwrap().lines().count(), 1);
}

/// What `--config <(generate)` of a shell gives.
#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_is_read_once_and_a_reload_does_not_wait_for_it() {
    let (upstream, folder) = (saying("ok").await, Folder::new());
    let (pipe, text) = (folder.of("pipe"), file(&[ANYWHERE], &[("/", upstream.address)]));
    assert!(Command::new("mkfifo").arg(&pipe).status().await.unwrap().success());
    let writes = tokio::task::spawn_blocking({
        let pipe = pipe.clone();
        move || fs::write(pipe, text).unwrap()
    });
    let mut program = Program::start("deadline-proxy", ["run", "--config", &pipe]);
    let (address, admin) = (program.address().await, program.address().await);
    writes.await.unwrap();
    assert_eq!(curl(&[&format!("http://{address}/")]).await.text(), "ok");
    let answer = curl(&["-X", "POST", &format!("http://{admin}/reload")]).await;
    assert_eq!(
        (answer.status, answer.text()),
        (422, format!("{pipe}: it can be read once, and was; expected a file\n"))
    );
}
