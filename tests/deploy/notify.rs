//! What the service manager hears.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, UnixDatagram};
use tokio::time::timeout;

use crate::support::{Act, Folder, Http1Client, MS, Mirror, Next, Proxy, Upstream, curl, eventually, soon};

/// The place of a service manager.
struct Manager {
    socket: UnixDatagram,
    folder: Folder,
}

impl Manager {
    fn new() -> Self {
        let folder = Folder::new();
        Self { socket: UnixDatagram::bind(folder.of("notify")).unwrap(), folder }
    }

    /// Runs a proxy that is to tell it, with more variables in its environment.
    async fn runs(&self, upstream: SocketAddr, more: &[(&str, &str)]) -> Proxy {
        let text = format!(
            "admin = \"127.0.0.1:0\"\n[[listener]]\naddress = \"127.0.0.1:0\"\n[upstream.a]\ntargets = [\"http://{upstream}\"]\n"
        );
        let socket = self.folder.of("notify");
        Proxy::configured_with(&text, &[&[("NOTIFY_SOCKET", socket.as_str())], more].concat()).await
    }

    /// The lines of the next message.
    async fn hears(&self) -> Vec<String> {
        let mut message = [0; 4_096];
        let length = soon("a message to the manager", self.socket.recv(&mut message)).await.unwrap();
        String::from_utf8_lossy(&message[..length]).lines().map(str::to_owned).collect()
    }

    /// Whether nothing comes for so long.
    async fn hears_nothing_for(&self, time: Duration) -> bool {
        timeout(time, self.socket.recv(&mut [0; 1])).await.is_err()
    }
}

#[tokio::test]
async fn it_hears_when_the_proxy_serves_that_it_lives_and_that_it_stops() {
    let (manager, upstream) = (Manager::new(), Upstream::start().await);
    let proxy = manager.runs(upstream.address, &[("WATCHDOG_USEC", "400000")]).await;
    assert_eq!(manager.hears().await, ["READY=1".to_owned(), format!("STATUS=serving on http://{}", proxy.address)]);
    // Ready is when a request is answered, and not a moment before.
    assert_eq!(curl(&[&proxy.url("/")]).await.status, 200);
    for _ in 0..4 {
        assert_eq!(manager.hears().await, ["WATCHDOG=1"]);
    }
    proxy.program.terminate().await;
    let stopping = async {
        loop {
            let told = manager.hears().await;
            if told != ["WATCHDOG=1"] {
                return told;
            }
        }
    };
    assert_eq!(soon("the stop", stopping).await, ["STOPPING=1", "STATUS=draining"]);
    let finished = proxy.program.finish().await;
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
}

/// It must not take the end of the first for the end of the service.
#[tokio::test]
async fn it_hears_which_process_goes_on() {
    let (manager, upstream) = (Manager::new(), Upstream::start().await);
    let proxy = manager.runs(upstream.address, &[]).await;
    assert_eq!(manager.hears().await[0], "READY=1");
    proxy.program.signal("USR2").await;
    let next = Next::of(proxy.program.id()).await;
    // Either may be the first to say its word.
    let mut told = [manager.hears().await.remove(0), manager.hears().await.remove(0)];
    told.sort_unstable();
    assert_eq!(told, [format!("MAINPID={}", next.id()), "READY=1".to_owned()]);
    assert_eq!(proxy.program.code().await, Some(0));
    assert!(manager.hears_nothing_for(200 * MS).await, "nobody stops");
    next.terminate().await;
    assert_eq!(manager.hears().await[0], "STOPPING=1");
}

/// One that drains would hide that the next one is stuck, or gone.
#[tokio::test]
async fn the_watchdog_is_fed_by_the_process_that_goes_on_alone() {
    let (manager, upstream) =
        (Manager::new(), Mirror::start(|_, _| Act { after: 60_000 * MS, ..Act::answer(200, "", "") }));
    let proxy = manager.runs(upstream.address, &[("WATCHDOG_USEC", "200000")]).await;
    let mut client = Http1Client::of(TcpStream::connect(proxy.address).await.unwrap());
    assert!(client.try_get("/").await);
    eventually("a request", || upstream.visits_for("/") > 0).await;
    proxy.program.signal("USR2").await;
    let next = Next::of(proxy.program.id()).await;
    let handed_over = async { while !manager.hears().await[0].starts_with("MAINPID=") {} };
    soon("the hand-over", handed_over).await;
    drop(next);
    let silent = async { while !manager.hears_nothing_for(500 * MS).await {} };
    soon("silence", silent).await;
    assert!(proxy.program.descriptors() > 0, "it drains");
}

#[tokio::test]
async fn a_watchdog_that_is_for_another_process_hears_nothing() {
    let (manager, upstream) = (Manager::new(), Upstream::start().await);
    let _proxy = manager.runs(upstream.address, &[("WATCHDOG_USEC", "100000"), ("WATCHDOG_PID", "1")]).await;
    assert_eq!(manager.hears().await[0], "READY=1");
    assert!(manager.hears_nothing_for(500 * MS).await);
}

#[tokio::test]
async fn a_manager_that_is_not_there_is_told_of_once_and_keeps_nobody_waiting() {
    let upstream = Upstream::start().await;
    let Manager { socket, folder } = Manager::new();
    drop(socket);
    let proxy = Manager { socket: UnixDatagram::unbound().unwrap(), folder }.runs(upstream.address, &[]).await;
    assert_eq!(curl(&[&proxy.url("/")]).await.status, 200);
    proxy.program.terminate().await;
    let finished = proxy.program.finish().await;
    assert_eq!(finished.code, Some(0));
    assert_eq!(finished.stderr.matches("NOTIFY_SOCKET: the service manager cannot be told").count(), 1, "{finished:?}");
}

/// A listener that changes keeps its port, and is told of as what it is then.
#[tokio::test]
async fn it_hears_of_a_reload_and_of_where_the_proxy_serves_since() {
    let (manager, upstream) = (Manager::new(), Upstream::start().await);
    let proxy = manager.runs(upstream.address, &[]).await;
    assert_eq!(manager.hears().await[0], "READY=1");
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let tls = format!(
        "tls = {{ cert = \"{}\", key = \"{}\" }}\n",
        proxy.folder().write("chain.pem", &issued.cert.pem()),
        proxy.folder().write("key.pem", &issued.signing_key.serialize_pem())
    );
    let before = std::fs::read_to_string(proxy.folder().of("proxy.toml")).unwrap();
    proxy.rewrite(&before.replace("[upstream.a]", &(tls + "[upstream.a]")));
    assert_eq!(proxy.reload().await.0, 200);
    let reloading = manager.hears().await;
    assert!(reloading[0] == "RELOADING=1" && reloading[1].starts_with("MONOTONIC_USEC="), "{reloading:?}");
    let status = format!("STATUS=serving on https://{}", proxy.address);
    assert_eq!(manager.hears().await, ["READY=1".to_owned(), status.clone()]);
    proxy.rewrite("listener = 3\n");
    assert_eq!(proxy.reload().await.0, 422);
    assert_eq!(manager.hears().await[0], "RELOADING=1");
    let refused = status + ", by the old configuration: the new one is refused";
    assert_eq!(manager.hears().await, ["READY=1".to_owned(), refused]);
}
