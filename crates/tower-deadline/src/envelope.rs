//! Messages in envelopes: a byte of flags and a length of four before each, as gRPC, gRPC-Web and Connect have them.
//!
//! Covers writing one, and telling where in a body that passes one of them ends, plain or in base64. Does not look
//! into the messages, and does not know what the flags mean.

use std::io::IoSlice;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Buf;

/// The bytes before a message.
const PREFIX: u8 = 5;

/// More pieces than one frame of a body has.
const MOST_PIECES: usize = 16;

/// A message behind its prefix.
pub(crate) fn sealed(flags: u8, message: &[u8]) -> Vec<u8> {
    // What is written here has a hundred bytes.
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[flags][..], &length.to_be_bytes(), message].concat()
}

/// The same in base64.
pub(crate) fn in_base64(envelope: &[u8]) -> Vec<u8> {
    STANDARD.encode(envelope).into_bytes()
}

/// Follows a body from envelope to envelope.
#[derive(Debug)]
pub(crate) struct Envelopes {
    /// The flag of the last one.
    last: u8,
    place: Place,
    /// Where the body is base64.
    quantum: Option<Quantum>,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    /// So many bytes of a prefix have passed, which is all of them as one number.
    Prefix(u8, u64),
    /// So many bytes of a message are to come.
    Message(u64, IsLast),
    /// Behind the last one.
    End,
    /// In something else than envelopes.
    Lost,
}

type IsLast = bool;

/// Up to four characters of base64, which are three bytes.
#[derive(Debug, Default)]
struct Quantum {
    characters: [u8; 4],
    length: usize,
}

impl Envelopes {
    /// Of a body whose last envelope has this flag.
    pub(crate) fn until(last: u8) -> Self {
        Self { last, place: Place::START, quantum: None }
    }

    /// Of the same in base64. It may be padded wherever it was flushed.
    pub(crate) fn in_base64(self) -> Self {
        Self { quantum: Some(Quantum::default()), ..self }
    }

    /// Whether another envelope can begin here.
    pub(crate) fn is_between(&self) -> bool {
        matches!(self.place, Place::Prefix(0, _)) && self.is_whole()
    }

    /// Whether the last one has passed, as a whole.
    pub(crate) fn is_at_end(&self) -> bool {
        matches!(self.place, Place::End) && self.is_whole()
    }

    fn is_whole(&self) -> bool {
        self.quantum.as_ref().is_none_or(|quantum| quantum.length == 0)
    }

    /// These data pass.
    pub(crate) fn pass(&mut self, data: &impl Buf) {
        let mut pieces = [IoSlice::new(&[]); MOST_PIECES];
        let count = data.chunks_vectored(&mut pieces);
        let pieces = &pieces[..count];
        if pieces.iter().map(|piece| piece.len()).sum::<usize>() != data.remaining() {
            // A buffer that does not show all of itself.
            self.place = Place::Lost;
        }
        for piece in pieces {
            match self.quantum.take() {
                Some(quantum) => self.quantum = Some(self.decode(quantum, piece)),
                None => self.read(piece),
            }
        }
    }

    fn decode(&mut self, mut quantum: Quantum, characters: &[u8]) -> Quantum {
        for character in characters {
            if let Some(whole) = quantum.push(*character) {
                let mut bytes = [0; 3];
                match STANDARD.decode_slice(whole, &mut bytes) {
                    Ok(length) => self.read(&bytes[..length]),
                    Err(_) => self.place = Place::Lost,
                }
            }
        }
        quantum
    }

    fn read(&mut self, mut bytes: &[u8]) {
        while let Some((first, rest)) = bytes.split_first() {
            (self.place, bytes) = match self.place {
                Place::Prefix(passed, read) => (self.prefix(passed + 1, read << 8 | u64::from(*first)), rest),
                Place::Message(left, is_last) => {
                    let length = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    (Place::message(left - length as u64, is_last), &bytes[length..])
                }
                // Nothing may follow the last one.
                Place::End | Place::Lost => (Place::Lost, &[][..]),
            };
        }
    }

    fn prefix(&self, passed: u8, read: u64) -> Place {
        if passed < PREFIX {
            return Place::Prefix(passed, read);
        }
        let (flags, length) = (read >> 32, read & u64::from(u32::MAX));
        Place::message(length, flags & u64::from(self.last) != 0)
    }
}

impl Place {
    const START: Self = Self::Prefix(0, 0);

    fn message(left: u64, is_last: IsLast) -> Self {
        match (left, is_last) {
            (0, true) => Self::End,
            (0, false) => Self::START,
            (left, is_last) => Self::Message(left, is_last),
        }
    }
}

impl Quantum {
    /// All four, with the last of them.
    fn push(&mut self, character: u8) -> Option<[u8; 4]> {
        self.characters[self.length] = character;
        self.length = (self.length + 1) % self.characters.len();
        (self.length == 0).then_some(self.characters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    const LAST: u8 = 0x80;

    /// What is told after each byte: `-` between, `.` within, `$` at the end, one character for each.
    fn told(mut envelopes: Envelopes, body: &[u8]) -> String {
        let places = body.iter().map(|byte| {
            envelopes.pass(&Bytes::copy_from_slice(&[*byte]));
            match (envelopes.is_between(), envelopes.is_at_end()) {
                (true, false) => '-',
                (false, true) => '$',
                (false, false) => '.',
                (true, true) => '?',
            }
        });
        places.collect()
    }

    /// The same at once.
    fn place(mut envelopes: Envelopes, body: &[u8]) -> (bool, bool) {
        envelopes.pass(&Bytes::copy_from_slice(body));
        (envelopes.is_between(), envelopes.is_at_end())
    }

    const BODY: &[u8] = b"\0\0\0\0\x03abc\x01\0\0\0\0\x80\0\0\0\x01x";

    // R36
    #[test]
    fn a_boundary_is_behind_a_message_and_nowhere_else() {
        assert!(Envelopes::until(LAST).is_between());
        assert_eq!(told(Envelopes::until(LAST), BODY), ".......-....-.....$");
        for length in 0..=BODY.len() {
            let (between, end) = place(Envelopes::until(LAST), &BODY[..length]);
            assert_eq!((between, end), (matches!(length, 0 | 8 | 13), length == 19), "{length}");
        }
    }

    #[test]
    fn in_base64_a_boundary_is_at_the_end_of_a_quantum_too() {
        // 8 bytes leave a quantum open: the boundary behind them is none.
        let text = in_base64(BODY);
        assert_eq!(told(Envelopes::until(LAST).in_base64(), &text), "...........................$");
        // Padded where it was flushed, as servers do.
        let flushed = [&in_base64(&BODY[..8])[..], &in_base64(&BODY[8..13]), &in_base64(&BODY[13..])].concat();
        assert_eq!(told(Envelopes::until(LAST).in_base64(), &flushed), "...........-.......-.......$");
        assert_eq!(place(Envelopes::until(LAST).in_base64(), &flushed), (false, true));
    }

    #[test]
    fn what_is_no_envelope_has_no_boundary_ever_after() {
        let behind_the_last = [BODY, BODY].concat();
        assert_eq!(place(Envelopes::until(LAST), &behind_the_last), (false, false));
        let mut text = Envelopes::until(LAST).in_base64();
        text.pass(&&b"no base64!!!"[..]);
        text.pass(&&in_base64(BODY)[..]);
        assert!(!text.is_between() && !text.is_at_end());
    }

    #[test]
    fn a_buffer_of_pieces_is_followed_where_it_shows_them() {
        let pieces = Bytes::from_static(&BODY[..6]).chain(Bytes::from_static(&BODY[6..8]));
        let mut envelopes = Envelopes::until(LAST);
        envelopes.pass(&pieces);
        assert!(envelopes.is_between());
        let hidden = std::collections::VecDeque::from_iter(BODY[..8].iter().copied());
        let mut hidden = Hidden(hidden);
        envelopes.pass(&hidden);
        assert!(!envelopes.is_between(), "it was not looked into");
        hidden.advance(8);
    }

    /// Shows its first byte only.
    struct Hidden(std::collections::VecDeque<u8>);

    impl Buf for Hidden {
        fn remaining(&self) -> usize {
            self.0.len()
        }

        fn chunk(&self) -> &[u8] {
            &self.0.as_slices().0[..1]
        }

        fn advance(&mut self, count: usize) {
            self.0.drain(..count);
        }
    }

    #[test]
    fn the_longest_message_is_counted_to_its_end() {
        let mut envelopes = Envelopes::until(LAST);
        envelopes.pass(&&b"\0\xff\xff\xff\xff"[..]);
        let piece = vec![0; 1 << 24];
        for _ in 0..255 {
            envelopes.pass(&piece.as_slice());
        }
        envelopes.pass(&&piece[2..]);
        assert!(!envelopes.is_between());
        envelopes.pass(&&piece[..1]);
        assert!(envelopes.is_between());
    }
}
