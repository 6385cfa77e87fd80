//! kill -9 of an upstream under load.

use std::time::Duration;

use crate::support::{Act, Asked, Chance, Mirror, Proxy, Told, Visit, crowd, eventually};

use super::backend::Backend;

const CONNECTIONS: usize = 24;
const REQUESTS: usize = 1_200;
const WHOLE: Duration = Duration::from_secs(10);

/// How many a backend has had when it is killed: enough that each client has a request under way by then.
const BEFORE: usize = 200;

/// Takes long enough that some are always under way.
fn slow(_: &Visit, number: usize) -> Act {
    Act { after: Chance::of(21, number).millis(10..40), ..Act::answer(200, "", "ok\n") }
}

/// It is not safe to send twice.
fn buy(number: usize) -> Asked {
    Asked::with_body(format!("POST /{number}"), WHOLE, "one of each\n")
}

/// Of these two, over this version of HTTP; whoever fails is left out, for no longer than a test can wait.
async fn in_front_of(backends: &[Backend; 2], http: &str) -> Proxy {
    let [first, second] = backends.each_ref().map(|backend| backend.address);
    Proxy::configured(&format!(
        "admin = \"127.0.0.1:0\"\nworkers = 1\n[[listener]]\naddress = \"127.0.0.1:0\"\n\
        [upstream.shop]\ntargets = [\"http://{first}\", \"http://{second}\"]\nhttp = \"{http}\"\n\
        [upstream.shop.ejection]\nbase = \"2s\"\n"
    ))
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_is_killed_takes_none_but_its_own_requests_along() {
    for http in ["1.1", "2"] {
        let mirrors = [Mirror::start(slow), Mirror::start(slow)];
        let [killed, other] = &mirrors;
        let mut backends = [Backend::start(killed.address).await, Backend::start(other.address).await];
        let proxy = in_front_of(&backends, http).await;
        let kill = async {
            eventually("a load", || killed.visits().len() > BEFORE).await;
            backends[0].kill();
        };
        let (told, ()) = tokio::join!(crowd(&proxy, CONNECTIONS, REQUESTS, buy), kill);

        let failed: Vec<&Told> = told.iter().filter(|told| told.status() != 200).collect();
        assert!((1..=CONNECTIONS).contains(&failed.len()), "HTTP/{http}: {} failed", failed.len());
        for told in failed {
            assert_eq!(told.status(), 502, "HTTP/{http}: {told:?}");
            let path = told.asked.start.trim_start_matches("POST ");
            assert_eq!(other.visits_for(path), 0, "HTTP/{http}: who lives has answered it: {told:?}");
        }
        let of_both = killed.visits().len() + other.visits().len();
        assert!(of_both <= REQUESTS, "HTTP/{http}: {of_both} of {REQUESTS}: none was sent twice");
        assert!(other.visits().len() > REQUESTS / 2, "HTTP/{http}: who lives carries the load");

        let ejected = proxy.metric("deadline_proxy_ejections_total", &["upstream=\"shop\""]).await;
        assert!(ejected >= 1.0, "HTTP/{http}: {ejected}");
        backends[0].rise().await;
        assert_comes_back(&proxy, killed).await;
    }
}

/// Once it is no longer left out; and nothing fails until then.
async fn assert_comes_back(proxy: &Proxy, mirror: &Mirror) {
    let before = mirror.visits().len();
    for _ in 0..200 {
        let told = crowd(proxy, CONNECTIONS, 2 * CONNECTIONS, buy).await;
        assert!(told.iter().all(|told| told.status() == 200), "{told:?}");
        if mirror.visits().len() > before {
            return;
        }
    }
    panic!("it is never asked again");
}
