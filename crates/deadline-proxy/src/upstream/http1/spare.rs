//! The room for the fields of an answer, which that of its request is, and the room that answers are read into.
//!
//! Covers one room for fields for each thread: a request goes as its answer comes, so there is hardly ever more than one.
//! Of rooms to read there are some, since answers that are ready at once are read before others are asked for. Does not
//! keep what is large: hyper keeps the fields of an answer as long as the connection of its client lasts, for the next
//! request, and what one client has made large would go to the connections of others.

use std::cell::{Cell, RefCell};

use bytes::BytesMut;
use http::HeaderMap;

/// What is kept has room for no more than so many fields, and for not many more further lines of them.
const MOST: usize = 24;

/// A thread keeps no more rooms to read than these, of no more bytes each.
const READS: usize = 16;
pub(super) const READ_AT_MOST: usize = 16 * 1024;

thread_local! {
    static SPARE: Cell<Option<HeaderMap>> = const { Cell::new(None) };
    static READ: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
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

/// What may be room to read into, once it is made room in: it is, if nobody has anything any more that was read there.
pub(super) fn room_to_read() -> BytesMut {
    READ.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// Keeps the room that was read into. What was read is still somebody's, and stays as it is.
pub(super) fn keep_to_read(mut read: BytesMut) {
    read.clear();
    READ.with_borrow_mut(|rooms| {
        if rooms.len() < READS {
            rooms.push(read);
        }
    });
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
    fn what_was_read_stays_as_it_is_and_is_read_over_once_nobody_has_it() {
        let mut read = BytesMut::with_capacity(16);
        read.extend_from_slice(b"head");
        let (start, head) = (read.as_ptr(), read.split().freeze());
        keep_to_read(read);
        let mut other = room_to_read();
        other.reserve(16);
        other.extend_from_slice(b"another");
        assert!(head == "head" && other.as_ptr() != start);
        drop((head, other));
        let mut read = BytesMut::with_capacity(16);
        read.extend_from_slice(b"head");
        let start = read.as_ptr();
        drop(read.split().freeze());
        keep_to_read(read);
        let mut again = room_to_read();
        again.reserve(16);
        assert_eq!(again.as_ptr(), start);
    }

    #[test]
    fn no_more_rooms_to_read_are_kept_than_were_said() {
        (0..2 * READS).for_each(|_| keep_to_read(BytesMut::with_capacity(16)));
        assert_eq!((0..2 * READS).filter(|_| room_to_read().capacity() > 0).count(), READS);
    }

    #[test]
    fn what_is_large_is_not_kept() {
        keep(full(MOST + 1));
        assert!(room(1).capacity() <= MOST);
    }
}
