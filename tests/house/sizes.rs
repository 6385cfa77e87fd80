//! How long files and functions are.

use super::lexer::is_word;
use super::source::Source;
use super::{Outcome, nothing_in, tree};

/// Lines of a file, net of blank ones, comments and tests.
const FILE_AT_MOST: usize = 300;
const FILE_AS_A_RULE: usize = 150;
/// Lines of a function, from `fn` to its closing brace.
const FUNCTION_AT_MOST: usize = 60;

fn net_lines(source: &Source) -> usize {
    source.code().lines().filter(|line| !line.trim().is_empty()).count()
}

fn long_files(sources: &[Source]) -> Vec<String> {
    let lines: Vec<usize> = sources.iter().map(net_lines).collect();
    let over = lines.iter().filter(|lines| **lines > FILE_AS_A_RULE).count();
    let share = format!("{over} of {} files are over {FILE_AS_A_RULE}, the rule", lines.len());
    let long = sources.iter().zip(&lines).filter(|(_, lines)| **lines > FILE_AT_MOST);
    long.map(|(source, lines)| format!("{}: {lines} lines, {FILE_AT_MOST} at most ({share})", source.path))
        .collect()
}

fn long_functions(source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    for at in source.find("fn") {
        let rest = &source.code()[at..];
        let lines = rest[..function(rest)].lines().count();
        if lines > FUNCTION_AT_MOST {
            let (path, line) = (&source.path, source.line(at));
            complaints.push(format!("{path}:{line}: a function of {lines} lines, {FUNCTION_AT_MOST} at most"));
        }
    }
    complaints
}

/// The bytes from `fn` to the end of the function; none for a type, which has no name.
fn function(rest: &str) -> usize {
    if !rest["fn".len()..].trim_start().starts_with(is_word) {
        return 0;
    }
    let (mut nested, mut braces) = (0_usize, 0_usize);
    for (at, char) in rest.char_indices() {
        match char {
            '(' | '[' => nested += 1,
            ')' | ']' => nested -= 1,
            '{' => braces += 1,
            '}' => braces -= 1,
            ';' if nested == 0 && braces == 0 => return at,
            _ => {}
        }
        if char == '}' && nested == 0 && braces == 0 {
            return at + 1;
        }
    }
    rest.len()
}

#[test]
fn no_file_is_too_long() -> Outcome {
    nothing_in(&long_files(&tree::sources()?));
    Ok(())
}

#[test]
fn no_function_is_too_long() -> Outcome {
    nothing_in(&tree::sources()?.iter().flat_map(long_functions).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn a_long_file_is_found_and_told_with_the_share_of_those_over_the_rule() {
    let file = |lines: usize| Source::parse("a.rs", &"// c\n\na();\n".repeat(lines));
    assert!(long_files(&[file(300)]).is_empty());
    let told = long_files(&[file(301), file(151), file(150)]);
    assert_eq!(told, ["a.rs: 301 lines, 300 at most (2 of 3 files are over 150, the rule)"]);
    let tests = format!("a();\n#[cfg(test)]\nmod tests {{\n{}}}\n", "a();\n".repeat(400));
    assert_eq!(net_lines(&Source::parse("a.rs", &tests)), 1);
}

#[test]
fn a_long_function_is_found_wherever_it_stands() {
    let text = |lines: usize| {
        let body = "        if a {} // {\n".repeat(lines - 2);
        format!("trait A {{\n    fn b(&self, c: [u8; 2]) -> fn(u8);\n\n    fn d() {{\n{body}    }}\n}}\n")
    };
    assert!(long_functions(&Source::parse("a.rs", &text(60))).is_empty());
    let told = long_functions(&Source::parse("a.rs", &text(61)));
    assert_eq!(told, ["a.rs:4: a function of 61 lines, 60 at most"]);
}
