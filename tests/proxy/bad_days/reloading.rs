//! A thousand reloads under load, and not a request that fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::support::{Asked, Http1Client, MS, Proxy, Server, Told, body};

const CLIENTS: usize = 16;
const RELOADS: usize = 1_000;
/// Each time that so many have been taken on, one is refused.
const REFUSED_EVERY: usize = 10;
const WHOLE: Duration = Duration::from_secs(10);

/// Counts what comes by another way than its own: the path of one configuration to the upstream of another.
async fn upstream(name: &'static str, strays: &Arc<AtomicUsize>) -> Server {
    let strays = Arc::clone(strays);
    Server::answering(move |request: Request<Incoming>| {
        if !request.uri().path().starts_with(name) {
            strays.fetch_add(1, Ordering::Relaxed);
        }
        async {
            sleep(2 * MS).await;
            Response::new(body(Full::new(Bytes::from_static(b"ok\n"))))
        }
    })
    .await
}

/// What both configurations have, and this in each table that one of them has.
struct Files {
    upstreams: [Server; 2],
    /// What changes beside the routes, by turns.
    turns: [&'static str; 2],
}

impl Files {
    fn of(&self, number: usize) -> String {
        let (at, name) = (number % 2, ["/a", "/b"][number % 2]);
        format!(
            "admin = \"127.0.0.1:0\"\nworkers = 2\ndrain_timeout = \"20s\"\n[[listener]]\naddress = \"127.0.0.1:0\"\n\
            {}[upstream.{}]\ntargets = [\"http://{}\"]\n[[route]]\nprefix = \"/shop\"\nupstream = \"{}\"\n\
            rewrite = {{ prefix = \"{name}\" }}\n",
            self.turns[at],
            &name[1..],
            self.upstreams[at].address,
            &name[1..],
        )
    }
}

/// One request after the other over one connection, as long as it is kept; what has failed.
async fn client(proxy: Arc<Proxy>, is_over: Arc<AtomicBool>) -> (usize, Vec<Told>) {
    let (mut client, mut count, mut failed) = (Http1Client::connect(proxy.address).await, 0, Vec::new());
    while !is_over.load(Ordering::Relaxed) {
        let told = Asked::get("/shop", WHOLE).put(&mut client).await;
        count += 1;
        if told.head.is_none() || told.field("connection") == Some("close") {
            client = Http1Client::connect(proxy.address).await;
        }
        if told.status() != 200 {
            failed.push(told);
        }
    }
    (count, failed)
}

/// Reloads so often, and each time that so many were taken on, tries what cannot be used.
async fn reload(proxy: &Proxy, files: &Files) {
    let mut admin = Http1Client::connect(proxy.admin).await;
    for number in 1..=RELOADS {
        proxy.folder().write("proxy.toml", &files.of(number));
        admin.send("POST /reload HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n").await;
        assert_eq!(admin.answer().await.0.status(), 200);
        if number.is_multiple_of(REFUSED_EVERY) {
            proxy.folder().write("proxy.toml", "[[route]]\nupstream = \"nobody\"\n");
            admin.send("POST /reload HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n").await;
            assert_eq!(admin.answer().await.0.status(), 422);
        }
    }
}

async fn assert_nothing_fails(turns: [&'static str; 2]) {
    let strays = Arc::default();
    let files = Files { upstreams: [upstream("/a", &strays).await, upstream("/b", &strays).await], turns };
    let (proxy, is_over) = (Arc::new(Proxy::configured(&files.of(0)).await), Arc::default());
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(client(Arc::clone(&proxy), Arc::clone(&is_over)));
    }
    reload(&proxy, &files).await;
    is_over.store(true, Ordering::Relaxed);
    let (counts, failed): (Vec<usize>, Vec<Vec<Told>>) = clients.join_all().await.into_iter().unzip();
    assert_eq!(failed.concat().iter().map(Told::status).collect::<Vec<_>>(), Vec::<u16>::new());
    assert!(counts.iter().sum::<usize>() > RELOADS, "a load: {counts:?}");
    assert_eq!(strays.load(Ordering::Relaxed), 0, "the one configuration, or the other");
    for (outcome, count) in [("applied", RELOADS), ("refused", RELOADS / REFUSED_EVERY)] {
        let counted = proxy.metric("deadline_proxy_reloads_total", &[&format!("outcome=\"{outcome}\"")]).await;
        // At intervals it looks at its file by itself, too.
        assert!(counted >= f64::from(u32::try_from(count).unwrap()), "{outcome}: {counted}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_its_route_changes_a_thousand_times() {
    assert_nothing_fails(["", ""]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_what_holds_of_its_connection_changes_a_thousand_times() {
    assert_nothing_fails(["[limits]\nmax_headers = 100\n", "[limits]\nmax_headers = 99\n"]).await;
}
