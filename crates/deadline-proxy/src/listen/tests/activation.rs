//! Sockets that are handed over as systemd does it. The test starts itself, and is the service then.

use std::env;
use std::io::{self, Read};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};

use tokio::io::AsyncWriteExt;

use super::scratch::Scratch;
use crate::listen::{Bound, Inherited, Settings};

const NAME: &str = "listen::tests::activation::what_was_handed_over_is_served";

/// From 3 on: a TCP listener, a Unix listener, something else.
const HAND_OVER: &str = "LISTEN_PID=$$ LISTEN_FDS=3 LISTEN_FDNAMES=web:admin exec \"$@\" 3<&0 4<&1 5</dev/null 1>&2";

#[test]
fn what_was_handed_over_is_served() {
    if env::var_os("LISTEN_FDS").is_some() {
        return serve();
    }
    let folder = Scratch::new();
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let unix = UnixListener::bind(folder.path("admin.sock")).unwrap();
    let mut web = TcpStream::connect(tcp.local_addr().unwrap()).unwrap();
    let mut admin = UnixStream::connect(folder.path("admin.sock")).unwrap();
    let mut service = Command::new("sh");
    service.args(["-c", HAND_OVER, "sh"]).arg(env::current_exe().unwrap()).args(["--exact", NAME]);
    service
        .stdin(Stdio::from(OwnedFd::from(tcp)))
        .stdout(Stdio::from(OwnedFd::from(unix)))
        .stderr(Stdio::piped());
    let service = service.spawn().unwrap();

    let read = |from: &mut dyn Read| {
        let mut text = String::new();
        from.read_to_string(&mut text).map(|_| text)
    };
    let served: [io::Result<String>; 2] = [read(&mut web), read(&mut admin)];
    let service = service.wait_with_output().unwrap();
    assert!(service.status.success(), "{}", String::from_utf8_lossy(&service.stderr));
    assert_eq!(served.map(|text| text.unwrap_or_default()), ["127.0.0.1:", "unix:/"]);
    assert!(folder.path("admin.sock").exists(), "what another has made is not removed");
}

#[tokio::main(flavor = "current_thread")]
async fn serve() {
    let mut inherited = Inherited::take();
    assert_eq!(inherited.unclaimed(), ["web", "admin", "-"]);
    assert!(Inherited::take().unclaimed().is_empty(), "once taken they are gone");
    let mut bind = |address: &str| Bound::bind(&Settings::new(address.parse().unwrap()), 2, &mut inherited);
    for (address, shown) in [("fd:web", "127.0.0.1:"), ("fd:1", "unix:/")] {
        let bound = bind(address).unwrap();
        assert!(bound.address().starts_with(shown), "{}", bound.address());
        let mut sockets = bound.sockets();
        let listener = sockets.remove(1).listen().unwrap();
        let (mut stream, ..) = listener.accept().await.unwrap().establish().await.unwrap();
        stream.write_all(shown.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
    }
    assert!(
        bind("fd:2")
            .unwrap_err()
            .to_string()
            .starts_with("fd:2: fd 5 is not a socket; a TCP or Unix stream")
    );
}
