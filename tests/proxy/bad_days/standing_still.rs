//! SIGSTOP of an upstream under load: it is there, and says nothing.

use std::time::Duration;

use crate::support::{Act, Asked, MS, Mirror, Proxy, Told, Visit, crowd, eventually};

use super::backend::Backend;

const CONNECTIONS: usize = 16;
const REQUESTS: usize = 600;
const WHOLE: Duration = Duration::from_millis(700);

fn answer(_: &Visit, _: usize) -> Act {
    Act { after: 5 * MS, ..Act::answer(200, "", "ok\n") }
}

fn browse(path: &'static str) -> impl Fn(usize) -> Asked + Clone {
    move |number| Asked::get(format!("{path}/{number}"), WHOLE)
}

/// Each has a route; the one is asked for `/still`, the other for everything else.
async fn in_front_of(still: &Backend, other: &Backend, http: &str) -> Proxy {
    Proxy::configured(&format!(
        "admin = \"127.0.0.1:0\"\nworkers = 1\n[[listener]]\naddress = \"127.0.0.1:0\"\n\
        [upstream.still]\ntargets = [\"http://{}\"]\nhttp = \"{http}\"\n\
        [upstream.other]\ntargets = [\"http://{}\"]\nhttp = \"{http}\"\n\
        [[route]]\nprefix = \"/still\"\nupstream = \"still\"\n[[route]]\nupstream = \"other\"\n",
        still.address, other.address
    ))
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_upstream_that_stands_still_has_ends_at_its_deadline_and_nothing_else_does() {
    for http in ["1.1", "2"] {
        let mirrors = [Mirror::start(answer), Mirror::start(answer)];
        let backends = [Backend::start(mirrors[0].address).await, Backend::start(mirrors[1].address).await];
        let proxy = in_front_of(&backends[0], &backends[1], http).await;
        let stop = async {
            eventually("a load", || mirrors[0].visits().len() > CONNECTIONS).await;
            backends[0].stop().await;
        };
        let (asked, others, ()) = tokio::join!(
            crowd(&proxy, CONNECTIONS, 6 * CONNECTIONS, browse("/still")),
            crowd(&proxy, CONNECTIONS, REQUESTS, browse("/other")),
            stop
        );
        assert!(others.iter().all(|told| told.status() == 200), "HTTP/{http}: {others:?}");
        let late: Vec<&Told> = asked.iter().filter(|told| told.status() != 200).collect();
        assert!(late.len() >= CONNECTIONS, "HTTP/{http}: {} were late", late.len());
        for told in late {
            told.assert_in_time();
            let why = told.field("deadline-exceeded").unwrap_or_default();
            assert_eq!(told.status(), 504, "HTTP/{http}: {told:?}");
            assert!(why.contains("cause=deadline") && why.contains("hop=\"proxy\""), "HTTP/{http}: {told:?}");
        }
        backends[0].go_on().await;
        assert_comes_back(&proxy).await;
    }
}

/// Within the time that it needs to read what was sent meanwhile, which nobody waits for any more.
async fn assert_comes_back(proxy: &Proxy) {
    for _ in 0..20 {
        let told = crowd(proxy, CONNECTIONS, 2 * CONNECTIONS, browse("/still")).await;
        if told.iter().all(|told| told.status() == 200) {
            return;
        }
    }
    panic!("it goes on, and is not heard");
}
