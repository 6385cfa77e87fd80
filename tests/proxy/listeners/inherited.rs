//! Sockets that whoever started the process has opened for it.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;

use tokio::net::TcpStream;
use tokio::process::Command;

use super::{Listening, command, one, target};
use crate::support::{Folder, Http1Client, Program, Upstream, binary, curl, eventually, soon};

/// Hands its standard input over as the one socket, under this name.
const HAND_OVER: &str = "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web exec \"$@\" 3<&0 0</dev/null";

fn start(listener: &TcpListener, arguments: &[&str]) -> Program {
    let mut shell = Command::new("sh");
    shell.args(["-c", HAND_OVER, "sh"]).arg(binary("deadline-proxy")).args(arguments);
    shell.stdin(Stdio::from(OwnedFd::from(listener.try_clone().unwrap())));
    Program::launch("deadline-proxy", shell)
}

#[tokio::test]
async fn a_socket_is_served_by_one_process_after_another_and_nobody_is_turned_away() {
    let mut upstream = Upstream::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, target) = (listener.local_addr().unwrap(), target(&upstream));
    for listen in ["fd:web", "fd:0"] {
        // Who comes before there is a process waits for one.
        let mut early = Http1Client::connect(address).await;
        early.get("/early", "").await;
        let proxy = Listening::of(start(&listener, &command(&target, &["--listen", listen, "--workers", "2"]))).await;
        assert_eq!(proxy.ways_in, [format!("http://{address}")]);
        assert_eq!(early.answer().await.0.status(), 200);
        assert_eq!(upstream.request().await.path(), "/early");
        assert_eq!(curl(&[&proxy.ways_in[0]]).await.status, 200);
        assert_eq!(one(&upstream.request().await, "x-forwarded-for"), "127.0.0.1");
        drop(early);
        proxy.program.terminate().await;
        assert_eq!(proxy.program.finish().await.code, Some(0));
        // It is not ours to shut.
        drop(soon("a connection", TcpStream::connect(address)).await.unwrap());
    }
}

#[tokio::test]
async fn a_name_that_was_not_handed_over_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let finished = start(&listener, &command("http://127.0.0.1:1", &["--listen", "fd:admin"])).finish().await;
    assert_eq!(finished.code, Some(2));
    assert!(
        finished.stderr.contains("fd:admin: no such socket was inherited; there are, from 0: web"),
        "{}",
        finished.stderr
    );
}

#[tokio::test]
async fn systemd_activates_it() {
    let Some(activate) = ["/usr/bin", "/bin"]
        .map(|folder| format!("{folder}/systemd-socket-activate"))
        .into_iter()
        .find(|path| Path::new(path).exists())
    else {
        eprintln!("skipped: there is no systemd-socket-activate");
        return;
    };
    let (mut upstream, folder) = (Upstream::start().await, Folder::new());
    let (path, target) = (folder.of("in.sock"), target(&upstream));
    let mut service = Command::new(activate);
    service.args(["--listen", &path, "--fdname", "web"]).arg(binary("deadline-proxy"));
    service.args(command(&target, &["--listen", "fd:web"])).stdin(Stdio::null());
    let program = Program::launch("deadline-proxy", service);
    eventually("a socket", || Path::new(&path).exists()).await;
    // The first connection starts it.
    let get = ["--unix-socket", &path, "http://shop.example/"];
    assert_eq!(curl(&get).await.status, 200);
    assert_eq!(one(&upstream.request().await, "x-forwarded-for"), "unknown");
    let proxy = Listening::of(program).await;
    assert_eq!(proxy.ways_in, [format!("http://unix:{path}")]);
    assert_eq!(curl(&get).await.status, 200);
    proxy.program.terminate().await;
    assert_eq!(proxy.program.finish().await.code, Some(0));
    assert!(Path::new(&path).exists(), "what another has made is not removed");
}
