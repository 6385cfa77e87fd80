//! Words that have no place outside tests.

use super::source::Source;
use super::{Outcome, nothing_in, tree};

const BANNED: [(&str, &str); 6] = [
    ("unsafe", "there is no need for it"),
    ("todo!", "finish it, or leave it out"),
    ("unimplemented!", "finish it, or leave it out"),
    ("dbg!", "it was for you alone"),
    (".unwrap()", "a library does not panic: return an error, or say why there is none"),
    (".expect(", "a library does not panic: return an error, or say why there is none"),
];

fn banned(source: &Source) -> Vec<String> {
    let complaints = BANNED.iter().flat_map(|(word, why)| {
        source.find(word).map(move |at| format!("{}:{}: `{word}`: {why}", source.path, source.line(at)))
    });
    complaints.collect()
}

#[test]
fn no_banned_word_stands_outside_of_tests() -> Outcome {
    nothing_in(&tree::sources()?.iter().flat_map(banned).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn each_banned_word_is_found_but_not_in_comments_literals_and_tests() {
    for (word, _) in BANNED {
        let code = |text: &str| banned(&Source::parse("a.rs", text)).len();
        assert_eq!(code(&format!("fn a() {{\n    b{word}\n}}")), usize::from(word.starts_with('.')), "{word}");
        assert_eq!(code(&format!("fn a() {{\n    b {word} \n}}")), 1, "{word}");
        assert_eq!(code(&format!("/// {word}\nconst A: &str = \"{word}\";")), 0, "{word}");
        assert_eq!(code(&format!("#[cfg(test)]\nmod tests {{\n    fn a() {{ b {word} }}\n}}")), 0, "{word}");
    }
    let source = Source::parse("a.rs", "forbid(unsafe_code);\na.expect_err(b).unwrap_or(c)");
    assert!(banned(&source).is_empty());
}
