//! Every case, one line each.

use std::sync::LazyLock;

use http::{Request, StatusCode};
use http_deadline::{Dialect, Dialects, Mode, Policy};
use tower::service_fn;
use tower::timeout::TimeoutLayer;
use tower_deadline::{
    AdmitLayer, DeadlineGuardLayer, DeadlineLayer, EnforceLayer, HopByHopLayer, PropagateLayer, RescueLayer,
    UpgradePolicy,
};
use tower_http::timeout::TimeoutLayer as HttpTimeoutLayer;
use tower_layer::Layer;

use crate::decisions::{admit, decode, encode, read, strip, value, write};
use crate::exchange::{exchange, standing, through};
use crate::frames::{frame, frame_through};
use crate::messages::{Body, LONG, asked, asking, carrying, many, of_type, ordinary, plain, typical};
use crate::services::{at_once, echo, late_frame, one_frame, pending_once};
use crate::{Case, Work, crowd, decisions, parts};

/// Names and what prepares them, as [`CASES`] and as `for_each_case`. The first token is a `$`.
macro_rules! cases {
    ($d:tt $($name:ident: $work:expr,)+) => {
        /// Every case.
        pub const CASES: &[Case] = &[$(Case { name: stringify!($name), prepare: prepare::$name }),+];

        mod prepare {
            use super::*;

            $(
                pub(super) fn $name() -> Work {
                    $work
                }
            )+
        }

        /// Calls a macro with the names of all cases.
        #[macro_export]
        macro_rules! for_each_case {
            ($d then:ident) => {
                $d then! { $($name)+ }
            };
        }
    };
}

cases! { $
    nothing: parts::nothing(),

    // The service beneath, and what else there is.
    bare_ready: exchange(service_fn(at_once), plain()),
    bare_pending: exchange(service_fn(pending_once), plain()),
    bare_ready_12: exchange(service_fn(at_once), ordinary()),
    tower_timeout_ready: through(&TimeoutLayer::new(LONG), service_fn(at_once), plain()),
    tower_timeout_pending: through(&TimeoutLayer::new(LONG), service_fn(pending_once), plain()),
    tower_http_timeout_ready: through(&http_timeout(), service_fn(at_once), plain()),
    tower_http_timeout_pending: through(&http_timeout(), service_fn(pending_once), plain()),

    // The paved path.
    deadline_ready: through(&deadline(), service_fn(at_once), asked()),
    deadline_pending: through(&deadline(), service_fn(pending_once), asked()),
    deadline_standing: standing(through(&deadline(), service_fn(pending_once), asked()), through(&deadline(), service_fn(pending_once), asked())),
    deadline_ready_12: through(&deadline(), service_fn(at_once), asking(Dialect::XRequestTimeout, "30s", ordinary())),
    deadline_pending_12: through(&deadline(), service_fn(pending_once), asking(Dialect::XRequestTimeout, "30s", ordinary())),
    deadline_grpc_ready: through(&deadline(), service_fn(at_once), asking(Dialect::GrpcTimeout, "30S", of_type("application/grpc"))),
    deadline_grpc_pending: through(&deadline(), service_fn(pending_once), asking(Dialect::GrpcTimeout, "30S", of_type("application/grpc"))),
    deadline_none_ready: through(&deadline(), service_fn(at_once), plain()),
    deadline_none_pending: through(&deadline(), service_fn(pending_once), plain()),
    deadline_default_ready: through(&deadline_by_default(), service_fn(at_once), plain()),
    deadline_default_pending: through(&deadline_by_default(), service_fn(pending_once), plain()),
    deadline_refused: through(&deadline(), service_fn(at_once), asking(Dialect::XRequestTimeout, "soon", plain())),
    deadline_expired: through(&deadline(), service_fn(at_once), asking(Dialect::XRequestTimeout, "0", plain())),
    deadline_observed: through(&DeadlineLayer::new(Policy::new().mode(Mode::Observe)), service_fn(at_once), asked()),
    deadline_stacked: through(&deadline(), deadline().layer(service_fn(at_once)), asked()),

    // Its three parts.
    admit_ready: through(&admitting(), service_fn(at_once), asked()),
    admit_none: through(&admitting(), service_fn(at_once), plain()),
    rescue_ready: through(&<RescueLayer>::new(), service_fn(at_once), plain()),
    enforce_ready: through(&EnforceLayer::new(), service_fn(at_once), carrying(plain())),
    enforce_pending: through(&EnforceLayer::new(), service_fn(pending_once), carrying(plain())),
    enforce_none: through(&EnforceLayer::new(), service_fn(at_once), plain()),
    guard_ready: through(&guarding(), service_fn(at_once), carrying(plain())),

    // Leaving.
    carrying_ready: exchange(service_fn(at_once), carrying(plain())),
    propagate_ready: through(&propagate(), service_fn(at_once), carrying(plain())),
    propagate_pending: through(&propagate(), service_fn(pending_once), carrying(plain())),
    propagate_none: through(&propagate(), service_fn(at_once), plain()),
    propagate_12: through(&propagate(), service_fn(at_once), carrying(ordinary())),
    propagate_grpc: through(&writing(Dialect::GrpcTimeout), service_fn(at_once), carrying(of_type("application/grpc"))),
    propagate_connect: through(&writing(Dialect::ConnectTimeout), service_fn(at_once), carrying(of_type("application/connect+json"))),
    propagate_envoy_expected: through(&writing(Dialect::EnvoyExpected), service_fn(at_once), carrying(plain())),
    propagate_envoy_upstream: through(&writing(Dialect::EnvoyUpstream), service_fn(at_once), carrying(plain())),
    propagate_absolute: through(&writing(Dialect::XRequestDeadline), service_fn(at_once), carrying(plain())),

    // A proxied request that waits for its upstream once, with the deadline and without: the difference is all that the
    // deadline costs it.
    relay_bare: exchange(service_fn(pending_once), relayed()),
    relay: exchange(deadline().layer(propagate().layer(service_fn(pending_once))), relayed()),

    // Hop by hop.
    hop_by_hop_12: through(&HopByHopLayer::new(UpgradePolicy::Strip), service_fn(at_once), ordinary()),
    bare_ready_typical: exchange(service_fn(at_once), typical()),
    hop_by_hop_typical: through(&HopByHopLayer::new(UpgradePolicy::Strip), service_fn(at_once), typical()),
    bare_ready_many: exchange(service_fn(at_once), many()),
    hop_by_hop_many: through(&HopByHopLayer::new(UpgradePolicy::Strip), service_fn(at_once), many()),

    // One frame of a body.
    frame_bare: frame(service_fn(one_frame), plain()),
    frame_enforced: frame_through(&EnforceLayer::new(), service_fn(one_frame), carrying(plain())),
    frame_enforced_late: frame_through(&EnforceLayer::new(), service_fn(late_frame), carrying(plain())),
    frame_answer: frame_through(&<RescueLayer>::new(), service_fn(one_frame), plain()),
    frame_watched: frame_through(&propagate(), service_fn(one_frame), carrying(plain())),
    frame_watched_late: frame_through(&propagate(), service_fn(late_frame), carrying(plain())),
    frame_deadline: frame_through(&deadline(), service_fn(one_frame), asked()),
    frame_echoed: frame_through(&EnforceLayer::new(), service_fn(echo), carrying(plain())),

    // What grows.
    policy_of_10: crowd::chosen(10),
    policy_of_100: crowd::chosen(100),
    policy_of_1000: crowd::chosen(1_000),
    policy_of_10000: crowd::chosen(10_000),
    deadline_of_10: crowd::called(10),
    deadline_of_10000: crowd::called(10_000),
    pending_amid_10: crowd::amid(10, waiting()),
    pending_amid_100: crowd::amid(100, waiting()),
    pending_amid_1000: crowd::amid(1_000, waiting()),
    pending_amid_10000: crowd::amid(10_000, waiting()),
    pending_amid_100000: crowd::amid(100_000, waiting()),

    // Without a request.
    ambient: parts::ambient(),
    scope_ready: parts::scope_ready(),
    scope_pending: parts::scope_pending(),
    task: parts::task(),
    spawn: parts::spawned(),
    detach: parts::detached(),

    // The price of the parts.
    clock: parts::clock(),
    sleep: parts::sleep(),
    first_extension: parts::first_extension(),
    absent_field: parts::absent_field(),
    journey: parts::journey(),

    // Fields and dialects.
    read_1: read(asked()),
    read_12: read(ordinary()),
    read_13: read(asking(Dialect::XRequestTimeout, "30s", ordinary())),
    strip_12: strip(ordinary()),
    write_12: write(ordinary()),
    decode_x_request_timeout: decode(Dialect::XRequestTimeout),
    decode_grpc: decode(Dialect::GrpcTimeout),
    decode_envoy: decode(Dialect::EnvoyExpected),
    decode_connect: decode(Dialect::ConnectTimeout),
    decode_absolute: decode(Dialect::XRequestDeadline),
    encode_x_request_timeout: encode(Dialect::XRequestTimeout),
    encode_grpc: encode(Dialect::GrpcTimeout),
    encode_envoy: encode(Dialect::EnvoyExpected),
    encode_connect: encode(Dialect::ConnectTimeout),
    encode_absolute: encode(Dialect::XRequestDeadline),
    value_x_request_timeout: value(Dialect::XRequestTimeout),

    // Decisions.
    admit_asked: admit(Policy::new().default_timeout(LONG), asked()),
    admit_default: admit(Policy::new().default_timeout(LONG), plain()),
    admit_nothing: admit(Policy::new(), plain()),
    remaining: decisions::remaining(),
}

fn http_timeout() -> HttpTimeoutLayer {
    HttpTimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, LONG)
}

// A service has one layer for all of its requests: what that looks up once is no cost of one of them.

/// Enforces what a client asks for, and has no default.
fn deadline() -> DeadlineLayer {
    static LAYER: LazyLock<DeadlineLayer> = LazyLock::new(|| DeadlineLayer::new(Policy::new()));
    LAYER.clone()
}

fn deadline_by_default() -> DeadlineLayer {
    static LAYER: LazyLock<DeadlineLayer> = LazyLock::new(|| DeadlineLayer::new(Policy::new().default_timeout(LONG)));
    LAYER.clone()
}

fn admitting() -> AdmitLayer {
    static LAYER: LazyLock<AdmitLayer> = LazyLock::new(|| AdmitLayer::new(Policy::new()));
    LAYER.clone()
}

fn propagate() -> PropagateLayer {
    static LAYER: LazyLock<PropagateLayer> = LazyLock::new(PropagateLayer::new);
    LAYER.clone()
}

/// Around a client.
fn guarding() -> DeadlineGuardLayer {
    DeadlineGuardLayer::outgoing()
}

/// What a browser asks of a proxy, which has put something of its own into the extensions by then.
fn relayed() -> Request<Body> {
    let mut request = asking(Dialect::XRequestTimeout, "30s", ordinary());
    request.extensions_mut().insert("of the proxy");
    request
}

/// A request that waits once.
fn waiting() -> Work {
    through(&deadline(), service_fn(pending_once), asked())
}

/// Writes this dialect and no other.
fn writing(dialect: Dialect) -> PropagateLayer {
    let silent = Dialect::ALL.into_iter().fold(Dialects::default(), Dialects::without_write);
    PropagateLayer::new().dialects(silent.with_write(dialect))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::answered;

    /// The status that the paved path answers with.
    fn status(layer: &DeadlineLayer, request: Request<Body>) -> StatusCode {
        let mut service = layer.layer(service_fn(at_once));
        answered(&mut service, request).unwrap().unwrap().status()
    }

    /// A case of something else than its name says would be measured all the same.
    #[test]
    fn requests_are_let_in_and_refused_as_their_cases_say() {
        assert_eq!(status(&deadline(), asked()), StatusCode::OK);
        assert_eq!(
            status(&deadline(), asking(Dialect::GrpcTimeout, "30S", of_type("application/grpc"))),
            StatusCode::OK
        );
        assert_eq!(status(&deadline(), asking(Dialect::XRequestTimeout, "soon", plain())), StatusCode::BAD_REQUEST);
        assert_eq!(status(&deadline(), asking(Dialect::XRequestTimeout, "0", plain())), StatusCode::GATEWAY_TIMEOUT);
        assert_eq!(status(&deadline_by_default(), plain()), StatusCode::OK);
    }

    #[test]
    fn each_dialect_is_written_alone() {
        let types = ["text/plain", "application/grpc", "application/connect+json"];
        for (dialect, media) in Dialect::ALL.into_iter().flat_map(|dialect| types.map(|media| (dialect, media))) {
            let echoed = service_fn(|request: Request<Body>| async move {
                Ok::<_, std::convert::Infallible>(
                    http::Response::builder().extension(request.headers().clone()).body(Body::default()).unwrap(),
                )
            });
            let mut service = writing(dialect).layer(echoed);
            let response = answered(&mut service, carrying(of_type(media))).unwrap().unwrap();
            let sent: &http::HeaderMap = response.extensions().get().unwrap();
            let carried = match dialect {
                Dialect::GrpcTimeout => media == "application/grpc",
                Dialect::ConnectTimeout => media == "application/connect+json",
                _ => true,
            };
            assert_eq!(sent.contains_key(dialect.as_str()), carried, "{dialect} {media}");
            assert!(sent.len() <= 2, "{sent:?}");
        }
    }
}
