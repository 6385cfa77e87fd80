//! Stage `connect`: an upstream that cannot be reached.

use tokio::net::TcpListener;

use super::leftovers::Leftovers;
use super::{TIDY, VERSIONS, ask, assert_at_once, assert_stopped, tidy};
use crate::support::{Deaf, MS, Proxy, assert_due};

#[tokio::test]
async fn an_upstream_that_does_not_answer_a_syn_is_answered_for_at_the_deadline() {
    let deaf = Deaf::start().await;
    for http in ["1.1", "2"] {
        let (proxy, before) = tidy(deaf.address, &["--upstream-http", http]).await;
        for version in VERSIONS {
            assert_stopped(&proxy, version, "/", "connect").await;
        }
        before.assert_again(&proxy).await;
    }
}

#[tokio::test]
async fn or_at_the_limit_of_connecting_where_that_is_sooner() {
    let deaf = Deaf::start().await;
    let (proxy, before) = tidy(deaf.address, &["--connect-timeout", "300ms"]).await;
    for version in VERSIONS {
        let answer = ask(&proxy, version, "/", "9s").await;
        assert_eq!((answer.exit, answer.status), (Some(0), 502), "{version}");
        assert_due(answer.took, 300 * MS);
        assert_eq!(answer.json()["detail"], "upstream cannot be reached in time");
        assert!(!answer.headers.contains_key("deadline-exceeded"));
    }
    before.assert_again(&proxy).await;
}

/// Those who wait for the same connection of HTTP/2 wait in this stage, too.
#[tokio::test]
async fn who_rides_on_a_connection_that_does_not_come_about_is_answered_at_the_deadline() {
    let deaf = Deaf::start().await;
    let arguments = ["--upstream-http", "2", "--upstream-connections", "1"];
    let (proxy, before) = tidy(deaf.address, &arguments).await;
    let stopped = VERSIONS.into_iter().cycle().take(6).map(|version| assert_stopped(&proxy, version, "/", "connect"));
    futures_util::future::join_all(stopped).await;
    before.assert_again(&proxy).await;
}

#[tokio::test]
async fn a_connection_that_is_refused_is_a_502_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    for http in ["1.1", "2"] {
        let (proxy, before) = tidy(nobody, &["--upstream-http", http]).await;
        for version in VERSIONS {
            let answer = ask(&proxy, version, "/", "9s").await;
            assert_eq!((answer.exit, answer.status), (Some(0), 502), "{version}");
            assert_at_once(answer.took);
            assert_eq!(answer.json()["detail"], "upstream cannot be reached");
        }
        before.assert_again(&proxy).await;
    }
}

/// RFC 6761 §6.4: nobody has a name under `invalid`. A resolver that does not answer makes it a matter of the deadline.
#[tokio::test]
async fn a_name_that_nobody_has_is_a_502_and_a_look_up_that_takes_long_is_connecting() {
    let proxy = Proxy::in_front_of("http://name.invalid:80", &TIDY).await;
    let before = Leftovers::of(&proxy).await;
    for version in VERSIONS {
        let answer = ask(&proxy, version, "/", "3s").await;
        if answer.status == 504 {
            assert!(answer.field("deadline-exceeded").contains("stage=connect, "), "{version}");
            assert_due(answer.took, 3_000 * MS);
        } else {
            assert_eq!((answer.exit, answer.status), (Some(0), 502), "{version}");
            assert_eq!(answer.json()["detail"], "upstream cannot be reached: its name has no address");
        }
    }
    // The worker and who tends names have a thread each that looks names up.
    before.assert_again_but_for(&proxy, 2).await;
}
