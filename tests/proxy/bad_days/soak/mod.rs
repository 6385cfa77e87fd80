//! A soak: clients that leave, upstreams that die and stand still, and afterwards a proxy that holds what it held.
//!
//! `DEADLINE_SOAK_SECONDS` says how long; `cargo xtask suites soak` takes half an hour. Of its rounds the first is the
//! measure of all others, because buffers and threads that the first requests make are not left behind by anybody.

mod behind;
mod caller;
mod census;
mod clients;
mod tally;
mod troubles;

use std::time::Duration;
use std::{env, fs};

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use self::census::Census;
use self::clients::clients;
use self::tally::Tally;
use self::troubles::Troubles;
use super::backend::Backend;
use crate::support::{Chance, Folder, Proxy, Server, curl};

/// What a continuous check has the time for.
const SHORT: Duration = Duration::from_secs(18);
const ROUNDS: u32 = 6;
const CLIENTS: u64 = 24;

/// All that there is, and what was seen of it.
struct Soak {
    _behind: Server,
    folder: Folder,
    backends: [Backend; 2],
    proxy: Proxy,
    tally: Tally,
    troubles: Troubles,
}

fn length() -> Duration {
    let Ok(seconds) = env::var("DEADLINE_SOAK_SECONDS") else { return SHORT };
    let seconds = seconds.parse().ok().filter(|seconds| *seconds >= 12);
    Duration::from_secs(seconds.expect("DEADLINE_SOAK_SECONDS is a whole number of seconds, 12 at least"))
}

/// In turns: as at the beginning, by another policy, by other upstreams, and with all connections let go.
fn configuration(backends: &[Backend; 2], log: &str, number: usize) -> String {
    let [first, second] = backends.each_ref().map(|backend| backend.address);
    let turn = |turn, other, else_| if number % 4 == turn { other } else { else_ };
    let (timeout, base, headers) = (turn(1, "1100ms", "1s"), turn(2, "600ms", "500ms"), turn(3, "99", "100"));
    format!(
        "admin = \"127.0.0.1:0\"\nworkers = 2\ndrain_timeout = \"5s\"\n[[listener]]\naddress = \"127.0.0.1:0\"\n\
        [limits]\nmax_headers = {headers}\n\
        [access_log]\nrequests = \"sampled\"\nsample = 0.0\noutput = \"{log}\"\n\
        [policy.default]\ntimeout = \"{timeout}\"\nretries = 1\nbackoff = \"5ms\"\n\
        [upstream.shop]\ntargets = [\"http://{first}\", \"http://{second}\"]\n\
        [upstream.shop.health]\nevery = \"500ms\"\ntimeout = \"400ms\"\nsuccesses = 1\n\
        [upstream.shop.ejection]\nbase = \"{base}\"\n\
        [[route]]\nupstream = \"shop\"\nupgrade = [\"websocket\"]\n"
    )
}

impl Soak {
    async fn new() -> Self {
        let (behind, folder) = (behind::server().await, Folder::new());
        let backends = [Backend::start(behind.address).await, Backend::start(behind.address).await];
        let proxy = Proxy::configured(&configuration(&backends, &folder.of("access.log"), 0)).await;
        Self { _behind: behind, folder, backends, proxy, tally: Tally::default(), troubles: Troubles::default() }
    }

    /// Lets everybody loose for so long, and waits until all of them have gone.
    async fn round(&mut self, number: u32, length: Duration) {
        let (until, address) = (Instant::now() + length, self.proxy.address);
        let mut crowd = JoinSet::new();
        for client in 0..CLIENTS {
            crowd.spawn(clients(address, u64::from(number) * CLIENTS + client, until));
        }
        self.trouble(u64::from(number), until).await;
        crowd.join_all().await.into_iter().for_each(|tally| self.tally.add(tally));
    }

    /// One trouble after the other until then, so that somebody is always there to ask.
    async fn trouble(&mut self, seed: u64, until: Instant) {
        for number in 0.. {
            let mut chance = Chance::of(seed, number);
            sleep_until(until.min(Instant::now() + chance.millis(100..900))).await;
            if Instant::now() >= until {
                break;
            }
            let pause = chance.millis(50..600);
            match chance.share() {
                ..0.4 => self.reload(number).await,
                ..0.7 => self.troubles.kill(&mut self.backends[number % 2], pause).await,
                _ => self.troubles.stop(&mut self.backends[number % 2], pause).await,
            }
        }
        self.reload(0).await;
    }

    async fn reload(&mut self, number: usize) {
        self.proxy.rewrite(&configuration(&self.backends, &self.folder.of("access.log"), number));
        let (status, told) = self.proxy.reload().await;
        assert_eq!(status, 200, "{told}");
        self.troubles.reloads += 1;
    }

    /// What it holds without clients and without upstreams: those take the connections along that are kept for them.
    async fn census(&mut self, then: Option<Census>) -> Census {
        self.backends.iter_mut().for_each(Backend::kill);
        // A log that was opened anew lets the file of before go with its next line.
        assert_eq!(curl(&["-d", "nobody is there", &self.proxy.url("/buy")]).await.status, 502);
        let census = match then {
            Some(then) => Census::settled_as(&self.proxy, then).await,
            None => Census::settled(&self.proxy).await,
        };
        for backend in &mut self.backends {
            backend.rise().await;
        }
        census
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_life_leaves_nothing_behind() {
    let mut soak = Soak::new().await;
    let each = length() / ROUNDS;
    soak.round(0, each).await;
    let begin = soak.census(None).await;
    eprintln!("\nafter round 1 of {ROUNDS}: {begin} ({})", Census::HEAD);
    let (mut end, mut complaints) = (begin, Vec::new());
    for number in 1..ROUNDS {
        soak.round(number, each).await;
        end = soak.census(Some(begin)).await;
        eprintln!("after round {} of {ROUNDS}: {end}", number + 1);
        complaints = end.complaints_since(begin);
    }
    let Soak { tally, troubles, folder, .. } = soak;
    let lost = tally.complaints(&fs::read_to_string(folder.of("access.log")).expect("there is a log"));
    report("it holds what it held", complaints.is_empty(), &format!("{begin}; at the end {end} ({})", Census::HEAD));
    report("nobody is lost", lost.is_empty(), &format!("{tally}; {troubles:?}"));
    assert_eq!((complaints, lost), (Vec::new(), Vec::new()));
    for needed in ["200", "502", "504", "tunnel", "given up", "left within its answer"] {
        assert!(tally.has(needed), "a soak without \"{needed}\" shows less than it should: {tally}");
    }
    assert!(troubles.kills > 0 && troubles.stops > 0 && troubles.reloads > 0, "{troubles:?}");
}

/// A line of the table that `cargo xtask suites` makes, with tabs between.
fn report(name: &str, is_good: bool, figures: &str) {
    println!("{}\t{name}\t{figures}", if is_good { "ok" } else { "FAILED" });
}
