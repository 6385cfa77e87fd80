//! What stays from one reading of the settings to the next.

use super::*;
use std::time::Duration;
use tokio::time::sleep;

fn cluster(peer: &Peer, change: impl FnOnce(&mut Settings)) -> Arc<Cluster> {
    let mut settings = settings();
    change(&mut settings);
    Cluster::scripted(settings, [peer.clone()])
}

fn pool_of(pools: &Pools, cluster: &Arc<Cluster>) -> Pool {
    pools.of(&[Arc::clone(cluster)]).pop().unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_is_told_the_same_goes_on_with_its_connections_and_all_that_is_known() {
    let (peer, pools) = (Peer::echo(), Pools::new(1));
    let before = cluster(&peer, |settings| (settings.ejection.failures, settings.ejection.max_share) = (1, 1.0));
    drop(text(send(&pool_of(&pools, &before), get("/")).await.unwrap()).await);
    before.endpoints()[0].vitals.set_healthy(false);
    let ejected = Arc::clone(&before.endpoints()[0]);
    before.failed(&ejected);

    let after = before.succeeded_by(before.settings().clone()).unwrap();
    let vitals = &after.endpoints()[0].vitals;
    assert!(vitals.is_ejected() && !vitals.is_healthy());
    drop(text(send(&pool_of(&pools, &after), get("/")).await.unwrap()).await);
    assert_eq!(peer.dials(), 1, "the connection was still there");
}

#[tokio::test(start_paused = true)]
async fn what_is_told_something_else_is_new() {
    let before = cluster(&Peer::echo(), |_| {});
    let other = Settings { connections: 7, ..before.settings().clone() };
    assert!(!Arc::ptr_eq(&before, &before.succeeded_by(other).unwrap()));
    let wrong = Settings { connections: 0, ..before.settings().clone() };
    let error = before.succeeded_by(wrong).unwrap_err().to_string();
    assert_eq!(error, "upstream: connections: at least 1 is expected");
}

#[tokio::test(start_paused = true)]
async fn a_pool_is_forgotten_with_its_cluster_but_not_by_who_sends() {
    let (peer, holding, pools) = (Peer::echo(), Holding::default(), Pools::new(1));
    let (kept, gone) = (cluster(&peer, |_| {}), cluster(&holding.peer(), |settings| settings.connections = 7));
    let [of_kept, of_gone]: [Pool; 2] = pools.of(&[kept, gone]).try_into().unwrap();
    drop(text(send(&of_kept, get("/")).await.unwrap()).await);
    let held = send(&of_gone, get("/")).await.unwrap();

    let after = pool_of(&pools, of_kept.cluster());
    drop(text(send(&after, get("/")).await.unwrap()).await);
    assert_eq!(peer.dials(), 1);
    let (kept, gone) = (of_kept.downgrade(), of_gone.downgrade());
    drop((of_kept, of_gone, after));
    holding.end_first().await;
    assert_eq!(text(held).await, "held");
    // Until somebody looks after what is idle.
    sleep(Duration::from_secs(10)).await;
    assert!(kept.upgrade().is_some() && gone.upgrade().is_none());
}
