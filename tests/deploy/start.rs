//! What is said before anybody is told that it serves.

use std::process::Stdio;

use tokio::net::TcpListener;
use tokio::process::Command;

use crate::support::{Folder, Program, Upstream, binary, curl, own_place};

/// A port that somebody else has, for as long as the first of the two is there.
async fn taken() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// A file of these listeners in front of nobody, with its path.
fn configured(folder: &Folder, admin: &str, listeners: &[&str], rest: &str) -> String {
    let listeners: String =
        listeners.iter().map(|address| format!("[[listener]]\naddress = \"{address}\"\n")).collect();
    let upstream = "[upstream.a]\ntargets = [\"http://127.0.0.1:1\"]\n";
    folder.write("proxy.toml", &format!("admin = \"{admin}\"\n{listeners}{upstream}{rest}"))
}

#[tokio::test]
async fn five_things_that_cannot_work_are_told_by_one_start() {
    let (folder, taken) = (Folder::new(), [taken().await, taken().await]);
    let tls = "tls = { cert = \"/nowhere/chain.pem\", key = \"/nowhere/key.pem\" }\n";
    let missing = folder.of("no-such-folder/access.log");
    let rest = format!(
        "[[listener]]\naddress = \"127.0.0.1:0\"\n{tls}[access_log]\nrequests = \"full\"\noutput = \"{missing}\"\n"
    );
    let file = configured(&folder, &taken[1].1, &[&taken[0].1, "fd:web"], &rest);
    let finished = Program::run("deadline-proxy", &["run", "--config", &file]).await;
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""));
    let told: Vec<_> = finished.stderr.lines().collect();
    let expected = [
        format!("cannot write the access log to {missing}"),
        format!("address in use: {}; choose another with --listen, or in the file", taken[0].1),
        "fd:web: no socket was inherited".to_owned(),
        "/nowhere/chain.pem".to_owned(),
        format!("address in use: {}; choose another with --admin, or in the file", taken[1].1),
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (told, expected) in told.iter().zip(&expected) {
        assert!(told.starts_with(&format!("{file}: ")) && told.contains(expected.as_str()), "{told}: {expected}");
    }
}

#[tokio::test]
async fn two_listeners_of_one_port_are_told_from_a_port_that_somebody_else_has() {
    let (folder, place) = (Folder::new(), own_place(20_081));
    let file = configured(&folder, "127.0.0.1:0", &[&place, "0.0.0.0:20081"], "");
    let finished = Program::run("deadline-proxy", &["run", "--config", &file]).await;
    let told = format!("address in use: 0.0.0.0:20081, by our own {place}; give one of them another, or leave it out");
    assert_eq!((finished.code, finished.stderr), (Some(2), format!("{file}: {told}\n")));
}

#[tokio::test]
async fn a_name_that_nobody_has_is_told_and_the_rest_is_served() {
    let (upstream, folder) = (Upstream::start().await, Folder::new());
    let routes = format!(
        "[upstream.b]\ntargets = [\"http://shop.invalid:3000\"]\n[upstream.c]\ntargets = [\"http://{}\"]\n\
         [[route]]\nupstream = \"b\"\npath = \"/b\"\n[[route]]\nupstream = \"c\"\n\
         [[route]]\nupstream = \"a\"\npath = \"/a\"\n",
        upstream.address
    );
    let file = configured(&folder, "127.0.0.1:0", &["127.0.0.1:0"], &routes);
    let mut program = Program::start("deadline-proxy", ["run", "--config", &file]);
    let (line, admin) = (program.line().await, program.address().await);
    let place = line.split(' ').nth(1).expect("where it listens");
    assert_eq!(curl(&["--retry", "9", "--retry-all-errors", &format!("http://{admin}/readyz")]).await.status, 200);
    assert_eq!(curl(&[&format!("{place}/c")]).await.status, 200);
    program.terminate().await;
    let finished = program.finish().await;
    assert_eq!(finished.code, Some(0));
    let told: Vec<_> = finished.stderr.lines().filter(|line| line.contains("upstream b: shop.invalid")).collect();
    assert!(told.len() == 1 && told[0].contains("WARN"), "{finished:?}");
}

#[tokio::test]
async fn it_may_open_as_many_files_as_the_system_lets_it_and_says_where_they_are_too_few() {
    let upstream = Upstream::start().await;
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "ulimit -Sn 400 && ulimit -Hn 900 && exec \"$@\"", "sh"])
        .arg(binary("deadline-proxy"));
    shell.args(["run", "--upstream", &format!("http://{}", upstream.address), "--listen", "127.0.0.1:0"]);
    shell.args(["--admin", "127.0.0.1:0", "--max-connections", "1000"]).stdin(Stdio::null());
    let mut program = Program::launch("deadline-proxy", shell);
    program.address().await;
    assert_eq!(program.descriptors_allowed(), 900);
    program.terminate().await;
    let told = "limits.max_connections is 1000, and the system allows 900 open files";
    let finished = program.finish().await;
    assert!(finished.code == Some(0) && finished.stderr.contains(told), "{finished:?}");
}
