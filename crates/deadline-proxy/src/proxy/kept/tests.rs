use super::super::{Settings, Tending};
use super::*;
use crate::limits::Limits;
use crate::route::{Host, Segment};
use crate::upstream::{HealthCheck, Pools, StandIn};
use std::time::Duration;
use tokio::time::sleep;
use tower_deadline::dialect::Call;

fn upstream(name: &str) -> upstream::Settings {
    upstream::Settings { name: name.to_owned(), ..upstream::Settings::new(["http://127.0.0.1:1".parse().unwrap()]) }
}

fn settings(upstreams: &[&str]) -> Settings {
    let upstreams = upstreams.iter().map(|name| upstream(name)).collect();
    Settings { upstreams, ..Settings::new(upstream("")) }
}

fn proxy(settings: &Settings) -> Proxy {
    Proxy::new(settings, &Limits::default()).unwrap()
}

fn next(proxy: &Proxy, settings: &Settings) -> Proxy {
    proxy.succeeded_by(settings, &Limits::default()).unwrap()
}

#[test]
fn an_upstream_of_which_nothing_has_changed_is_kept_wherever_it_stands() {
    let before = proxy(&settings(&["a", "b"]));
    let mut changed = settings(&["c", "b", "a"]);
    changed.upstreams[1].streams = 7;
    let after = next(&before, &changed);
    assert!(Arc::ptr_eq(&before.clusters[0], &after.clusters[2]));
    assert!(!Arc::ptr_eq(&before.clusters[1], &after.clusters[1]));
    assert_eq!(after.clusters[1].settings().streams, 7);
}

#[test]
fn a_retry_budget_is_kept_with_the_name_of_its_upstream_unless_it_is_another() {
    let before = proxy(&settings(&["a", "b"]));
    let mut changed = settings(&["b", "c"]);
    changed.upstreams[0].streams = 7;
    let after = next(&before, &changed);
    assert!(Arc::ptr_eq(&before.burdens[1], &after.burdens[0]));
    changed.retry_budget.ratio = 0.5;
    assert!(!Arc::ptr_eq(&after.burdens[0], &next(&after, &changed).burdens[0]));
}

/// How a request of this route is answered while another one is under way there.
fn another(proxy: &Proxy, route: usize) -> u16 {
    let entered = proxy.routes[route].in_flight.enter(|| Call::Http);
    entered.map_or_else(|answer| answer.status().as_u16(), |_| 200)
}

/// A request of the first route, until it is dropped.
fn under_way(proxy: &Proxy) -> impl Sized + use<> {
    proxy.routes[0].in_flight.enter(|| Call::Http).unwrap()
}

#[test]
fn who_is_under_way_counts_on_a_route_of_the_same_name_whatever_its_limit() {
    let mut wanted = settings(&["a"]);
    wanted.routes[0].in_flight = Some(1);
    let before = proxy(&wanted);
    let held = under_way(&before);
    let after = next(&before, &wanted);
    assert_eq!(another(&after, 0), 503);
    wanted.routes[0].in_flight = Some(2);
    assert_eq!(another(&next(&after, &wanted), 0), 200);
    wanted.routes[0].in_flight = Some(1);
    wanted.routes[0].name = "other".to_owned();
    assert_eq!(another(&next(&after, &wanted), 0), 200);
    drop(held);
    assert_eq!(another(&after, 0), 200);
}

/// Who writes another route before it moves it to the next place, and its number with it.
#[test]
fn who_is_under_way_counts_on_a_route_without_a_name_where_it_matches_the_same() {
    let route = |place: usize, path: &str| {
        let mut route = settings(&["a"]).routes.remove(0);
        (route.name, route.named, route.in_flight) = (format!("route {place}"), Named::ByPlace, Some(1));
        route.matches.path.segments.push(Segment::Fixed(path.to_owned()));
        route
    };
    let mut wanted = settings(&["a"]);
    wanted.routes = vec![route(1, "shop")];
    let before = proxy(&wanted);
    let _held = under_way(&before);
    wanted.routes = vec![route(1, "news"), route(2, "shop")];
    let after = next(&before, &wanted);
    assert_eq!((another(&after, 0), another(&after, 1)), (200, 503));
}

/// One route of a file is several, of one name, where each of its hosts has an upstream of its own.
#[test]
fn who_is_under_way_counts_on_for_each_host_of_a_route_that_is_made_for_each() {
    let route = |host: &str| {
        let mut route = settings(&["a"]).routes.remove(0);
        route.in_flight = Some(1);
        route.matches.hosts.push(Host::Exact(host.to_owned()));
        route
    };
    let mut wanted = settings(&["a"]);
    wanted.routes = vec![route("a.example")];
    let before = proxy(&wanted);
    let _held = under_way(&before);
    wanted.routes = vec![route("b.example"), route("a.example")];
    let after = next(&before, &wanted);
    for proxy in [&after, &next(&after, &wanted)] {
        assert_eq!((another(proxy, 0), another(proxy, 1)), (200, 503));
    }
    // The name alone tells which it is where there is one before and after.
    wanted.routes = vec![route("c.example")];
    assert_eq!(another(&next(&before, &wanted), 0), 503);
}

#[tokio::test]
async fn tunnels_of_all_generations_are_closed_together() {
    let before = proxy(&settings(&["a"]));
    let after = next(&next(&before, &settings(&["b"])), &settings(&["a"]));
    after.close_tunnels(Duration::from_secs(10)).await;
    tokio::time::timeout(Duration::from_secs(10), before.tunnels.closed()).await.unwrap();
}

#[test]
fn what_cannot_be_is_told_and_the_next_goes_on_from_what_was() {
    let before = proxy(&settings(&["a", "b"]));
    let mut wrong = settings(&["a", "b"]);
    wrong.upstreams[0].streams = 7;
    wrong.upstreams[1].connections = 0;
    let error = before.succeeded_by(&wrong, &Limits::default()).unwrap_err().to_string();
    assert_eq!(error, "b: connections: at least 1 is expected");
    assert!(Arc::ptr_eq(&before.clusters[0], &next(&before, &settings(&["a", "b"])).clusters[0]));
}

#[tokio::test]
async fn the_pools_of_a_worker_are_those_of_its_latest_service() {
    let (before, pools) = (proxy(&settings(&["b", "a"])), Pools::new(1));
    let old = before.service(&pools);
    let after = next(&before, &settings(&["b", "c"]));
    let service = after.service(&pools);
    drop(before);
    let count = |cluster: &Arc<Cluster>| Arc::strong_count(cluster);
    // `b` has one pool, which both services have: it and the generation know the cluster.
    assert_eq!(after.clusters.iter().map(count).collect::<Vec<_>>(), [2, 2]);
    drop((old, service));
    assert_eq!(after.clusters.iter().map(count).collect::<Vec<_>>(), [2, 2]);
    drop(pools);
    assert_eq!(after.clusters.iter().map(count).collect::<Vec<_>>(), [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_is_tended_without_a_break_and_what_is_gone_no_more() {
    let (stand_in, mut dialled) = StandIn::new();
    let mut asked = settings(&["a"]);
    asked.upstreams[0].health = Some(HealthCheck { every: Duration::from_secs(5), ..HealthCheck::default() });
    let first = Proxy::rehearsed(&asked, &Limits::default(), &stand_in).unwrap();
    let mut tending = Tending::default();
    let mut asked_by_now = async || {
        sleep(Duration::from_millis(1)).await;
        std::iter::from_fn(|| dialled.try_recv().ok()).count()
    };
    tending.follow(&first);
    assert_eq!(asked_by_now().await, 1);
    sleep(Duration::from_secs(3)).await;
    let second = next(&first, &asked);
    tending.follow(&second);
    assert_eq!(asked_by_now().await, 0, "it is not asked anew");
    sleep(Duration::from_secs(2)).await;
    assert_eq!(asked_by_now().await, 1, "but when its time has come");
    tending.follow(&next(&second, &settings(&["b"])));
    sleep(Duration::from_secs(20)).await;
    assert_eq!(asked_by_now().await, 0);
}

#[tokio::test]
async fn what_is_gone_is_counted_no_more() {
    let counted = |generations: &[&[&str]]| {
        let told = crate::count::told(|| {
            let (mut tending, mut before) = (Tending::default(), proxy(&settings(generations[0])));
            for generation in generations {
                before = next(&before, &settings(generation));
                tending.follow(&before);
            }
        });
        let name = "deadline_proxy_endpoints{upstream=\"";
        let well = told.lines().filter(|line| line.contains("state=\"well\""));
        let mut counts: Vec<_> = well.filter_map(|line| line.strip_prefix(name).map(str::to_owned)).collect();
        counts.sort();
        counts
    };
    let well = |name: &str, number: u32| format!("{name}\",state=\"well\"}} {number}");
    assert_eq!(counted(&[&["a", "b"]]), [well("a", 1), well("b", 1)]);
    assert_eq!(counted(&[&["a", "b"], &["b"]]), [well("a", 0), well("b", 1)]);
}
