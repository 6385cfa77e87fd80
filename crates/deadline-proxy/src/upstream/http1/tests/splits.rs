//! However the bytes come, what is made of them is the same.

use super::hostile::{CORPUS, text};
use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// In so many pieces: each cut is somewhere in the text.
fn pieces<'a>(text: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (text.len() + 1)).collect();
    cuts.sort_unstable();
    let (mut rest, mut at, mut pieces) = (text, 0, Vec::new());
    for cut in cuts {
        let (piece, after) = rest.split_at(cut - at);
        pieces.push(piece);
        (rest, at) = (after, cut);
    }
    pieces.push(rest);
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

#[test]
fn an_answer_is_the_same_cut_at_any_byte_and_byte_by_byte() {
    for (rest, _) in CORPUS {
        let text = text(rest);
        let as_one = whole(&text);
        for at in 0..=text.len() {
            assert_eq!(read(&Method::GET, pieces(&text, &[at])), as_one, "{rest:?} at {at}");
        }
        assert_eq!(read(&Method::GET, text.chunks(1)), as_one, "{rest:?}");
    }
}

// R34
#[test]
fn what_breaks_off_is_not_whole() {
    for (rest, _) in CORPUS {
        let text = text(rest);
        let Ok(as_one) = whole(&text) else { continue };
        if as_one.body.is_empty() || !as_one.rest.is_empty() {
            continue;
        }
        for at in 0..text.len() {
            // Nothing tells the end of a body that has none.
            if let Ok(part) = whole(&text[..at]) {
                assert!(
                    !part.is_kept && !as_one.is_kept && !part.fields.contains_key("content-length"),
                    "{rest:?} at {at}"
                );
            }
        }
    }
}

/// Words of answers, and bytes that are none.
fn soup() -> impl Strategy<Value = Vec<u8>> {
    const WORDS: &[&[u8]] = &[
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.0 200 \r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 204\r\n",
        b"content-length: ",
        b"transfer-encoding: chunked\r\n",
        b"connection: close\r\n",
        b"x: y\r\n",
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b"\r",
        b"0\r\n",
        b"2\r\nok\r\n",
        b"5",
        b"a",
        b";",
        b" ",
        b"ffffffffffffffff",
    ];
    let word = prop_oneof![9 => select(WORDS).prop_map(<[u8]>::to_vec), 1 => vec(any::<u8>(), 0..4)];
    let words = vec(word, 0..24).prop_map(|words| words.concat());
    prop_oneof![1 => words.clone(), 3 => words.prop_map(|words| [b"HTTP/1.1 200 OK\r\n", &words[..]].concat())]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4_000) })]

    #[test]
    fn any_bytes_come_to_one_end(text in soup(), cuts in vec(any::<usize>(), 0..12)) {
        for method in [Method::GET, Method::HEAD] {
            prop_assert_eq!(read(&method, pieces(&text, &cuts)), read(&method, [&text[..]]));
        }
    }

    #[test]
    fn what_is_in_chunks_comes_out(data in vec(vec(any::<u8>(), 1..300), 0..8), cuts in vec(any::<usize>(), 0..12)) {
        let mut text = text("transfer-encoding: chunked\r\n\r\n");
        for data in &data {
            text.extend(format!("{:x}\r\n", data.len()).into_bytes());
            text.extend(data);
            text.extend(b"\r\n");
        }
        text.extend(b"0\r\nx-sum: 1\r\n\r\n");
        let read = read(&Method::GET, pieces(&text, &cuts)).unwrap();
        prop_assert_eq!((read.body, read.is_kept), (data.concat(), true));
        prop_assert!(read.trailers.is_some_and(|trailers| trailers.get("x-sum").is_some_and(|sum| sum == "1")));
    }
}
