//! Rust text, taken apart into code, comments and literals.

/// Where a string literal stands, and its text as it is written.
pub(super) type Literal = (usize, String);

/// The code, as long as the text and line for line: comments are blank, and the text of literals is `_`.
pub(super) fn lex(text: &str) -> (String, Vec<Literal>) {
    let mut lexer = Lexer { text, at: 0, code: String::with_capacity(text.len()), literals: Vec::new() };
    while lexer.at < text.len() {
        lexer.step();
    }
    (lexer.code, lexer.literals)
}

pub(super) fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// The same number of bytes and lines, and nothing else of it.
pub(super) fn blank(text: &str, with: char) -> String {
    text.bytes().map(|byte| if byte == b'\n' { '\n' } else { with }).collect()
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    code: String,
    literals: Vec<Literal>,
}

impl Lexer<'_> {
    /// Takes one comment, one literal, or one character of code.
    fn step(&mut self) {
        let rest = &self.text[self.at..];
        if rest.starts_with("//") {
            self.comment(rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            self.comment(block_comment(rest));
        } else if let Some(hashes) = self.raw(rest) {
            let end = format!("\"{}", "#".repeat(hashes));
            let open = hashes + 2;
            let inner = rest[open..].find(&end).unwrap_or(rest.len() - open);
            self.literal(open, inner, end.len());
        } else if let Some(inner) = rest.strip_prefix('"') {
            self.literal(1, until(inner, '"'), 1);
        } else if is_char(rest) {
            let inner = until(&rest[1..], '\'');
            self.code.push_str(&format!("'{}'", blank(&rest[1..1 + inner], '_')));
            self.at += inner + 2;
        } else {
            let char = rest.chars().next().unwrap_or_default();
            self.code.push(char);
            self.at += char.len_utf8();
        }
    }

    fn comment(&mut self, length: usize) {
        self.code.push_str(&blank(&self.text[self.at..self.at + length], ' '));
        self.at += length;
    }

    fn literal(&mut self, open: usize, inner: usize, close: usize) {
        let inner = &self.text[self.at + open..][..inner];
        self.literals.push((self.at, inner.to_owned()));
        let (open, close) = ("\"".repeat(open), "\"".repeat(close));
        self.code.push_str(&format!("{open}{}{close}", blank(inner, '_')));
        self.at = self.code.len().min(self.text.len());
    }

    /// The number of hashes of a raw string that starts here.
    fn raw(&self, rest: &str) -> Option<usize> {
        let after = rest.strip_prefix('r')?;
        let hashes = after.len() - after.trim_start_matches('#').len();
        let prefix = self.code.rsplit(|char| !is_word(char)).next().unwrap_or_default();
        (after[hashes..].starts_with('"') && matches!(prefix, "" | "b" | "c")).then_some(hashes)
    }
}

/// The length of a block comment, with those within it.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    for at in (0..rest.len()).filter(|at| rest.is_char_boundary(*at)) {
        if rest[at..].starts_with("/*") {
            depth += 1;
        } else if rest[..at].ends_with("*/") {
            depth -= 1;
            if depth == 0 {
                return at;
            }
        }
    }
    rest.len()
}

/// The bytes up to the end of a literal.
fn until(rest: &str, end: char) -> usize {
    let mut escaped = false;
    let closes = |char| {
        let plain = !std::mem::take(&mut escaped);
        escaped = plain && char == '\\';
        plain && char == end
    };
    rest.find(closes).unwrap_or(rest.len().saturating_sub(1))
}

/// Whether a character stands here, and no lifetime.
fn is_char(rest: &str) -> bool {
    let mut chars = rest.chars();
    chars.next() == Some('\'') && (chars.next() == Some('\\') || chars.next() == Some('\''))
}

#[test]
fn comments_and_literals_are_no_code() {
    let text = "a // b\n/* c /* d */ e */ f \"g // \\\" h\" 'i' '\\'' r#\"j \" k\"# br\"l\" <'m> /// n\nr#type";
    let (code, literals) = lex(text);
    let words: Vec<&str> = code.split(|char| !is_word(char) || char == '_').collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    assert_eq!(words, ["a", "f", "b", "m", "r", "type"]);
    assert_eq!(code.len(), text.len());
    let literals: Vec<&str> = literals.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(literals, ["g // \\\" h", "j \" k", "l"]);
}
