use super::*;
use crate::count::told;

/// An upstream that fails half of the time is asked hardly more often than there are requests.
#[tokio::test(start_paused = true)]
async fn half_of_ten_thousand_requests_fail_and_the_upstream_is_not_asked_a_third_more() {
    const REQUESTS: usize = 10_000;
    let mut random = fastrand::Rng::with_seed(38);
    let plays = (0..REQUESTS * 4).map(|_| Play::Status(if random.bool() { 503 } else { 200 })).collect();
    let mut settings = Settings::once(0);
    (settings.retries, settings.backoff) = (3, MS);
    let upstreams = Upstreams::new(&settings, vec![plays], Budget::default());
    let mut good = 0;
    for _ in 0..REQUESTS {
        good += usize::from(status(&upstreams.ask(get()).await) == 200);
    }
    let attempts = upstreams.asked().len();
    assert!(attempts <= REQUESTS * 13 / 10, "{attempts} attempts");
    assert!(attempts >= REQUESTS * 11 / 10, "{attempts} attempts: the budget is there to be used");
    assert!(good > REQUESTS * 55 / 100, "{good} good answers");
}

#[test]
fn attempts_are_counted_by_kind_and_what_was_withheld_by_reason() {
    let told = told(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let chained = |plays: &[Play]| chain(&[(&["404"], plays), (&[], &[Play::Status(200)])], |_| {});
            let _ = chained(&[Play::Status(404)]).ask(get()).await;
            let _ = chained(&[Play::Status(404)]).ask(request("POST", "")).await;
            let mut settings = Settings::once(0);
            settings.retries = 2;
            let plays = vec![vec![Play::Connect, Play::Connect]];
            let poor = Upstreams::new(&settings, plays, Budget { ratio: 1.0, min_per_second: 0 });
            let _ = poor.ask(get()).await;
            let plays = [Play::Says(503, "retry-after", "5")];
            let late = chain(&[(&[], &plays)], |settings| settings.retries = 1);
            let _ = late.ask(within(get(), 1000 * MS, Duration::ZERO)).await;
            let long = chain(&[(&[], &[Play::Status(503)])], |settings| (settings.retries, settings.replay) = (1, 3));
            let _ = long.ask(request("PUT", "body")).await;
            long.burdens[0].measure();
        });
    });
    for line in [
        "attempts_total{upstream=\"corp\",kind=\"first\"} 5",
        "attempts_total{upstream=\"mirror\",kind=\"fallback\"} 1",
        "attempts_total{upstream=\"corp\",kind=\"retry\"} 1",
        "retries_withheld_total{upstream=\"corp\",reason=\"unsafe\"} 1",
        "retries_withheld_total{upstream=\"corp\",reason=\"budget\"} 1",
        "retries_withheld_total{upstream=\"corp\",reason=\"deadline\"} 1",
        "retries_withheld_total{upstream=\"corp\",reason=\"body\"} 1",
        "retry_amplification{upstream=\"corp\"} 1",
        "retry_alarm{upstream=\"corp\"} 0",
    ] {
        assert!(told.lines().any(|told| told == format!("deadline_proxy_{line}")), "{line}: {told}");
    }
    for name in ["attempts_total", "retries_withheld_total", "retry_amplification", "retry_alarm"] {
        assert!(told.contains(&format!("# HELP deadline_proxy_{name} ")), "{name}");
    }
}
