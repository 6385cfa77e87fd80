//! Requests that run in a circle.

use super::{is_uuid, lines, one};
use crate::support::{Folder, Program, curl};

#[tokio::test]
async fn a_loop_of_two_proxies_is_answered() {
    let folder = Folder::new();
    let [a, b] = ["a.sock", "b.sock"].map(|name| format!("unix:{}", folder.of(name)));
    let mut programs = Vec::new();
    for (name, listen, upstream) in [("a", &a, &b), ("b", &b, &a)] {
        let arguments = ["run", "--hop", name, "--listen", listen, "--upstream", upstream, "--admin", "127.0.0.1:0"];
        let mut program = Program::start("deadline-proxy", arguments);
        program.line().await;
        programs.push(program);
    }
    let answer = curl(&["--unix-socket", &folder.of("a.sock"), "http://shop.example/"]).await;
    assert_eq!((answer.exit, answer.status), (Some(0), 508));
    let document = answer.json();
    assert_eq!((document["hop"].as_str(), document["title"].as_str()), (Some("a"), Some("Loop Detected")));
    assert!(is_uuid(&one(&answer.headers, "x-request-id")));
    // Ten times is no circle yet; and back it comes by each of them.
    let hops = lines(&answer.headers, "via").join(", ");
    assert_eq!(hops, format!("1.1 a{}", ", 1.1 b, 1.1 a".repeat(11)));
}
