//! A Rust file as the checks see it: without comments, without the text of its literals, and without what is
//! compiled for tests alone.

use std::ops::Range;

use super::lexer::{Literal, blank, is_word, lex};

/// A Rust file.
pub(super) struct Source {
    pub(super) path: String,
    /// As long as the file, line for line: comments and tests are blank, the text of literals is `_`.
    code: String,
    literals: Vec<Literal>,
    /// The modules that are for tests alone and stand in files of their own.
    test_modules: Vec<String>,
}

impl Source {
    pub(super) fn parse(path: &str, text: &str) -> Self {
        let (mut code, mut literals) = lex(text);
        let mut test_modules = Vec::new();
        while let Some(tests) = first_for_tests(&code) {
            test_modules.extend(module(&code[tests.clone()]));
            literals.retain(|(at, _)| !tests.contains(at));
            let blank = blank(&code[tests.clone()], ' ');
            code.replace_range(tests, &blank);
        }
        Self { path: path.to_owned(), code, literals, test_modules }
    }

    /// Whether a module that this file declares for tests alone stands at `path`.
    pub(super) fn declares_for_tests(&self, path: &str) -> bool {
        let of_a_folder = ["/lib.rs", "/main.rs", "/mod.rs"].iter().find_map(|file| self.path.strip_suffix(file));
        let folder = of_a_folder.or(self.path.strip_suffix(".rs")).unwrap_or_default();
        let rest = path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'));
        let is_at = |module: &String| {
            let rest = rest.and_then(|rest| rest.strip_prefix(module.as_str()));
            rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        };
        self.test_modules.iter().any(is_at)
    }

    pub(super) fn code(&self) -> &str {
        &self.code
    }

    /// The text of each string literal, with its line.
    pub(super) fn literals(&self) -> impl Iterator<Item = (usize, &str)> {
        self.literals.iter().map(|(at, text)| (self.line(*at), text.as_str()))
    }

    /// The line, from 1, at which a byte stands.
    pub(super) fn line(&self, at: usize) -> usize {
        1 + self.code[..at].matches('\n').count()
    }

    /// Where `word` stands in the code, and is not a part of a longer one.
    pub(super) fn find<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        let parts = self.code.match_indices(word).map(|(at, _)| at);
        parts.filter(move |at| {
            let (before, after) = (&self.code[..*at], &self.code[at + word.len()..]);
            let (starts, ends) = (word.starts_with(is_word), word.ends_with(is_word));
            !(starts && before.ends_with(is_word) || ends && after.starts_with(is_word))
        })
    }
}

/// The first item that is compiled for tests alone.
fn first_for_tests(code: &str) -> Option<Range<usize>> {
    let start = ["#[cfg(test)]", "#[cfg(all(test,"].iter().filter_map(|attribute| code.find(attribute)).min()?;
    let mut depth = 0_usize;
    for (at, char) in code[start..].char_indices() {
        match char {
            '(' | '[' | '{' => depth += 1,
            // The end of what the item stands in: it was the last field or variant.
            ')' | ']' | '}' if depth == 0 => return Some(start..start + at),
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 && matches!(char, ';' | '}') {
            return Some(start..start + at + 1);
        }
    }
    Some(start..code.len())
}

/// The name of a module whose declaration this is.
fn module(item: &str) -> Option<String> {
    let (_, name) = item.strip_suffix(';')?.rsplit_once("mod ")?;
    name.chars().all(is_word).then(|| name.to_owned())
}

#[test]
fn what_is_for_tests_alone_is_no_code_and_what_follows_it_is() {
    let text = "impl A {\n    #[cfg(test)]\n    fn b(&self) -> [u8; 2] {\n        c(\"d\")\n    }\n\n    fn e() {}\n}\n\
                #[cfg(test)]\n#[expect(f, reason = \"g\")]\nmod tests {\n    fn h() {}\n}\n#[cfg(test)]\nmod more;\nfn i() {}\n";
    let source = Source::parse("", text);
    for (word, found) in [("b", false), ("c", false), ("e", true), ("h", false), ("more", false), ("i", true)] {
        assert_eq!(source.find(word).count() == 1, found, "{word}");
    }
    assert_eq!(source.literals().count(), 0);
    assert_eq!(source.find("i").map(|at| source.line(at)).collect::<Vec<_>>(), [16]);
}

#[test]
fn a_module_for_tests_alone_is_known_by_where_it_is_declared() {
    let text = "#[cfg(test)]\npub(crate) mod a;\n#[cfg(test)]\nmod b {\n    use c;\n}\nmod d;\n";
    for path in ["x/lib.rs", "x/mod.rs", "x.rs"] {
        let source = Source::parse(path, text);
        for (path, declared) in [("x/a.rs", true), ("x/a/e.rs", true), ("x/b.rs", false), ("x/d.rs", false)] {
            assert_eq!(source.declares_for_tests(path), declared, "{path}");
        }
        assert!(!source.declares_for_tests("a.rs") && !source.declares_for_tests("x/ab.rs"));
    }
}

#[test]
fn a_word_is_not_a_part_of_a_longer_one() {
    let source = Source::parse("", "an_unsafe unsafe_code unsafe { todo!() }");
    assert_eq!(source.find("unsafe").count(), 1);
    assert_eq!(source.find("todo!").count(), 1);
}
