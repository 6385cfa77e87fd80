//! HTTP end to end: a client, perhaps a proxy, axum, a real PostgreSQL.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::sleep;

use super::support::{Database, Watcher};
use crate::support::{Answer, MS, Program, Proxy, SLACK, binary, soon};

mod deadline;
mod ends;
mod leaving;
mod pool;

/// What an answer to 300 ms may take in all.
const ANSWERED: Duration = Duration::from_millis(450);
/// How long after its request a statement may run.
const IDLE: Duration = Duration::from_millis(250);
/// A machine that is busy building keeps to these bounds in one of so many tries.
const TRIES: usize = 5;

const VERSIONS: [&str; 2] = ["--http1.1", "--http2-prior-knowledge"];

/// The example `axum_postgres`, on a database of the test's own.
struct Service {
    program: Program,
    address: SocketAddr,
    database: Database,
    watcher: Watcher,
}

impl Service {
    async fn start() -> Self {
        let database = Database::new().await;
        let mut command = Command::new(binary("axum_postgres"));
        command.arg("127.0.0.1:0").env("DATABASE_URL", database.url()).stdin(Stdio::null());
        let mut program = Program::launch("axum_postgres", command);
        let address = program.address().await;
        let watcher = database.watcher().await;
        Self { program, address, database, watcher }
    }

    async fn until_asleep(&self, number: i64) {
        until_asleep(&self.database, &self.watcher, number).await;
    }

    /// Without a detour, and through `deadline-proxy`.
    async fn ways(&self) -> Ways {
        let proxy = Proxy::to(self.address).await;
        Ways { addresses: [self.address, proxy.address], _proxy: proxy }
    }
}

struct Ways {
    addresses: [SocketAddr; 2],
    _proxy: Proxy,
}

/// Waits until so many sleep: nothing that comes before, such as connecting, is what they do.
async fn until_asleep(database: &Database, watcher: &Watcher, number: i64) {
    let asleep = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND wait_event = 'PgSleep'";
    let waiting = async {
        while watcher
            .client
            .query_one(asleep, &[&database.name])
            .await
            .expect("the server can be asked")
            .get::<_, i64>(0)
            != number
        {
            sleep(2 * MS).await;
        }
    };
    soon("so many that sleep", waiting).await;
}

/// Fails if an answer tells what is for the log alone: `SQLSTATE`, and the numbers of processes.
#[track_caller]
fn assert_discreet(answer: &Answer, processes: impl IntoIterator<Item = i32>) {
    let fields = answer.headers.iter().filter(|(name, _)| *name != "date");
    let fields: Vec<_> = fields.map(|(name, value)| format!("{name}: {value:?}")).collect();
    let said = format!("{}\n{}", fields.join("\n"), answer.text());
    let words: Vec<&str> = said.split(|char: char| !char.is_ascii_alphanumeric()).collect();
    // A smaller number is that of a status, a length or milliseconds too.
    let telling = processes.into_iter().filter(|process| *process >= 1_000);
    let secrets = telling.map(|process| process.to_string()).chain(["57014".to_owned()]);
    for secret in secrets {
        assert!(!words.contains(&secret.as_str()), "{secret}: {said}");
    }
}

/// Tries until one try keeps to a bound; none may be far off it.
async fn within(bound: Duration, what: &str, attempt: impl AsyncFn() -> Duration) {
    let mut took = Vec::new();
    for _ in 0..TRIES {
        let this = attempt().await;
        assert!(this < bound + SLACK, "{what}: {this:?}");
        if this < bound {
            return;
        }
        took.push(this);
    }
    panic!("{what}: never within {bound:?}: {took:?}");
}

#[tokio::test]
#[should_panic(expected = "never within 1ms: [2ms, 2ms, 2ms, 2ms, 2ms]")]
async fn a_bound_that_is_never_kept_is_told() {
    within(MS, "it", async || 2 * MS).await;
}
