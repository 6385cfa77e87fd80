//! The room for the fields of an answer, which that of its request is.
//!
//! Covers one room for each thread: a request goes as its answer comes, so there is hardly ever more than one. Does not
//! keep what is large: hyper keeps the fields of an answer as long as the connection of its client lasts, for the next
//! request, and what one client has made large would go to the connections of others.

use std::cell::Cell;

use http::HeaderMap;

/// What is kept has room for no more than so many fields, and for not many more further lines of them.
const MOST: usize = 24;

thread_local! {
    static SPARE: Cell<Option<HeaderMap>> = const { Cell::new(None) };
}

/// Room for so many fields.
pub(super) fn room(fields: usize) -> HeaderMap {
    let spare = SPARE.take().filter(|spare| spare.capacity() >= fields);
    spare.unwrap_or_else(|| HeaderMap::with_capacity(fields))
}

/// Keeps the room of these fields, which nobody needs any more.
pub(in crate::upstream) fn keep(mut fields: HeaderMap) {
    if (1..=MOST).contains(&fields.capacity()) {
        fields.clear();
        SPARE.set(Some(fields));
    }
}

/// Has the capacity tell that there is room for many lines of one name, as h2 makes it: nothing else does, and the lines
/// may be gone by the time that somebody [keeps](keep) these fields.
#[inline]
pub(crate) fn tell_lines(fields: &mut HeaderMap) {
    if fields.len() - fields.keys_len() > MOST {
        // What is too large for that is large.
        let _ = fields.try_reserve(MOST + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use http::header::{HOST, VIA};

    fn full(fields: usize) -> HeaderMap {
        let mut map = HeaderMap::with_capacity(fields);
        map.append(HOST, HeaderValue::from_static("a"));
        map.append(VIA, HeaderValue::from_static("b"));
        map.append(VIA, HeaderValue::from_static("c"));
        map
    }

    #[test]
    fn a_room_is_empty_whoever_had_it() {
        keep(full(12));
        let room = room(9);
        assert!(room.is_empty() && room.capacity() >= 12 && room.get(VIA).is_none(), "{room:?}");
    }

    #[test]
    fn a_room_is_used_once_and_only_where_it_is_large_enough() {
        keep(full(12));
        assert!(room(13).capacity() > 12);
        keep(full(12));
        assert!(room(1).capacity() >= 12);
        assert!(room(1).capacity() < 12);
    }

    #[test]
    fn room_for_many_lines_of_one_name_is_not_kept_though_they_are_gone() {
        for (lines, is_kept) in [(MOST + 1, true), (MOST + 2, false)] {
            let mut fields = full(12);
            fields.remove(VIA);
            for _ in 0..lines {
                fields.append(VIA, HeaderValue::from_static("b"));
            }
            tell_lines(&mut fields);
            fields.remove(VIA);
            keep(fields);
            assert_eq!(room(1).capacity() >= 12, is_kept, "{lines}");
        }
    }

    #[test]
    fn more_lines_than_a_map_has_names_are_many_lines_too() {
        let mut fields = full(12);
        for _ in 0..40_000 {
            fields.append(VIA, HeaderValue::from_static("b"));
        }
        tell_lines(&mut fields);
        assert!(fields.capacity() > MOST);
    }

    #[test]
    fn what_is_large_is_not_kept() {
        keep(full(MOST + 1));
        assert!(room(1).capacity() <= MOST);
    }
}
