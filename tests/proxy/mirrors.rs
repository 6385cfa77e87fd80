//! Chains of mirrors that fail as real ones do: the chain does not.

use std::collections::HashMap;
use std::time::Duration;

use crate::support::{Asked, Chance, Manner, Mirror, Proxy, Told, crowd};

const REQUESTS: usize = 3_000;
const CONNECTIONS: usize = 40;

/// What may fail of a chain.
const AT_MOST: f64 = 0.003;

/// The worst comes first: a chain that does not pass on fails one time in eight.
const MANNERS: [Manner; 3] = [
    Manner { name: "golf", seed: 1, failures: 0.124 },
    Manner { name: "hotel", seed: 2, failures: 0.017 },
    Manner { name: "india", seed: 3, failures: 0.003 },
];

/// The limit of each try.
const TRY: Duration = Duration::from_millis(400);

/// The deadline of a request, which is the same in every run.
fn deadline(number: usize) -> Duration {
    Chance::of(4, number).millis(1_500..4_000)
}

fn mirrors() -> [Mirror; 3] {
    MANNERS.map(|manner| Mirror::start(move |_, number| manner.act(number)))
}

/// The share of those that were not answered by a mirror, of which none may have outlived its deadline.
fn failed(told: &[Told]) -> f64 {
    for answer in told {
        answer.assert_in_time();
        if answer.status() == 200 {
            assert_eq!(answer.upstream(), Some(answer.text.as_str()), "{answer:?}");
            assert_eq!(answer.field("x-mirror"), Some(answer.text.as_str()), "{answer:?}");
        } else {
            assert!(answer.field("proxy-status").is_some() || matches!(answer.status(), 0 | 504), "{answer:?}");
        }
    }
    let failed = told.iter().filter(|answer| answer.status() != 200).count();
    share(failed, told.len())
}

fn share(part: usize, whole: usize) -> f64 {
    f64::from(u32::try_from(part).unwrap()) / f64::from(u32::try_from(whole).unwrap())
}

/// Who of the chain did not answer, and how often.
fn passed(told: &[Told]) -> HashMap<String, usize> {
    let mut passed = HashMap::new();
    for answer in told {
        let details = answer.field("proxy-status").and_then(|field| field.split("details=\"").nth(1));
        for detail in details.unwrap_or_default().trim_end_matches('"').split(", ").filter(|detail| !detail.is_empty())
        {
            let name = detail.split(' ').next().unwrap();
            *passed.entry(name.to_owned()).or_default() += 1;
        }
    }
    passed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_fails_no_more_often_than_the_best_of_its_mirrors() {
    let mirrors = mirrors();
    let names = MANNERS.map(|manner| manner.name);
    let upstreams: Vec<_> = names.into_iter().zip(mirrors.each_ref().map(|mirror| mirror.address)).collect();
    let rest = format!("[[route]]\nupstream = \"{}\"\ntry_timeout = \"400ms\"\n", names.join("|"));
    let proxy = Proxy::of(&upstreams, &rest).await;
    let told = crowd(&proxy, CONNECTIONS, REQUESTS, |number| Asked::get(format!("/{number}"), deadline(number))).await;

    let (failed, passed) = (failed(&told), passed(&told));
    assert!(failed <= AT_MOST, "{failed}, passed on: {passed:?}");
    // It is for the chain that nothing failed: its first mirror did, as often as it does.
    let first = share(passed[names[0]], REQUESTS);
    assert!((0.1..0.16).contains(&first), "{first}");
    for (from, to) in names.iter().zip(&names[1..]) {
        let labels = [format!("upstream=\"{to}\""), "kind=\"fallback\"".to_owned()];
        let counted = proxy.metric("deadline_proxy_attempts_total", &labels.each_ref().map(String::as_str)).await;
        assert_eq!(counted, f64::from(u32::try_from(passed[*from]).unwrap()), "from {from} to {to}");
    }
    // Who passes on asks the next one, and nobody else is asked.
    for (mirror, asked) in mirrors.iter().zip([REQUESTS, passed[names[0]], passed[names[1]]]) {
        let visits = mirror.visits();
        assert!(visits.len() <= asked, "{} of {asked}", visits.len());
        for visit in visits {
            let number = visit.head.path().trim_start_matches('/').parse().unwrap();
            assert!(visit.head.timeout() <= TRY.min(deadline(number)), "{visit:?}");
        }
    }
}
