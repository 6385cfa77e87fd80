//! Arriving: every deadline field of a request, folded into what the client asked for.

use std::time::{Duration, SystemTime};

use http::HeaderMap;

use super::call::{Seen, each_line};
use super::set::Field;
use super::{Call, Dialect, Dialects, Malformed, request_start};

/// What the headers of a request ask for.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    strictest: Option<(Duration, Dialect)>,
    queued: Duration,
    /// Boxed: hardly ever there, and moved with each request.
    malformed: Option<Box<Garbled>>,
    seen: Seen,
}

/// What was malformed.
#[derive(Clone, Debug)]
struct Garbled {
    first: Malformed,
    /// How many elements, in the order of [`Dialect::ALL`].
    elements: [u32; Dialect::ALL.len()],
}

impl Asked {
    /// The strictest valid timeout, and the dialect that wrote it (R6).
    #[must_use]
    pub fn strictest(&self) -> Option<(Duration, Dialect)> {
        self.strictest
    }

    /// How long the request has queued before it arrived, by the word of a trusted front (R8).
    #[must_use]
    pub fn queued(&self) -> Duration {
        self.queued
    }

    /// The first malformed element, if there was one (R5).
    #[must_use]
    pub fn malformed(&self) -> Option<&Malformed> {
        self.malformed.as_deref().map(|garbled| &garbled.first)
    }

    /// How many elements were malformed, by dialect; of a dialect without any, nothing is told (R5).
    pub fn malformed_elements(&self) -> impl Iterator<Item = (Dialect, u32)> + '_ {
        let counts = self.malformed.as_deref().map(|garbled| Dialect::ALL.into_iter().zip(garbled.elements));
        counts.into_iter().flatten().filter(|(_, count)| *count > 0)
    }

    /// What kind of call the request is: the same as [`Call::of`], without looking at the fields again.
    #[must_use]
    pub fn call(&self) -> Call {
        self.seen.call()
    }

    fn fold(&mut self, dialect: Dialect, decoded: Result<Option<Duration>, Malformed>) {
        match decoded {
            Ok(Some(timeout)) => {
                if self.strictest.is_none_or(|(strictest, _)| timeout < strictest) {
                    self.strictest = Some((timeout, dialect));
                }
            }
            Ok(None) => {}
            Err(malformed) => {
                let elements = [0; Dialect::ALL.len()];
                let garbled = self.malformed.get_or_insert_with(|| Box::new(Garbled { first: malformed, elements }));
                // The order of `ALL` is that of the variants.
                let count = &mut garbled.elements[dialect as usize];
                *count = count.saturating_add(1);
            }
        }
    }
}

impl Dialects {
    /// Reads every field of the dialects in one pass.
    ///
    /// Several fields, several elements and several dialects give the strictest (R6). A malformed element is
    /// kept for the policy to decide on and takes no part otherwise (R5). Nothing is allocated unless an
    /// element is malformed.
    ///
    /// ```
    /// use http::HeaderMap;
    /// use http_deadline::{Dialect, Dialects};
    /// use std::time::{Duration, UNIX_EPOCH};
    ///
    /// let mut headers = HeaderMap::new();
    /// headers.insert("x-request-timeout", "500ms".parse()?);
    /// headers.insert("grpc-timeout", "300m".parse()?);
    /// let asked = Dialects::default().read(&headers, UNIX_EPOCH);
    /// assert_eq!(asked.strictest(), Some((Duration::from_millis(300), Dialect::GrpcTimeout)));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn read(&self, headers: &HeaderMap, wall: SystemTime) -> Asked {
        let mut asked = Asked::default();
        for (at, name) in headers.keys().enumerate() {
            if let Some(field) = self.recognise(name) {
                each_line(headers, name, at, |line| self.read_field(field, line, wall, &mut asked));
            }
        }
        asked
    }

    fn read_field(&self, field: Field, value: &[u8], wall: SystemTime, asked: &mut Asked) {
        match field {
            Field::Kind(kind) => asked.seen.see(kind, value),
            Field::RequestStart if self.believes_request_start() => {
                let queued = request_start::queued(value, wall).unwrap_or_default();
                asked.queued = asked.queued.max(queued);
            }
            // Something on the way may have joined two fields into a list.
            Field::Timeout(dialect @ Dialect::XRequestTimeout) if self.reads(dialect) && value.contains(&b',') => {
                for element in elements(value) {
                    asked.fold(dialect, self.decode(dialect, element, wall));
                }
            }
            Field::Timeout(dialect) if self.reads(dialect) => {
                asked.fold(dialect, self.decode(dialect, value, wall));
            }
            _ => {}
        }
    }
}

/// The elements of a list. Empty ones are passed over, after RFC 9110 §5.6.1.2, but for the one of a field that has
/// nothing else: that is a value, and a malformed one.
fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_empty = |element: &&[u8]| element.trim_ascii().is_empty();
    let all = value.split(|byte| *byte == b',');
    let nothing = all.clone().all(|element| is_empty(&element));
    all.filter(move |element| !is_empty(element)).chain(nothing.then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use std::time::UNIX_EPOCH;

    fn asked(dialects: &Dialects, fields: &[(&'static str, &'static str)]) -> Asked {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        dialects.read(&headers, UNIX_EPOCH + Duration::from_millis(1_700_000_000_500))
    }

    #[test]
    fn one_malformed_element_is_kept_beside_the_valid_ones() {
        let asked = asked(&Dialects::default(), &[("x-request-timeout", "abc, 300ms"), ("grpc-timeout", "5")]);
        assert_eq!(asked.strictest(), Some((Duration::from_millis(300), Dialect::XRequestTimeout)));
        assert_eq!(asked.malformed().map(Malformed::dialect), Some(Dialect::XRequestTimeout));
    }

    #[test]
    fn empty_elements_of_a_list_are_passed_over_and_an_empty_list_is_malformed() {
        let dialects = Dialects::default();
        for list in ["300ms,", ", 300ms ,,\t, 1s"] {
            let asked = asked(&dialects, &[("x-request-timeout", list)]);
            assert_eq!(asked.strictest(), Some((Duration::from_millis(300), Dialect::XRequestTimeout)), "{list}");
            assert!(asked.malformed().is_none(), "{list}");
        }
        for list in ["", ",", " , "] {
            assert!(asked(&dialects, &[("x-request-timeout", list)]).malformed().is_some(), "{list}");
        }
    }

    // R5
    #[test]
    fn each_malformed_element_is_told_by_its_dialect() {
        let fields = [
            ("x-request-timeout", "abc, 1s, +5, "),
            ("grpc-timeout", "1x"),
            ("x-request-timeout", "-1s"),
            ("connect-timeout-ms", "7"),
        ];
        let told = |fields: &[_]| asked(&Dialects::default(), fields).malformed_elements().collect::<Vec<_>>();
        assert_eq!(told(&fields), [(Dialect::XRequestTimeout, 3), (Dialect::GrpcTimeout, 1)]);
        assert_eq!(told(&[("x-request-timeout", "1s")]), []);
        for (place, dialect) in Dialect::ALL.into_iter().enumerate() {
            assert_eq!(dialect as usize, place, "{dialect:?} is counted in its own place");
        }
    }

    #[test]
    fn what_is_not_read_counts_as_absent() {
        let silent = Dialect::ALL.into_iter().fold(Dialects::default(), Dialects::without_read);
        let asked = asked(&silent, &[("x-request-timeout", "abc"), ("grpc-timeout", "1S"), ("x-request-start", "t=1")]);
        assert_eq!(asked.strictest(), None);
        assert!(asked.malformed().is_none());
        assert_eq!(asked.queued(), Duration::ZERO);
    }

    #[test]
    fn the_absolute_dialect_and_the_stamp_are_opt_in() {
        let fields = [("x-request-deadline", "1700000000750"), ("x-request-start", "t=1700000000.250")];
        let shy = asked(&Dialects::default(), &fields);
        assert_eq!((shy.strictest(), shy.queued()), (None, Duration::ZERO));
        let dialects = Dialects::default().with_read(Dialect::XRequestDeadline).trust_request_start(true);
        let open = asked(&dialects, &fields);
        let quarter = Duration::from_millis(250);
        assert_eq!(open.strictest(), Some((quarter, Dialect::XRequestDeadline)));
        assert_eq!(open.queued(), quarter);
    }

    #[test]
    fn of_two_stamps_the_longer_queue_counts() {
        let dialects = Dialects::default().trust_request_start(true);
        let asked = asked(&dialects, &[("x-request-start", "t=1700000000.250"), ("x-request-start", "1700000000400")]);
        assert_eq!(asked.queued(), Duration::from_millis(250));
    }
}
