//! Elements that are none: arbitrary bytes, and valid elements with one thing wrong.

use http_deadline::Dialect;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::grammar::{MAX_BYTES, Valid, element};

/// What the grammars are made of, and what they leave out.
const ALPHABET: &[u8] = b"0123456789.:+-, \tTtZzHMSmunshd\xC2\xB5\xCE\xBC=ex_";

/// Up to 64 bytes: of any kind, of the grammars' alphabet, digits with a tail, and valid elements with a byte
/// replaced. The last two reach the lines that only digits reach.
pub(super) fn arbitrary() -> impl Strategy<Value = Vec<u8>> {
    let letter = || select(ALPHABET);
    let length = prop_oneof![1..=8_usize, 1..=34_usize];
    let digits = length.prop_flat_map(|length| vec(b'0'..=b'9', length));
    let unit = select(&["", "s", "m", "h", "ms", "n", "u", "S", "M", "H"]);
    let tail = prop_oneof![vec(letter(), 0..=3), unit.prop_map(Vec::from)];
    let nearly = (element(), any::<Index>(), any::<u8>());
    prop_oneof![
        1 => vec(any::<u8>(), 0..=64),
        1 => vec(letter(), 0..=64),
        2 => (digits, tail).prop_map(|(digits, tail)| [digits, tail].concat()),
        2 => nearly.prop_map(|((_, valid), index, byte)| {
            let mut bytes = valid.text.into_bytes();
            let place = index.index(bytes.len());
            bytes[place] = byte;
            bytes
        }),
    ]
}

/// Where the seconds of RFC 3339 end.
const SECONDS_END: usize = "2023-11-14T22:13:20".len();

/// One thing that makes a valid element malformed.
#[derive(Clone, Copy, Debug)]
enum Damage {
    InFront(&'static str),
    Blank(&'static str, Index),
    TooLong,
    OtherUnit(Index),
}

/// A valid element, and what became of it.
pub(super) fn damaged() -> impl Strategy<Value = (Dialect, Valid, Vec<u8>)> {
    (element(), damage()).prop_map(|((dialect, valid), damage)| {
        let bytes = damage.done_to(dialect, &valid.text);
        (dialect, valid, bytes)
    })
}

fn damage() -> impl Strategy<Value = Damage> {
    // The last one is a digit, of another script.
    let front = select(&["+", "-", "0x", "_", ",", "\u{663}"]);
    prop_oneof![
        front.prop_map(Damage::InFront),
        (select(&[" ", "\t"]), any::<Index>()).prop_map(|(blank, at)| Damage::Blank(blank, at)),
        Just(Damage::TooLong),
        any::<Index>().prop_map(Damage::OtherUnit),
    ]
}

impl Damage {
    fn done_to(self, dialect: Dialect, text: &str) -> Vec<u8> {
        match self {
            Self::InFront(junk) => format!("{junk}{text}").into_bytes(),
            Self::Blank(blank, at) => with_blank(dialect, text, blank, at),
            Self::TooLong => too_long(dialect, text).into_bytes(),
            Self::OtherUnit(which) => with_other_unit(dialect, text, which).into_bytes(),
        }
    }
}

/// One digit more than there may be, or one byte: zeros, so that the number stays what it is.
fn too_long(dialect: Dialect, text: &str) -> String {
    let most = match dialect {
        // Eight digits and the unit.
        Dialect::GrpcTimeout => 9,
        Dialect::ConnectTimeout => 10,
        _ => MAX_BYTES,
    };
    let zeros = "0".repeat(most + 1 - text.len());
    match text.split_at_checked(SECONDS_END) {
        Some((start, zone)) if start.contains('-') => match zone.strip_prefix('.') {
            Some(fraction) => format!("{start}.{zeros}{fraction}"),
            None => format!("{start}.{}{zone}", &zeros[1..]),
        },
        _ => zeros + text,
    }
}

/// A blank inside; also around it, where blanks are not trimmed.
fn with_blank(dialect: Dialect, text: &str, blank: &str, at: Index) -> Vec<u8> {
    let (before, after) = text.as_bytes().split_at(match dialect {
        // A single digit has no inside, so it is doubled by the blank.
        Dialect::XRequestTimeout if text.len() == 1 => {
            return format!("{text}{blank}{text}").into();
        }
        Dialect::XRequestTimeout => 1 + at.index(text.len() - 1),
        _ => at.index(text.len() + 1),
    });
    [before, blank.as_bytes(), after].concat()
}

fn with_other_unit(dialect: Dialect, text: &str, which: Index) -> String {
    let (number, units) = match dialect {
        Dialect::GrpcTimeout => (&text[..text.len() - 1], ["s", "h", "N", "ms", ""]),
        Dialect::XRequestTimeout => (text, ["d", "S", "H", "M", "u"]),
        _ => (text, ["ms", "s", "m", ".0", "Z"]),
    };
    format!("{number}{}", which.get(&units))
}
