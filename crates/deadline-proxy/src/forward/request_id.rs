//! `X-Request-Id`: one name for a request in every log that it comes by.

use std::cell::RefCell;

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Builder;

/// Longer ones do not go into logs.
const MAX_BYTES: usize = 128;

pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The one id of a request: the believed one if it can be used, else a new one.
pub(super) fn of(headers: &HeaderMap, believed: bool) -> HeaderValue {
    let given = if believed { usable(headers) } else { None };
    given.cloned().unwrap_or_else(new)
}

/// Writes the id, to a request or a response, in the place of whatever stood there.
pub(super) fn write(headers: &mut HeaderMap, id: HeaderValue) {
    headers.insert(X_REQUEST_ID, id);
}

fn usable(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut ids = headers.get_all(&X_REQUEST_ID).iter();
    let id = ids.next().filter(|_| ids.next().is_none())?;
    let is_visible = id.as_bytes().iter().all(u8::is_ascii_graphic);
    ((1..=MAX_BYTES).contains(&id.len()) && is_visible).then_some(id)
}

thread_local! {
    /// Where new ids are written, one behind the other: an allocation for a hundred of them, and not two for each.
    static ROOM: RefCell<BytesMut> = RefCell::new(BytesMut::with_capacity(ROOM_BYTES));
}

const ROOM_BYTES: usize = 4_096;

/// A UUID of version 4. It tells requests apart and is no secret, so it is not made for one.
fn new() -> HeaderValue {
    let uuid = Builder::from_random_bytes(fastrand::u128(..).to_be_bytes()).into_uuid();
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    let text = uuid.hyphenated().encode_lower(&mut text);
    let bytes = ROOM.with_borrow_mut(|room| {
        room.extend_from_slice(text.as_bytes());
        room.split().freeze()
    });
    // Digits, letters and hyphens are a value.
    HeaderValue::from_maybe_shared(bytes).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identified(values: &[&str], believed: bool) -> String {
        let values = values
            .iter()
            .map(|value| (X_REQUEST_ID.clone(), HeaderValue::from_bytes(value.as_bytes()).unwrap()));
        let mut headers: HeaderMap = values.collect();
        let id = of(&headers, believed);
        write(&mut headers, id.clone());
        assert_eq!(headers.get_all(&X_REQUEST_ID).iter().collect::<Vec<_>>(), [&id]);
        id.to_str().unwrap().to_owned()
    }

    fn is_new(id: &str) -> bool {
        let is_hyphen = |at| [8, 13, 18, 23].contains(&at);
        id.len() == 36
            && id
                .bytes()
                .enumerate()
                .all(|(at, byte)| if is_hyphen(at) { byte == b'-' } else { byte.is_ascii_hexdigit() })
            && id.as_bytes()[14] == b'4'
            && b"89ab".contains(&id.as_bytes()[19])
    }

    #[test]
    fn a_trusted_id_is_kept_if_a_log_can_hold_it() {
        let longest = "x".repeat(MAX_BYTES);
        for kept in ["a", "~!1:2/3\"", &longest] {
            assert_eq!(identified(&[kept], true), kept);
            assert!(is_new(&identified(&[kept], false)), "{kept} of a stranger");
        }
        let too_long = "x".repeat(MAX_BYTES + 1);
        for bad in [&["a", "b"][..], &[], &[""], &["a b"], &["é"], &["a\tb"], &[&too_long]] {
            assert!(is_new(&identified(bad, true)), "{bad:?}");
        }
    }

    #[test]
    fn each_new_id_is_another() {
        assert_ne!(identified(&[], false), identified(&[], false));
    }
}
