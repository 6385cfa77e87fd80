//! Three hops and a database, of which each in turn is slow, under a limit that each in turn sets: whoever tells of such
//! a run tells the same, and what is so.
//!
//! The test knows what is so: what is slow, by the path that it asks for; who sets the limit, by the same; and when, by
//! the clock of its own process, in which the services run too: from outside of each hop, and from within. Times are to be
//! within 5 ms of that at once for all of them, in one of a few tries: on a busy machine somebody is always late. A word is
//! to be right in each.

mod chain;
mod hop;
mod run;
mod services;
mod slow;
mod table;
mod tellers;
mod told;

use self::chain::Chain;
use self::run::Run;
use self::slow::{Limit, Slow};
use self::tellers::{access_log, answer, counts, expired, ledger, log, trace};
use self::told::Told;

/// How often a run is tried until all times are close.
const TRIES: usize = 5;

/// Tries each thing that can be slow under this limit.
async fn each_under(limit: Limit) {
    let chain = Chain::start(limit).await;
    let (mut rows, mut wrong, mut late) = (Vec::new(), Vec::new(), Vec::new());
    let mut tellers = Vec::new();
    for slow in Slow::ALL.into_iter().filter(|slow| slow.is_under(limit)) {
        let mut off = vec!["nobody can say who had to stop it".to_owned()];
        for number in 0..if table::is_wanted() { 10 * TRIES } else { TRIES } {
            let Some((run, told)) = tried(&chain, limit, slow, number).await else { continue };
            wrong.extend(told.iter().flat_map(|told| told.wrong(&run.truth)).map(|wrong| format!("{run}: {wrong}")));
            off = told.iter().flat_map(|told| told.off(&run.truth)).collect();
            let is_shown = told.iter().filter_map(|told| told.farthest(&run.truth)).all(|off| off <= told::CLOSE);
            if off.is_empty() && (is_shown || !table::is_wanted()) {
                tellers = told.iter().map(|told| told.teller).collect();
                rows.push(table::row(&run, &told));
                break;
            }
        }
        late.extend(off.into_iter().map(|off| format!("{}: {off}", slow.word())));
    }
    assert!(wrong.is_empty(), "not so:\n{}\nlate:\n{}", wrong.join("\n"), late.join("\n"));
    assert!(late.is_empty(), "in none of {TRIES} tries:\n{}", late.join("\n"));
    table::write(limit, &tellers, &rows);
}

/// A run, and what everybody tells of it.
async fn tried(chain: &Chain, limit: Limit, slow: Slow, number: usize) -> Option<(Run, Vec<Told>)> {
    let before = Before { counted: counts::now(chain).await, said: log::now(chain) };
    let run = Run::of(chain, limit, slow, number).await?;
    let told = everybody(chain, &run, &before).await;
    Some((run, told))
}

/// What was told before a run.
struct Before {
    counted: counts::Series,
    /// How much of the log there was.
    said: usize,
}

async fn everybody(chain: &Chain, run: &Run, before: &Before) -> Vec<Told> {
    vec![
        answer::field(run),
        answer::document(run),
        access_log::told(chain, run).await,
        expired::told(chain, run).await,
        counts::told(chain, run, &before.counted).await,
        ledger::told(run),
        log::told(chain, run, before.said).await,
        trace::told(chain, run).await,
    ]
}

#[tokio::test]
async fn all_agree_on_what_is_stopped_at_the_limit_of_a_client() {
    each_under(Limit::Client).await;
}

#[tokio::test]
async fn all_agree_on_what_is_stopped_at_the_limit_of_a_policy_of_the_proxy() {
    each_under(Limit::ProxyPolicy).await;
}

#[tokio::test]
async fn all_agree_on_what_is_stopped_at_the_limit_of_a_policy_of_the_service_in_the_middle() {
    each_under(Limit::OrdersPolicy).await;
}

#[tokio::test]
async fn all_agree_on_what_is_stopped_at_the_limit_of_a_line_of_code() {
    each_under(Limit::OrdersCode).await;
}
