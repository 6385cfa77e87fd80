//! Memory comes back, and a request costs the same however many there are.
//!
//! A test target of its own: the counter replaces the allocator. It counts for one thread, so each runtime here
//! has one. Bytes are counted, never time: the clock is paused. The figures are shown by
//! `cargo test -p tower-deadline --test memory -- --nocapture`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::convert::Infallible;
use std::time::Duration;

use allocation_counter::{AllocationInfo, measure};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_deadline::{DeadlineLayer, Policy, WatchedBody, spawn};

const MS: Duration = Duration::from_millis(1);
const BUDGET: Duration = Duration::from_millis(300);
const REQUESTS: usize = 1_000;

/// What a request may allocate all in all, its task, its child and its timers included.
const MOST_BYTES: u64 = 6 * 1024;

type Arriving = Request<Full<Bytes>>;
type Incoming = Request<WatchedBody<Full<Bytes>>>;
type Outcome = Result<Response<Full<Bytes>>, Infallible>;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

fn request() -> Arriving {
    let request = Request::get("/").header("x-request-timeout", "300ms");
    request.body(Full::default()).unwrap()
}

/// Takes so long, beside a child that would go on for ever, and answers.
async fn handle(takes: Duration) -> Outcome {
    drop(spawn(std::future::pending::<()>()));
    sleep(takes).await;
    Ok(Response::new(Full::from("in time")))
}

/// Our layer around a handler that takes so long.
fn service(
    takes: Duration,
) -> impl Service<Arriving, Response = impl Answer, Error = Infallible, Future: Send> + Shared {
    let layer = DeadlineLayer::new(Policy::new().default_timeout(BUDGET));
    layer.layer(service_fn(move |_: Incoming| handle(takes)))
}

trait Shared: Clone + Send + 'static {}

impl<T: Clone + Send + 'static> Shared for T {}

/// A response that can be read.
trait Answer: Send {
    fn read(self) -> impl Future<Output = bool> + Send;
}

impl<B: http_body::Body<Data: Send, Error: Send> + Send> Answer for Response<B> {
    /// Whether it was in time.
    async fn read(self) -> bool {
        let in_time = self.status().is_success();
        in_time & self.into_body().collect().await.is_ok()
    }
}

/// So many requests at once, and the wait until the last of their tasks is gone: how many were in time.
async fn wave<S>(service: &S, tasks: &mut Vec<JoinHandle<bool>>, at_once: usize) -> usize
where
    S: Service<Arriving, Response: Answer, Error = Infallible, Future: Send> + Shared,
{
    for _ in 0..at_once {
        let calling = service.clone().oneshot(request());
        tasks.push(tokio::spawn(async { calling.await.unwrap().read().await }));
    }
    let mut in_time = 0;
    for task in tasks.drain(..) {
        in_time += usize::from(task.await.unwrap());
    }
    // The clock moves only when every task is idle: the children are gone then.
    sleep(MS).await;
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
    in_time
}

/// What so many requests allocate, so many of them at once, and how many were in time. The runtime is warm: what
/// it keeps for itself does not count.
fn allocated(requests: usize, at_once: usize, takes: Duration) -> (AllocationInfo, usize) {
    let (runtime, service, mut tasks) = (runtime(), service(takes), Vec::with_capacity(at_once));
    let mut wave = || runtime.block_on(wave(&service, &mut tasks, at_once));
    for _ in 0..3 {
        wave();
    }
    let mut in_time = 0;
    let allocated = measure(|| {
        for _ in 0..requests / at_once {
            in_time += wave();
        }
    });
    (allocated, in_time)
}

#[test]
fn a_request_allocates_the_same_at_ten_times_the_concurrency() {
    let cost = |at_once| {
        let (allocated, in_time) = allocated(REQUESTS, at_once, 10 * MS);
        assert_eq!(in_time, REQUESTS);
        let per_request = allocated.bytes_total / REQUESTS as u64;
        println!("{at_once} at once: {per_request} bytes a request, {} at most at a time", allocated.bytes_max);
        assert_eq!((allocated.bytes_current, allocated.count_current), (0, 0), "{at_once} at once");
        allocated
    };
    let (few, many) = (cost(10), cost(100));
    assert_eq!((few.bytes_total, few.count_total), (many.bytes_total, many.count_total));
    assert_eq!(10 * few.bytes_max, many.bytes_max, "at a time, and ten times as many");
    assert!(many.bytes_total / REQUESTS as u64 <= MOST_BYTES);
}

/// A hundred tasks, each of which waits for a request that is late, with a child of its own.
#[test]
fn a_hundred_tasks_on_expired_requests_give_their_memory_back() {
    let (allocated, in_time) = allocated(100, 100, 10 * BUDGET);
    println!("100 expired at once: {allocated:?}");
    assert_eq!(in_time, 0, "all of them are late");
    assert!(allocated.bytes_max > 100 * 1024, "they did wait");
    assert_eq!((allocated.bytes_current, allocated.count_current), (0, 0));
}
