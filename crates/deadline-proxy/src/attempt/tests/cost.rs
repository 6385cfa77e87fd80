//! What it costs that a request can be sent again.

use super::*;
use allocation_counter::measure;

/// Something that a layer further out has left.
#[derive(Clone)]
struct Left<const N: usize>(#[expect(dead_code, reason = "it takes room")] [u8; 24]);

/// A request as it comes from a browser through all layers.
fn dressed(method: &str) -> Request<Full<Bytes>> {
    let mut request = within(request(method, ""), 1000 * MS, Duration::ZERO);
    request.extensions_mut().insert(Left::<0>([0; 24]));
    request.extensions_mut().insert(Left::<1>([0; 24]));
    request.extensions_mut().insert(Left::<2>([0; 24]));
    request.extensions_mut().insert(Left::<3>([0; 24]));
    for name in ["host", "accept", "user-agent", "accept-encoding", "accept-language", "x-request-id", "via"] {
        request.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static("value"));
    }
    request
}

/// How often and how much is allocated for a request that one upstream answers.
fn cost(method: &str) -> (u64, u64) {
    let burdens = [Arc::new(Burden::new("corp", Budget::default()).unwrap())];
    let plan = Plan::new(&Settings::once(0), &burdens, "edge").unwrap();
    let mut attempts = Attempts::new(&plan, |_| {
        service_fn(|request: Request<Replay<Full<Bytes>>>| {
            drop(request);
            std::future::ready(Ok::<_, PropagateError>(Response::new(Full::<Bytes>::default())))
        })
    });
    drop(attempts.call(dressed(method)));
    let request = dressed(method);
    let counted = measure(|| {
        let answer = futures_util::FutureExt::now_or_never(attempts.call(request));
        assert!(answer.unwrap().is_ok());
    });
    (counted.count_total, counted.bytes_total)
}

#[test]
fn a_get_costs_little_more_than_a_post() {
    let ((get, bytes), (post, fewer)) = (cost("GET"), cost("POST"));
    println!("GET {get} {bytes}, POST {post} {fewer}");
    assert!(get - post <= 4, "{get} allocations, and {post}");
}
