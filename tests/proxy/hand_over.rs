//! Another program in the place of this one, while it is used: nobody is refused, and nobody is cut.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::support::{
    Act, Chance, Folder, Http1Client, MS, Mirror, Next, Proxy, Upstream, curl, eventually, signal, soon,
};

fn configuration(upstream: SocketAddr, socket: &str, workers: usize) -> String {
    format!(
        "admin = \"127.0.0.1:0\"\nworkers = {workers}\nhop = \"hop-{workers}\"\n\
         [[listener]]\naddress = \"127.0.0.1:0\"\n[[listener]]\naddress = \"unix:{socket}\"\n\
         [upstream.a]\ntargets = [\"http://{upstream}\"]\n[[route]]\nname = \"all\"\nupstream = \"a\"\n"
    )
}

/// How its clients fared.
#[derive(Default)]
struct Fared {
    answered: AtomicUsize,
    refused: AtomicUsize,
    cut: AtomicUsize,
    ends: AtomicBool,
}

impl Fared {
    fn add(count: &AtomicUsize) {
        count.fetch_add(1, Ordering::Relaxed);
    }

    fn ends(&self) -> bool {
        self.ends.load(Ordering::Relaxed)
    }
}

/// Over one connection after the other, each for as long as it is kept.
async fn keep(address: SocketAddr, mut pauses: Chance, fared: &Fared) {
    while !fared.ends() {
        let Ok(stream) = TcpStream::connect(address).await else {
            Fared::add(&fared.refused);
            continue;
        };
        let mut client = Http1Client::of(stream);
        while !fared.ends() {
            let answer = if client.try_get("/").await { client.answer_if_whole().await } else { None };
            let Some((head, _)) = answer.filter(|(head, _)| head.status() == 200) else {
                Fared::add(&fared.cut);
                break;
            };
            Fared::add(&fared.answered);
            if head.headers.get("connection").is_some_and(|word| word == "close") {
                break;
            }
            sleep(pauses.millis(0..20)).await;
        }
    }
}

/// A connection for each request.
async fn come_anew(address: SocketAddr, socket: Option<&Path>, fared: &Fared) {
    const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: shop.example\r\nconnection: close\r\n\r\n";
    while !fared.ends() {
        let mut answer = String::new();
        let (is_in, told) = match socket {
            Some(path) => match UnixStream::connect(path).await {
                Ok(mut stream) => {
                    (true, stream.write_all(GET).await.is_ok() && stream.read_to_string(&mut answer).await.is_ok())
                }
                Err(_) => (false, false),
            },
            None => match TcpStream::connect(address).await {
                Ok(mut stream) => {
                    (true, stream.write_all(GET).await.is_ok() && stream.read_to_string(&mut answer).await.is_ok())
                }
                Err(_) => (false, false),
            },
        };
        Fared::add(match (is_in, told && answer.starts_with("HTTP/1.1 200 ")) {
            (false, _) => &fared.refused,
            (true, false) => &fared.cut,
            (true, true) => &fared.answered,
        });
        sleep(MS).await;
    }
}

async fn load(clients: &mut JoinSet<()>, address: SocketAddr, socket: &str) -> Arc<Fared> {
    let fared = Arc::new(Fared::default());
    for client in 0..32 {
        let (fared, socket) = (Arc::clone(&fared), socket.to_owned());
        clients.spawn(async move {
            match client % 4 {
                0 | 1 => keep(address, Chance::of(11, client), &fared).await,
                2 => come_anew(address, None, &fared).await,
                _ => come_anew(address, Some(Path::new(&socket)), &fared).await,
            }
        });
    }
    fared
}

/// Who answers on the admin listener, which is another's from then on.
async fn hop(proxy: &Proxy) -> String {
    let told = curl(&[&format!("http://{}/config", proxy.admin)]).await;
    told.json()["hop"].as_str().unwrap_or_default().to_owned()
}

/// Waits until this one answers, and no other.
async fn is_told(proxy: &Proxy, expected: &str) {
    let tells = async {
        let mut in_a_row = 0;
        while in_a_row < 10 {
            in_a_row = if hop(proxy).await == expected { in_a_row + 1 } else { 0 };
            sleep(10 * MS).await;
        }
    };
    soon("another process", tells).await;
}

/// Twice, to more workers and to fewer, with another configuration each time.
#[tokio::test]
async fn under_load_nobody_is_refused_and_nobody_is_cut() {
    let (upstream, folder) = (Mirror::start(|_, _| Act { after: 3 * MS, ..Act::answer(200, "", "ok") }), Folder::new());
    let socket = folder.of("in.sock");
    let proxy = Proxy::configured(&configuration(upstream.address, &socket, 2)).await;
    let mut clients = JoinSet::new();
    let fared = load(&mut clients, proxy.address, &socket).await;
    let more = async |than: usize| eventually("a load", || fared.answered.load(Ordering::Relaxed) > than).await;
    more(500).await;

    proxy.rewrite(&configuration(upstream.address, &socket, 4));
    proxy.program.signal("USR2").await;
    let second = Next::of(proxy.program.id()).await;
    is_told(&proxy, "hop-4").await;
    let (address, admin) = (proxy.address, proxy.admin);
    // Its own children are found as long as it is there.
    proxy.rewrite(&configuration(upstream.address, &socket, 1));
    more(fared.answered.load(Ordering::Relaxed) + 500).await;
    signal(second.id(), "USR2").await;
    let third = Next::of(second.id()).await;
    is_told(&proxy, "hop-1").await;
    assert_eq!((proxy.address, proxy.admin), (address, admin));
    assert_eq!(proxy.program.code().await, Some(0), "the first has drained");
    eventually("the end of the second", || !second.lives()).await;
    more(fared.answered.load(Ordering::Relaxed) + 500).await;
    fared.ends.store(true, Ordering::Relaxed);
    clients.join_all().await;
    let count = |count: &AtomicUsize| count.load(Ordering::Relaxed);
    assert_eq!((count(&fared.refused), count(&fared.cut)), (0, 0), "of {}", count(&fared.answered));
    assert!(third.lives() && Path::new(&socket).exists());
    third.terminate().await;
    assert!(!Path::new(&socket).exists(), "the last one removes the file");
    assert!(TcpStream::connect(address).await.is_err());
}

/// The program that is to follow does not start: the one that is there goes on.
#[tokio::test]
async fn where_the_next_one_fails_this_one_goes_on() {
    let upstream = Upstream::start().await;
    let folder = Folder::new();
    let proxy = Proxy::configured(&configuration(upstream.address, &folder.of("in.sock"), 2)).await;
    proxy.rewrite("workers = \"many\"\n");
    proxy.program.signal("USR2").await;
    // Comes while it waits for the other, and is not lost.
    proxy.program.signal("HUP").await;
    let failed = async {
        while proxy.metric("deadline_proxy_hand_overs_total", &["outcome=\"ended\""]).await < 1.0 {
            sleep(20 * MS).await;
        }
    };
    soon("a failure", failed).await;
    assert_eq!(curl(&[&proxy.url("/")]).await.status, 200);
    assert_eq!(hop(&proxy).await, "hop-2");
    proxy.program.terminate().await;
    let finished = proxy.program.finish().await;
    assert_eq!(finished.code, Some(0));
    assert!(
        finished.stderr.contains("this process goes on: the next process has ended (exit status: 2)"),
        "{}",
        finished.stderr
    );
    assert!(finished.stderr.contains("reason=\"SIGHUP\""), "{}", finished.stderr);
}

/// It has opened some of the listeners by then, and one of them is a file.
#[tokio::test]
async fn where_the_next_one_fails_late_the_file_of_a_socket_stays() {
    let (upstream, folder) = (Upstream::start().await, Folder::new());
    let socket = folder.of("in.sock");
    let text = configuration(upstream.address, &socket, 2);
    let proxy = Proxy::configured(&text).await;
    proxy.rewrite(&text.replacen(
        "[upstream",
        &format!("[[listener]]\naddress = \"{}\"\n[upstream", upstream.address),
        1,
    ));
    proxy.program.signal("USR2").await;
    let failed = async {
        while proxy.metric("deadline_proxy_hand_overs_total", &["outcome=\"ended\""]).await < 1.0 {
            sleep(20 * MS).await;
        }
    };
    soon("a failure", failed).await;
    assert_eq!(curl(&["--unix-socket", &socket, "http://shop.example/"]).await.status, 200);
}

/// Whose file names it no longer removes it: nobody else would.
#[tokio::test]
async fn a_socket_that_the_next_one_does_not_want_goes_with_its_file() {
    let (upstream, folder) = (Upstream::start().await, Folder::new());
    let socket = folder.of("in.sock");
    let text = configuration(upstream.address, &socket, 1);
    let proxy = Proxy::configured(&text).await;
    proxy.rewrite(&text.replacen(&format!("[[listener]]\naddress = \"unix:{socket}\"\n"), "", 1));
    proxy.program.signal("USR2").await;
    let next = Next::of(proxy.program.id()).await;
    let url = proxy.url("/");
    assert_eq!(proxy.program.code().await, Some(0));
    assert!(!Path::new(&socket).exists());
    assert_eq!(curl(&[&url]).await.status, 200);
    next.terminate().await;
}
