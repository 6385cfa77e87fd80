//! What is told of endpoints.

use super::*;
use crate::count::told;
use std::time::Duration;
use tokio::time::advance;

fn cluster() -> Arc<Cluster> {
    let settings = Settings { ejection: Ejection { failures: 2, ..Ejection::default() }, ..settings() };
    Cluster::scripted(settings, [Peer::echo(), Peer::echo(), Peer::echo()])
}

fn counted(cluster: &Cluster) -> [String; 3] {
    let told = told(|| cluster.measure());
    ["well", "unhealthy", "ejected"].map(|state| {
        let name = format!("deadline_proxy_endpoints{{upstream=\"upstream\",state=\"{state}\"}} ");
        told.lines().find_map(|line| line.strip_prefix(&name)).unwrap_or_default().to_owned()
    })
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_is_in_one_of_three_states() {
    let cluster = cluster();
    assert_eq!(counted(&cluster), ["3", "0", "0"]);
    let [one, other, _]: [_; 3] = cluster.endpoints().to_vec().try_into().unwrap();
    one.vitals.set_healthy(false);
    assert_eq!(counted(&cluster), ["2", "1", "0"]);
    (0..2).for_each(|_| cluster.failed(&other));
    assert_eq!(counted(&cluster), ["1", "1", "1"]);
    one.vitals.set_healthy(true);
    advance(Duration::from_secs(30)).await;
    assert_eq!(counted(&cluster), ["3", "0", "0"]);
    assert!(told(|| cluster.unmeasure()).contains("state=\"well\"} 0\n"));
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_is_told_with_all_that_is_known_of_it() {
    let cluster = cluster();
    let [one, other, third]: [_; 3] = cluster.endpoints().to_vec().try_into().unwrap();
    (0..3).for_each(|_| cluster.failed(&one));
    other.vitals.set_asked();
    third.vitals.set_healthy(false);
    advance(Duration::from_secs(10)).await;
    let mut told = cluster.statuses();
    told.sort_by_key(|status| std::cmp::Reverse(status.failures));
    let of = |health| told.iter().find(|status| status.health == health).unwrap();
    let left_out = of(Health::Unknown);
    assert_eq!((left_out.ejected_for, left_out.ejections, left_out.failures), (Some(Duration::from_secs(20)), 1, 1));
    let healthy = of(Health::Healthy);
    assert_eq!((healthy.ejected_for, healthy.ejections, healthy.failures), (None, 0, 0));
    assert_eq!((of(Health::Unhealthy).address.as_str(), of(Health::Unhealthy).connections), ("scripted", 0));
}

#[tokio::test(start_paused = true)]
async fn connections_are_told_until_they_have_ended() {
    let holding = Holding::default();
    let pool = pool(&holding.peer(), |_| {});
    let open = || pool.cluster().statuses()[0].connections;
    let both = (send(&pool, get("/")).await.unwrap(), send(&pool, get("/")).await.unwrap());
    assert_eq!(open(), 2);
    holding.end_first().await;
    assert_eq!(text(both.0).await, "held");
    assert_eq!(open(), 2, "it is idle");
    drop(both.1);
    settle().await;
    assert_eq!(open(), 1);
    advance(Duration::from_secs(10)).await;
    settle().await;
    assert_eq!(open(), 0);
}
