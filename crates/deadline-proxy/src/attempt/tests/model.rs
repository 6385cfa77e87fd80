//! Random scripts against a model that is slow and obvious.

use super::*;
use crate::attempt::{End, Outcome};

const ON: [&str; 8] = ["404", "410", "503", "4xx", "5xx", "connect", "broken", "timeout"];

/// What a script says, and the model knows.
#[derive(Clone, Debug)]
struct Case {
    method: &'static str,
    retries: u32,
    end: End,
    on: Vec<Vec<Outcome>>,
    plays: Vec<Vec<Play>>,
}

fn case(random: &mut fastrand::Rng) -> Case {
    let links = random.usize(1..=3);
    let on = |random: &mut fastrand::Rng| {
        let named = ON.iter().filter(|_| random.u8(..) < 80).map(|on| on.parse().unwrap());
        named.collect::<Vec<Outcome>>()
    };
    let play = |random: &mut fastrand::Rng| match random.u8(0..12) {
        0 => Play::Connect,
        1 => Play::Broken { is_kept: true },
        2 => Play::Broken { is_kept: false },
        3 => Play::Hang,
        4 => Play::Stuck,
        5 => Play::Late,
        6 => Play::Says(503, "retry-after", "31"),
        7 => Play::Says(429, "retry-after", "1"),
        _ => Play::Status(random.choice([200, 302, 404, 410, 429, 500, 502, 503]).unwrap()),
    };
    Case {
        method: random.choice(["GET", "PUT", "POST"]).unwrap(),
        retries: random.u32(0..4),
        end: if random.bool() { End::Off } else { End::Answer },
        on: (0..links).map(|_| on(random)).collect(),
        plays: (0..links).map(|_| (0..12).map(|_| play(random)).collect()).collect(),
    }
}

/// Who is asked, and what comes of it: a status, `failed` or `off`.
fn model(case: &Case) -> (Vec<usize>, String) {
    let (mut asked, mut at, mut retries, mut resent, mut next) = (Vec::new(), 0, 0, false, [0; 3]);
    loop {
        let play = &case.plays[at][next[at]];
        next[at] += 1;
        asked.push(at);
        let (outcome, told, is_done, is_retriable) = match play {
            Play::Status(status @ (200 | 302)) => return (asked, status.to_string()),
            Play::Status(status) => (status.to_string(), status.to_string(), true, [502, 503].contains(status)),
            Play::Says(status, ..) => (status.to_string(), status.to_string(), true, *status == 429),
            Play::Connect => ("connect".to_owned(), "failed".to_owned(), false, true),
            Play::Broken { .. } | Play::BrokenAfter(_) => ("broken".to_owned(), "failed".to_owned(), true, true),
            Play::Hang => ("timeout".to_owned(), "failed".to_owned(), true, true),
            Play::Late => ("timeout".to_owned(), "504".to_owned(), true, true),
            Play::Stuck => ("timeout".to_owned(), "failed".to_owned(), false, true),
            Play::Waits(_) => ("200".to_owned(), "200".to_owned(), true, false),
        };
        if is_done && case.method == "POST" {
            return (asked, told);
        }
        let class = outcome.chars().next().filter(char::is_ascii_digit).map(|class| format!("{class}xx"));
        let named = case.on[at].iter().map(ToString::to_string).any(|on| on == outcome || Some(on) == class);
        let is_last = at + 1 == case.plays.len();
        if named && !is_last {
            at += 1;
        } else if matches!(play, Play::Broken { is_kept: true }) && !resent {
            resent = true;
        } else if is_retriable && retries < case.retries {
            retries += 1;
        } else if named && case.end == End::Off {
            return (asked, "off".to_owned());
        } else {
            return (asked, told);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn random_chains_do_what_the_model_says() {
    let mut random = fastrand::Rng::with_seed(5);
    let mut longest = 0;
    for round in 0..4_000 {
        let case = case(&mut random);
        let mut settings = Settings::once(0);
        (settings.retries, settings.end) = (case.retries, case.end);
        let links = case.on.iter().enumerate();
        settings.chain = links.map(|(at, on)| Link { on: on.clone(), limit: Some(10 * MS), ..Link::new(at) }).collect();
        let upstreams =
            Upstreams::new(&settings, case.plays.clone(), Budget { ratio: 1000.0, min_per_second: 1_000_000 });
        let answer = upstreams.ask(within(request(case.method, "body"), 1_000_000 * MS, Duration::ZERO)).await;
        let told = match &answer {
            Ok(response) => response.status().as_str().to_owned(),
            Err(error) if crate::attempt::told(error).contains("passed it on") => "off".to_owned(),
            Err(_) => "failed".to_owned(),
        };
        assert_eq!((upstreams.asked(), told), model(&case), "round {round}: {case:?}");
        let done = upstreams.seen().iter().filter(|seen| seen.body == "body").count();
        assert!(case.method != "POST" || done <= 1, "round {round}: a POST was done {done} times");
        longest = longest.max(upstreams.asked().len());
    }
    assert!(longest >= 6, "{longest} attempts at most: the scripts say too little");
}
