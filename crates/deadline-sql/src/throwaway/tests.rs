//! Real servers. Where PostgreSQL is not installed, that is said, and no more.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::*;

/// Tells a child of these tests to start a server, say where it is, and wait to be killed.
const CHILD: &str = "DEADLINE_SQL_THROWAWAY_CHILD";

fn started(builder: &Builder) -> Option<Server> {
    match builder.start() {
        Ok(server) => Some(server),
        Err(Error::Missing(missing)) => {
            eprintln!("SKIPPED: {missing}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// A message of the protocol that has no type: its length, and the rest.
fn message(rest: &[u8]) -> Vec<u8> {
    let length = u32::try_from(rest.len() + 4).unwrap();
    [&length.to_be_bytes(), rest].concat()
}

/// What the server sends first to somebody who wants in: `R` is "authentication", all zeros "none needed".
fn welcome(mut stream: impl Read + Write) -> Vec<u8> {
    stream.write_all(&message(b"\0\x03\0\0user\0postgres\0\0")).unwrap();
    let mut answer = [0; 9];
    stream.read_exact(&mut answer).unwrap();
    answer.to_vec()
}

fn tcp(server: &Server) -> TcpStream {
    TcpStream::connect(("127.0.0.1", server.port())).unwrap()
}

fn runs(pid: u32) -> bool {
    Command::new("/bin/sh")
        .args(["-c", &format!("kill -0 {pid}")])
        .stderr(Stdio::null())
        .status()
        .unwrap()
        .success()
}

#[track_caller]
fn assert_gone(pid: u32, folder: &Path) {
    for _ in 0..1_000 {
        if !folder.exists() && !runs(pid) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("{pid} runs: {}, {} is there: {}", runs(pid), folder.display(), folder.exists());
}

#[test]
fn lets_in_whoever_comes_by_tcp_or_socket_and_leaves_nothing_behind() {
    let Some(server) = started(&Server::builder()) else { return };
    let (pid, folder) = (server.pid().unwrap(), server.socket_folder().to_owned());
    assert_eq!(server.url(), format!("postgres://postgres@127.0.0.1:{}/postgres", server.port()));
    assert_eq!(welcome(tcp(&server)), b"R\0\0\0\x08\0\0\0\0");
    let socket = folder.join(format!(".s.PGSQL.{}", server.port()));
    assert_eq!(welcome(UnixStream::connect(socket).unwrap()), b"R\0\0\0\x08\0\0\0\0");
    assert!(server.log().unwrap().contains("ready to accept connections"));
    assert!(runs(pid));
    drop(server);
    assert!(!folder.exists() && !runs(pid));
}

#[test]
fn starts_again_where_it_was() {
    let Some(mut server) = started(&Server::builder()) else { return };
    let (port, first) = (server.port(), server.pid().unwrap());
    let mut session = tcp(&server);
    welcome(&mut session);
    server.stop();
    assert!(!runs(first) && server.pid().is_none());
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    let mut rest = Vec::new();
    session.read_to_end(&mut rest).unwrap();
    assert!(String::from_utf8_lossy(&rest).contains("57P01"), "{rest:?}");
    server.stop();
    server.start_again().unwrap();
    assert_eq!(server.port(), port);
    assert!(server.pid().is_some_and(|second| second != first));
    assert_eq!(welcome(tcp(&server))[0], b'R');
    let second = server.pid();
    server.start_again().unwrap();
    assert_eq!(server.pid(), second);
}

#[test]
fn a_setting_that_it_does_not_take_is_in_the_error() {
    let error = Server::builder().setting("max_connections", "it's a \\lot").start();
    let Err(error @ (Error::Missing(_) | Error::Ended { .. })) = error else { panic!("{error:?}") };
    let told = error.to_string();
    assert!(
        told.contains("max_connections") && told.contains("it's a \\lot") || matches!(error, Error::Missing(_)),
        "{told}"
    );
}

#[test]
fn a_setting_and_a_variable_change_what_it_says() {
    let Some(server) = started(&Server::builder().setting("log_line_prefix", "of %q%c ")) else { return };
    assert!(server.log().unwrap().contains("\nof "));
    let german = Server::builder().setting("lc_messages", "C.UTF-8").variable("LANGUAGE", "de");
    let Some(server) = started(&german) else { return };
    let log = server.log().unwrap();
    let translated = Path::new("/usr/share/locale/de/LC_MESSAGES").read_dir().into_iter().flatten().flatten();
    let translated = translated
        .map(|entry| entry.file_name())
        .any(|name| name.to_string_lossy().starts_with("postgres-"));
    assert!(log.contains("ist bereit") || !translated, "{log}");
}

#[test]
fn takes_tls_where_it_has_a_certificate_whose_key_nobody_else_reads() {
    let ask = |server: &Server| {
        let mut stream = tcp(server);
        stream.write_all(&message(&80_877_103_u32.to_be_bytes())).unwrap();
        let mut answer = [0];
        stream.read_exact(&mut answer).unwrap();
        answer[0]
    };
    let Some(plain) = started(&Server::builder()) else { return };
    assert_eq!(ask(&plain), b'N');
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let tls = Server::builder().tls(own.cert.pem(), own.signing_key.serialize_pem());
    let Some(server) = started(&tls) else { return };
    assert_eq!(ask(&server), b'S');
    assert_eq!(welcome(tcp(&server))[0], b'R');
    let key = fs::metadata(server.socket_folder().join("data/server.key")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_port_that_was_taken_meanwhile_is_told_and_does_no_harm() {
    let Some(mut server) = started(&Server::builder()) else { return };
    server.stop();
    let taken = std::net::TcpListener::bind(("127.0.0.1", server.port())).unwrap();
    let error = server.start_again().unwrap_err();
    assert!(matches!(error, Error::Ended { .. }) && is_taken(server.port()), "{error}");
    drop(taken);
    server.start_again().unwrap();
}

/// The owner of a server, for the test below.
#[test]
fn waits_to_be_killed_where_it_is_told_to() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let server = Server::start().unwrap();
    println!("\n{} {}", server.pid().unwrap(), server.socket_folder().display());
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    std::mem::forget(server);
}

#[test]
fn goes_with_an_owner_that_is_killed_or_forgets_it() {
    if Programs::find().is_err() {
        return;
    }
    for killed in [true, false] {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child
            .args(["waits_to_be_killed", "--nocapture"])
            .env(CHILD, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = child.spawn().unwrap();
        let mut said = String::new();
        let mut stdout = child.stdout.take().unwrap();
        let (pid, folder) = loop {
            let mut byte = [0];
            stdout.read_exact(&mut byte).unwrap();
            said.push(byte[0].into());
            let line = said.strip_suffix('\n').and_then(|said| said.lines().last());
            let words = line.and_then(|line| line.split_once(' '));
            if let Some((Ok(pid), folder)) = words.map(|(pid, folder)| (pid.parse::<u32>(), folder)) {
                break (pid, PathBuf::from(folder));
            }
        };
        assert!(runs(pid) && folder.exists());
        if killed {
            child.kill().unwrap();
        }
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_gone(pid, &folder);
    }
}
