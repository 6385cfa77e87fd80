//! The answer: the field `Deadline-Exceeded`, and the problem document.

use http_deadline::dialect::trail::{DEADLINE_EXCEEDED, Trail};
use serde_json::Value;

use crate::observe::three_hops::run::Run;
use crate::observe::three_hops::slow::Place;
use crate::observe::three_hops::told::{Time, Told, Word};

pub(in super::super) fn field(run: &Run) -> Told {
    let field = run.head.headers.get(&DEADLINE_EXCEEDED);
    let trail = field.and_then(|field| Trail::parse(field.as_bytes()));
    let trail = trail.as_ref();
    Told::by("`Deadline-Exceeded`")
        .word(Word::Hop, trail.and_then(Trail::hop))
        .word(Word::Stage, trail.map(|trail| trail.stage().as_str()))
        .word(Word::Cause, trail.map(|trail| trail.cause().as_str()))
        .word(Word::Origin, trail.map(|trail| trail.origin().as_str()))
        .word(Word::OriginHop, trail.and_then(Trail::set_by))
}

pub(in super::super) fn document(run: &Run) -> Told {
    let document: Value = serde_json::from_str(&run.body).unwrap_or_default();
    let word = |key: &str| document[key].as_str();
    let told = Told::by("problem document")
        .word(Word::Hop, word("hop"))
        .word(Word::Stage, word("stage"))
        .word(Word::Cause, word("cause"));
    let told = if is_known(run) { told.word(Word::Origin, word("origin")) } else { told };
    told.time(Time::Took(maker(run)), document["elapsed_ms"].as_f64().or(Some(0.0)))
}

/// Who has written the document: payments tells orders, whose answer the proxy passes on as it is.
fn maker(run: &Run) -> Place {
    run.hop().min(Place::Orders)
}

/// Whether the limit was set where the document was written, or is told there as what it is.
fn is_known(run: &Run) -> bool {
    run.limit.hop().is_none_or(|setter| setter >= maker(run))
}
