//! The table against the obvious way to look a route up: look at all of them.

use std::cmp::Reverse;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::super::{FieldMatch, Host, Matches, Miss, PathMatch, Route, Segment, Table};
use crate::attempt;

const HOSTS: [&str; 6] = ["a", "b.a", "c.b.a", "d.b.a", "b", "a.b"];
const SEGMENTS: [&str; 5] = ["", "x", "y", "x/y", "é"];
const METHODS: [Method; 3] = [Method::GET, Method::POST, Method::PUT];
static FIELDS: [HeaderName; 2] = [HeaderName::from_static("x-a"), HeaderName::from_static("x-b")];

/// What is asked, before it is written as a request.
#[derive(Clone, Debug)]
struct Asked {
    host: &'static str,
    /// None: `*`.
    segments: Vec<&'static str>,
    method: Method,
    headers: HeaderMap,
}

/// The place of the best of all that match.
fn model(routes: &[Matches], asked: &Asked) -> Option<usize> {
    let best = routes.iter().enumerate().filter_map(|(at, route)| {
        let host = host_rank(route, asked.host)?;
        let path = path_rank(&route.path, &asked.segments)?;
        let takes = (route.methods.is_empty() || route.methods.contains(&asked.method))
            && route.fields.iter().all(|(name, field)| field.matches(name, &asked.headers));
        let rank = (host, path, route.methods.is_empty(), Reverse(route.fields.len()), at);
        takes.then_some((rank, at))
    });
    best.min().map(|(_, at)| at)
}

/// Lower is better.
fn host_rank(route: &Matches, host: &str) -> Option<(u8, Reverse<usize>)> {
    let rank = |one: &Host| match one {
        Host::Exact(_) => (0, Reverse(0)),
        Host::Under(above) => (1, Reverse(above.len())),
    };
    let best = route.hosts.iter().filter(|one| one.matches(host)).map(rank).min();
    if route.hosts.is_empty() { Some((2, Reverse(0))) } else { best }
}

/// Lower is better, from the left: fixed, any, the end of a prefix.
fn path_rank(path: &PathMatch, asked: &[&str]) -> Option<Vec<u8>> {
    let rank = |(segment, asked): (&Segment, &&str)| match segment {
        Segment::Fixed(text) => (text == asked).then_some(0),
        Segment::Any(_) => (!asked.is_empty()).then_some(1),
    };
    let is_as_long =
        if path.is_prefix { path.segments.len() <= asked.len() } else { path.segments.len() == asked.len() };
    let ranks: Option<Vec<u8>> = path.segments.iter().zip(asked).map(rank).collect();
    let end = path.is_prefix.then_some(2);
    ranks.filter(|_| is_as_long).map(|ranks| ranks.into_iter().chain(end).collect())
}

fn matches() -> impl Strategy<Value = Matches> {
    let host = (select(&HOSTS[..]), any::<bool>())
        .prop_map(|(host, exact)| if exact { Host::Exact(host.to_owned()) } else { Host::Under(host.to_owned()) });
    let segment = prop_oneof![
        3 => select(&SEGMENTS[..]).prop_map(|text| Segment::Fixed(text.to_owned())),
        1 => Just(Segment::Any("id".to_owned())),
    ];
    let value = prop_oneof![
        select(&["1", "2"][..]).prop_map(|value| FieldMatch::Is(HeaderValue::from_static(value))),
        Just(FieldMatch::Present),
        Just(FieldMatch::Absent),
    ];
    let path = (vec(segment, 0..4), any::<bool>()).prop_map(|(segments, is_prefix)| PathMatch { segments, is_prefix });
    let methods = prop_oneof![2 => Just(Vec::new()), 1 => vec(select(&METHODS[..]), 1..3)];
    let fields = prop_oneof![2 => Just(Vec::new()), 1 => vec((select(&FIELDS[..]), value), 1..3)];
    (vec(host, 0..3), path, methods, fields).prop_map(|(hosts, path, methods, fields)| Matches {
        hosts,
        path,
        methods,
        fields,
    })
}

fn asked() -> impl Strategy<Value = Asked> {
    let field = (select(&FIELDS[..]), select(&["1", "2"][..]).prop_map(HeaderValue::from_static));
    let headers = vec(field, 0..3).prop_map(|fields| {
        fields.into_iter().fold(HeaderMap::new(), |mut headers, (name, value)| {
            headers.append(name, value);
            headers
        })
    });
    (select(&HOSTS[..]), vec(select(&SEGMENTS[..]), 0..5), select(&METHODS[..]), headers)
        .prop_map(|(host, segments, method, headers)| Asked { host, segments, method, headers })
}

impl Asked {
    /// In one of the ways in which it can be written.
    fn written(&self, is_encoded: bool, is_absolute: bool) -> Request<()> {
        let encode = |segment: &&str| {
            let needed = is_encoded || segment.contains('/');
            if needed { utf8_percent_encode(segment, NON_ALPHANUMERIC).to_string() } else { (*segment).to_owned() }
        };
        let path: String = self.segments.iter().map(|segment| format!("/{}", encode(segment))).collect();
        let host = if is_encoded { format!("{}.:80", self.host.to_uppercase()) } else { self.host.to_owned() };
        let uri = match self.segments.is_empty() {
            true => "*".to_owned(),
            false if is_absolute => format!("http://{host}{path}?q=/x"),
            false => path,
        };
        let mut request = Request::builder().method(&self.method).uri(uri).header("host", &host).body(()).unwrap();
        request.headers_mut().extend(self.headers.clone());
        request
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn the_table_finds_what_a_look_at_all_routes_finds(
        all in vec(matches(), 0..12), asked in vec(asked(), 1..6), is_encoded: bool, is_absolute: bool,
    ) {
        let route = |matches: &Matches| {
            let mut route = Route::new("a", attempt::Settings::once(0));
            route.matches = matches.clone();
            route
        };
        let table = Table::new(&all.iter().map(route).collect::<Vec<_>>());
        for asked in asked {
            let found = table.find(&asked.written(is_encoded, is_absolute));
            prop_assert_eq!(found, model(&all, &asked).ok_or(Miss::NoRoute), "{:?}", asked);
        }
    }
}
