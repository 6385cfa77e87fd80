//! What each hop has counted: the innermost that counts a stop is the one that stopped the request.

use std::collections::BTreeMap;

use crate::observe::three_hops::chain::Chain;
use crate::observe::three_hops::run::Run;
use crate::observe::three_hops::slow::Place;
use crate::observe::three_hops::told::{Told, Word};
use crate::support::curl;

/// The series of each hop, and what they were at.
pub(in super::super) type Series = BTreeMap<(Place, String), f64>;

/// What everybody has counted up to now.
pub(in super::super) async fn now(chain: &Chain) -> Series {
    let mut series = Series::new();
    for place in Place::ALL {
        let counted = match chain.service(place) {
            Some(hop) => hop.counts.all(),
            None => exported(&curl(&[&format!("http://{}/metrics", chain.proxy.admin)]).await.text()),
        };
        series.extend(counted.into_iter().map(|(name, count)| ((place, name), count)));
    }
    series
}

/// As the recorder of the services has it: `name{label=value,…}`.
fn exported(text: &str) -> BTreeMap<String, f64> {
    let series = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let (name, value) = line.rsplit_once(' ')?;
        Some((name.replace('"', ""), value.parse().ok()?))
    });
    series.collect()
}

pub(in super::super) async fn told(chain: &Chain, run: &Run, before: &Series) -> Told {
    let now = now(chain).await;
    let stop = Place::ALL.into_iter().rev().find_map(|place| {
        let counted = grown(&now, before, place, "deadline_exceeded_total{");
        assert!(counted.len() < 2, "{run}: {place:?} counted it more than once: {counted:?}");
        counted.into_iter().next().map(|labels| (place, labels))
    });
    let Some((place, labels)) = stop else { return Told::by("counts").word(Word::Hop, None::<&str>) };
    let (origin, origin_hop) = origin(&now, before, place);
    let label = |name: &str| labels.iter().find(|(label, _)| label == name).map(|(_, value)| value.as_str());
    Told::by("counts")
        .word(Word::Hop, Some(place.name()))
        .word(Word::Stage, label("stage"))
        .word(Word::Cause, label("cause"))
        .word(Word::Origin, Some(origin))
        .word(Word::OriginHop, origin_hop.map(Place::name))
}

type Labels = Vec<(String, String)>;

/// The labels of the series of this name that have grown at this hop.
fn grown(now: &Series, before: &Series, place: Place, name: &str) -> Vec<Labels> {
    let grown = now.iter().filter(|(series, count)| {
        series.0 == place && series.1.starts_with(name) && before.get(series).copied().unwrap_or_default() < **count
    });
    grown.map(|((_, series), _)| labels(series)).collect()
}

fn labels(series: &str) -> Labels {
    let labels = series.split_once('{').map_or("", |(_, labels)| labels.trim_end_matches('}'));
    labels
        .split(',')
        .filter_map(|label| label.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Who set the limit: going back from who stopped it, the first that counts a limit that it did not get from a field. All
/// of them count the same stop, each as it knows it.
fn origin(now: &Series, before: &Series, stopped: Place) -> (String, Option<Place>) {
    for place in Place::ALL.into_iter().rev().filter(|place| *place <= stopped) {
        let counted = grown(now, before, place, "deadline_exceeded_total{");
        let origin = counted.first().and_then(|labels| labels.iter().find(|(name, _)| name == "origin"));
        if let Some((_, origin)) = origin.filter(|(_, origin)| origin != "header") {
            return (origin.clone(), Some(place));
        }
    }
    ("header".to_owned(), None)
}
