//! What the tests of the parts share, and those of the table as a whole.

mod model;
mod precedence;
mod speed;

use http::{HeaderName, HeaderValue, Method, Request};
use tower_deadline::Policy;

use super::{FieldMatch, PathMatch, Route};
use crate::attempt;
pub(super) use crate::explain::listen as explained;

/// A route as it is written here, blank by blank: `@HOST,HOST`, `/PATH` or `/PREFIX/*`, `METHOD,METHOD`, and fields:
/// `x-is=1`, `x-present`, `!x-absent`. Its name is what is written.
pub(crate) fn route(text: &str) -> Route {
    let mut route = Route::new(text, attempt::Settings::once(0));
    route.policy = Policy::new().named(&format!("policy of {text}"));
    let matches = &mut route.matches;
    for word in text.split(' ') {
        match word.split_at(1) {
            ("@", hosts) => matches.hosts = hosts.split(',').map(|host| host.parse().unwrap()).collect(),
            ("/", _) => {
                let prefix = word.strip_suffix('*');
                matches.path = prefix.map_or_else(|| PathMatch::pattern(word), PathMatch::prefix).unwrap();
            }
            ("!", name) => matches.fields.push((name.parse().unwrap(), FieldMatch::Absent)),
            _ if word.starts_with("x-") => matches.fields.push(field(word)),
            _ => matches.methods = word.split(',').map(|method| method.parse().unwrap()).collect(),
        }
    }
    route
}

pub(super) fn routes(texts: &[&str]) -> Vec<Route> {
    texts.iter().map(|text| route(text)).collect()
}

fn field(word: &str) -> (HeaderName, FieldMatch) {
    match word.split_once('=') {
        Some((name, value)) => (name.parse().unwrap(), FieldMatch::Is(value.parse().unwrap())),
        None => (word.parse().unwrap(), FieldMatch::Present),
    }
}

/// A request as it is written here, blank by blank: method, target, fields as `x-a=1`.
pub(super) fn request(text: &str) -> Request<()> {
    let mut words = text.split(' ');
    let method: Method = words.next().unwrap().parse().unwrap();
    let mut request = Request::builder().method(method).uri(words.next().unwrap()).body(()).unwrap();
    for (name, value) in words.map(|word| word.split_once('=').unwrap()) {
        request
            .headers_mut()
            .append(HeaderName::try_from(name).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    request
}
