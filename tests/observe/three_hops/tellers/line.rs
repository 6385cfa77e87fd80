//! The words of a line of the proxy, wherever it stands.

use serde_json::Value;

use crate::observe::three_hops::slow::Place;
use crate::observe::three_hops::told::{Told, Word};

/// What a line says under the keys of the access log. Who stopped a request is named where that was not the proxy, and so
/// is who had set the limit.
pub(super) fn words(teller: &'static str, line: &Value) -> Told {
    let word = |key: &str| line[key].as_str();
    let own = Some(Place::Proxy.name());
    let set_by_proxy = own.filter(|_| word("hop").is_none() && word("origin") != Some("header"));
    Told::by(teller)
        .word(Word::Hop, word("hop").or(own))
        .word(Word::Stage, word("stage"))
        .word(Word::Cause, word("cause"))
        .word(Word::Origin, word("origin"))
        .word(Word::OriginHop, word("origin_hop").or(set_by_proxy))
}
