//! A statement that outlasts its request.

use super::{ANSWERED, IDLE, Service, TRIES, VERSIONS, assert_discreet, within};
use crate::support::{Answer, SLACK, curl};

const TRAIL: &str = r#"origin=header, stage=database, cause=deadline, hop="orders""#;

#[tokio::test]
async fn is_answered_in_time_and_its_backend_is_idle() {
    let service = Service::start().await;
    for address in service.ways().await.addresses {
        for version in VERSIONS {
            let ask = async || {
                let url = format!("http://{address}/sleep/5");
                let answer = curl(&[version, "-H", "X-Request-Timeout: 300ms", &url]).await;
                let idle = service.watcher.until_idle(SLACK).await;
                assert_eq!(answer.status, 504, "{version}: {}", answer.text());
                assert_discreet(&answer, service.watcher.pids().await);
                (answer, idle)
            };
            // On a machine that is busy, the proxy may be the one who stops it, or the answer to it.
            let stopped = |answer: &Answer| answer.exit == Some(0) && answer.headers["deadline-exceeded"] == TRAIL;
            let answered = async || {
                let (answer, _) = ask().await;
                if stopped(&answer) { answer.took } else { ANSWERED }
            };
            within(ANSWERED, "the answer", answered).await;
            within(IDLE, "the backend", async || ask().await.1).await;
        }
    }
    // Nothing was closed, and nothing opened for it.
    assert!(service.watcher.backends().await <= 2, "{:?}", service.watcher.pids().await);
}

#[tokio::test]
async fn is_told_in_the_log_with_what_is_in_no_answer() {
    let service = Service::start().await;
    let url = format!("http://{}/sleep/5", service.address);
    // On a machine that is busy, the word of the server may be late for one.
    for _ in 0..TRIES {
        let answer = curl(&["-H", "X-Request-Timeout: 300ms", &url]).await;
        let problem = answer.json();
        let ending = ["stage", "cause", "hop"].map(|key| problem[key].as_str().unwrap_or_default());
        assert_eq!(ending, ["database", "deadline", "orders"], "{problem:#}");
        assert_discreet(&answer, service.watcher.pids().await);
    }
    let pids = service.watcher.pids().await;
    service.program.terminate().await;
    let finished = service.program.finish().await;
    let stopped = finished.stderr.lines().find(|line| line.contains(r#"sqlstate="57014""#));
    let line = stopped.unwrap_or_else(|| panic!("{}", finished.stderr));
    assert!(line.contains("a deadline stopped a statement") && line.contains(r#"stage="database""#), "{line}");
    assert!(pids.iter().any(|pid| line.contains(&format!("backend={pid} "))), "{line}: {pids:?}");
}

#[tokio::test]
async fn undoes_a_transaction_and_lets_go_of_what_it_locked() {
    let service = Service::start().await;
    let order = async |timeout: &str| {
        let url = format!("http://{}/orders", service.address);
        curl(&["-H", &format!("X-Request-Timeout: {timeout}"), "--data", "apples", &url]).await
    };
    assert_eq!(order("9s").await.text(), "order 1: apples, 1 sold\n");
    // Somebody has the row, and takes their time.
    let mut holder = service.database.connect().await;
    let held = holder.transaction().await.unwrap();
    held.batch_execute("UPDATE example_sold SET number = number + 10").await.unwrap();
    let waited = order("300ms").await;
    assert_eq!((waited.status, waited.field("deadline-exceeded")), (504, TRAIL));
    held.commit().await.unwrap();
    // The order before was the second, and was undone; nobody waits for what it had locked.
    let after = order("9s").await;
    assert_eq!(after.text(), "order 3: apples, 12 sold\n");
}
