//! Where connections come in: ports, TLS, Unix and inherited sockets, the PROXY protocol, workers, and the end of it all.

mod authority;
mod drain;
mod inherited;
mod mutual;
mod proxy_protocol;
mod renewal;
mod tls;

use std::net::SocketAddr;

use http::Request;

use crate::support::{Folder, H2Client, Head, Http1Client, Program, Upstream, curl};

pub(super) use self::authority::Authority;

/// A proxy with listeners of a test's own.
pub(super) struct Listening {
    pub(super) program: Program,
    /// `http://127.0.0.1:41234`, `https://…`, `http://unix:/path`.
    pub(super) ways_in: Vec<String>,
    pub(super) admin: SocketAddr,
}

impl Listening {
    /// Opens what the arguments say.
    pub(super) async fn start(upstream: &Upstream, arguments: &[&str]) -> Self {
        Self::of(Program::start("deadline-proxy", command(&target(upstream), arguments))).await
    }

    /// A program that is about to say where it listens.
    pub(super) async fn of(mut program: Program) -> Self {
        let mut ways_in = Vec::new();
        loop {
            let line = program.line().await;
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["deadline-proxy:", "admin", "on", url, ..] => {
                    return Self { program, ways_in, admin: address(url) };
                }
                ["deadline-proxy:", url, "->", ..] => ways_in.push(url.to_owned()),
                _ => panic!("{line}"),
            }
        }
    }

    /// The address of a way in that is a port.
    pub(super) fn address(&self, place: usize) -> SocketAddr {
        address(&self.ways_in[place])
    }

    /// What is counted under this name, with its labels.
    pub(super) async fn counted(&self, name: &str) -> u64 {
        let told = curl(&[&format!("http://{}/metrics", self.admin)]).await.text();
        let value = told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().expect("a count is a number"))
    }
}

pub(super) fn target(upstream: &Upstream) -> String {
    format!("http://{}", upstream.address)
}

pub(super) fn command<'a>(target: &'a str, arguments: &[&'a str]) -> Vec<&'a str> {
    [&["run", "--upstream", target, "--admin", "127.0.0.1:0"], arguments].concat()
}

fn address(url: &str) -> SocketAddr {
    url.split("//")
        .nth(1)
        .and_then(|address| address.parse().ok())
        .unwrap_or_else(|| panic!("no address: {url}"))
}

/// The value of a field that stands there once.
#[track_caller]
pub(super) fn one<'a>(head: &'a Head, name: &str) -> &'a str {
    let values: Vec<_> = head.headers.get_all(name).iter().collect();
    let [value] = values[..] else { panic!("{name}: {values:?}") };
    value.to_str().expect("a field is text")
}

#[tokio::test]
async fn one_process_listens_in_every_way_and_speaks_both_versions_in_each() {
    let (mut upstream, folder, authority) = (Upstream::start().await, Folder::new(), Authority::new());
    let issued = authority.issue("shop.example").write(&folder);
    let (ca, path) = (folder.write("ca.pem", &authority.pem()), folder.of("in.sock"));
    let unix = format!("unix:{path}");
    let proxy = Listening::start(
        &upstream,
        &[
            ["--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--listen", &unix, "--listen-tls", "127.0.0.1:0"],
            ["--tls-cert", &issued.chain, "--tls-key", &issued.key, "--workers", "2", "--hop", "edge"],
        ]
        .concat(),
    )
    .await;
    assert_eq!(proxy.ways_in[2], format!("http://{unix}"));
    assert!(proxy.ways_in[3].starts_with("https://127.0.0.1:"), "{:?}", proxy.ways_in);

    let secure = proxy.address(3);
    let (named, resolved) =
        (format!("https://shop.example:{}/", secure.port()), format!("shop.example:{}:127.0.0.1", secure.port()));
    let ways: [(&[&str], &str, &str); 4] = [
        (&[], &proxy.ways_in[0], "--http2-prior-knowledge"),
        (&[], &proxy.ways_in[1], "--http2-prior-knowledge"),
        (&["--unix-socket", &path], "http://shop.example", "--http2-prior-knowledge"),
        (&["--cacert", &ca, "--resolve", &resolved], &named, "--http2"),
    ];
    for (arguments, url, http2) in ways {
        for (version, via) in [("--http1.1", "1.1 edge"), (http2, "2 edge")] {
            let answer = curl(&[arguments, &[version, url]].concat()).await;
            assert_eq!((answer.exit, answer.status, answer.text().as_str()), (Some(0), 200, "ok\n"), "{version} {url}");
            let seen = upstream.request().await;
            assert_eq!(one(&seen, "via"), via, "{version} {url}");
            assert_eq!(one(&seen, "x-forwarded-proto"), url.split(':').next().unwrap());
            let asked = if arguments.contains(&"--unix-socket") { "unknown" } else { "127.0.0.1" };
            assert_eq!(one(&seen, "x-forwarded-for"), asked, "{url}");
        }
    }
}

#[tokio::test]
async fn http2_with_prior_knowledge_and_http1_share_a_port() {
    let mut upstream = Upstream::start().await;
    let proxy = Listening::start(&upstream, &["--listen", "127.0.0.1:0", "--hop", "edge"]).await;
    let (mut old, mut new) = (Http1Client::connect(proxy.address(0)).await, H2Client::connect(proxy.address(0)).await);
    for _ in 0..3 {
        old.get("/", "").await;
        assert_eq!(old.answer().await.0.status(), 200);
        assert_eq!(one(&upstream.request().await, "via"), "1.1 edge");
        let request = Request::get(format!("{}/", proxy.ways_in[0])).body(()).unwrap();
        assert_eq!(new.get(request).await.status, 200);
        assert_eq!(one(&upstream.request().await, "via"), "2 edge");
    }
}

#[tokio::test]
async fn every_worker_gets_traffic_and_keeps_its_own_connection_to_the_upstream() {
    let upstream = Upstream::start().await;
    let proxy = Listening::start(&upstream, &["--listen", "127.0.0.1:0", "--workers", "4"]).await;
    for _ in 0..200 {
        let mut client = Http1Client::connect(proxy.address(0)).await;
        client.get("/", "").await;
        assert_eq!(client.answer().await.0.status(), 200);
    }
    // One request at a time: each worker needs one connection, and only one that has work has any.
    assert_eq!(upstream.accepted(), 4);
}

#[tokio::test]
async fn a_unix_socket_takes_the_place_of_a_dead_one_and_goes_with_its_process() {
    let (upstream, folder) = (Upstream::start().await, Folder::new());
    let path = folder.of("in.sock");
    let (listen, told) = (format!("unix:{path}"), format!("deadline-proxy: address in use: unix:{path}"));
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let proxy = Listening::start(&upstream, &["--listen", &listen]).await;
    let get = ["--unix-socket", &path, "http://shop.example/"];
    assert_eq!(curl(&get).await.status, 200);

    let arguments = command("http://127.0.0.1:1", &["--listen", &listen]);
    let second = Program::run("deadline-proxy", &arguments).await;
    assert_eq!(second.code, Some(1));
    assert!(second.stderr.starts_with(&told), "{}", second.stderr);
    assert_eq!(curl(&get).await.status, 200);

    proxy.program.terminate().await;
    assert_eq!(proxy.program.finish().await.code, Some(0));
    assert!(!std::path::Path::new(&path).exists());
}
