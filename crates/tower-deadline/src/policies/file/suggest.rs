//! The known word that an unknown one was meant to be.
//!
//! Covers slips of a letter or two. Does not know synonyms.

/// How many letters may be wrong, missing or too many.
const SLIPS: usize = 2;

/// The message, with the word that `unknown` was meant to be, if one is near.
pub(super) fn with<'k>(message: String, unknown: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    let distances = known.into_iter().map(|known| (distance(unknown, known), known));
    // A word of which every letter is wrong is another word.
    let near = distances.filter(|(distance, known)| *distance <= SLIPS && *distance < known.chars().count());
    match near.min() {
        Some((_, known)) => format!("{message}; did you mean `{known}`?"),
        None => message,
    }
}

/// The letters to be put, dropped or replaced to make `a` of `b`, as Levenshtein counts them.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (above, from) in a.chars().enumerate() {
        let mut diagonal = above;
        row[0] = above + 1;
        for (at, to) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[at + 1];
            row[at + 1] = replaced.min(diagonal + 1).min(row[at] + 1);
        }
    }
    row[b.chars().count()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_a_letter_put_dropped_or_replaced() {
        for (a, b, slips) in [
            ("timeout", "timeout", 0),
            ("timeot", "timeout", 1),
            ("tmieout", "timeout", 2),
            ("", "min", 3),
            ("max", "min", 2),
        ] {
            assert_eq!((distance(a, b), distance(b, a)), (slips, slips), "{a} {b}");
        }
    }

    #[test]
    fn the_nearest_word_is_offered_and_a_far_one_is_not() {
        let offered = |unknown| with("unknown".to_owned(), unknown, ["timeout", "max", "min"]);
        assert_eq!(offered("timeot"), "unknown; did you mean `timeout`?");
        assert_eq!(offered("mix"), "unknown; did you mean `max`?");
        assert_eq!(offered("retries"), "unknown");
        assert_eq!(offered("on"), "unknown; did you mean `min`?");
        assert_eq!(offered("abc"), "unknown");
    }
}
