//! What a client may take of the proxy: memory, connections, patience.
//!
//! Covers how many fields, bytes, streams, connections and requests there may be, and how slow heads and bodies may
//! come. Each refusal is a proper answer where one can still be given, and is counted. Does not cover the time that a
//! request may take: that is its deadline.
//!
//! | limit | kept by | who is over it sees |
//! |---|---|---|
//! | `head_count`, `head_bytes` | hyper; [`HeadCount`] for HTTP/2 | 431 |
//! | `head_limit` | [`TimedStream`]; over HTTP/2 whoever serves it, after the first request | a closed connection |
//! | `started_head_limit` | [`TimedStream`] | 408 and a closed connection |
//! | `body_rate` | [`BodyRate`] | 408 and a closed connection; an abort after the head |
//! | `connections` | [`ConnectionSlots`] | 503 and a closed connection; beyond a reserve, only the latter |
//! | `streams` | hyper | `REFUSED_STREAM` |
//! | `in_flight` | [`InFlight`] | 503 with `Retry-After`, or gRPC's code 8 |
//! | `write_stall` | [`TimedStream`] | a closed connection |

mod answered;
mod body_rate;
mod builder;
mod error;
mod head_count;
mod held;
mod in_flight;
mod refuse;
mod room;
mod settings;
mod slots;
mod tally;
mod tally_route;
mod timed;

pub use self::answered::Answered;
pub(crate) use self::body_rate::Verdict;
pub use self::body_rate::{BodyRate, RateBody, TooSlow};
pub use self::builder::{ExtendedConnect, Limits};
pub use self::error::Error;
pub use self::head_count::HeadCount;
pub use self::held::Held;
pub use self::in_flight::InFlight;
pub use self::refuse::{no_room, refuse};
pub use self::room::Place;
pub(crate) use self::room::Room;
pub use self::settings::{Rate, Settings};
pub use self::slots::{ConnectionSlots, Entry, Slot};
pub(crate) use self::tally::Tallied;
pub use self::tally::TallyLayer;
pub(crate) use self::tally_route::{RouteTallied, RouteTally};
pub use self::timed::{Doing, Hangup, Timed, TimedBody, TimedFuture, TimedService, TimedStream, Under, Version};

#[cfg(test)]
mod tests {
    use super::*;
    use deadline_testkit::{Contract, ScriptedBody, Step};
    use http::Request;
    use tokio::io::empty;
    use tower::Layer;

    fn request() -> Request<ScriptedBody> {
        Request::new(ScriptedBody::new([Step::Data("a")]))
    }

    #[tokio::test]
    async fn every_layer_keeps_to_the_contract_of_tower() {
        let (_, timed) = Timed::on(empty(), &Limits::default());
        Contract::of(|inner| timed.layer(inner), request).assert_all();
    }
}
