//! A reviewer's own statement as PostgreSQL takes it: its parameters are called `$1` here, not `?1`.

use std::ops::Range;

/// A statement with its parameters renamed, and without a semicolon or a comment at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) text: String,
    /// The largest number of a parameter.
    pub(super) parameters: usize,
}

pub(super) fn renamed(statement: &str) -> Statement {
    let mut renamed = String::with_capacity(statement.len());
    let mut parameters = 0;
    let mut end = 0;
    let mut at = 0;
    while at < statement.len() {
        let next = Part::at(statement, at);
        let text = &statement[next.at.clone()];
        match next.kind {
            Kind::Parameter => {
                let digits = statement[next.at.end..].split(|c: char| !c.is_ascii_digit()).next();
                parameters = parameters.max(digits.and_then(|digits| digits.parse().ok()).unwrap_or(0));
                renamed.push('$');
            }
            _ => renamed.push_str(text),
        }
        let is_part = match next.kind {
            Kind::Code => !text.trim().is_empty() && text != ";",
            Kind::Parameter | Kind::Quoted => true,
            Kind::Comment => false,
        };
        if is_part {
            end = renamed.len();
        }
        at = next.at.end;
    }
    renamed.truncate(end);
    Statement { text: renamed, parameters }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// One character of the statement proper.
    Code,
    /// The question mark of `?1`.
    Parameter,
    Quoted,
    Comment,
}

struct Part {
    at: Range<usize>,
    kind: Kind,
}

impl Part {
    /// The part that begins there.
    fn at(text: &str, begin: usize) -> Self {
        let rest = &text[begin..];
        let before = text[..begin].chars().next_back();
        let part = |length: usize, kind| Self { at: begin..begin + length, kind };
        let first = rest.chars().next().map_or(1, char::len_utf8);
        match rest.as_bytes() {
            [b'-', b'-', ..] => part(rest.find('\n').unwrap_or(rest.len()), Kind::Comment),
            [b'/', b'*', ..] => part(comment(rest), Kind::Comment),
            [b'\'', ..] => part(quoted(rest, escapes(text, begin)), Kind::Quoted),
            [b'"', ..] => part(quoted(rest, false), Kind::Quoted),
            [b'$', ..] if !before.is_some_and(is_of_a_name) => match dollars(rest) {
                Some(length) => part(length, Kind::Quoted),
                None => part(1, Kind::Code),
            },
            [b'?', digit, ..] if digit.is_ascii_digit() => part(1, Kind::Parameter),
            _ => part(first, Kind::Code),
        }
    }
}

fn is_of_a_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// Whether a backslash escapes in the string that begins there: it is written `E'…'`.
fn escapes(text: &str, begin: usize) -> bool {
    let mut before = text[..begin].chars().rev();
    matches!(before.next(), Some('e' | 'E')) && !before.next().is_some_and(is_of_a_name)
}

/// The length of a quoted string or name. A quote that is doubled does not end it.
fn quoted(text: &str, escapes: bool) -> usize {
    let quote = text.as_bytes()[0];
    let mut bytes = text.bytes().enumerate().skip(1).peekable();
    while let Some((index, byte)) = bytes.next() {
        if escapes && byte == b'\\' {
            bytes.next();
        } else if byte == quote && bytes.next_if(|(_, next)| *next == quote).is_none() {
            return index + 1;
        }
    }
    text.len()
}

/// The length of a comment, which may hold others.
fn comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let (step, change) = match text.as_bytes()[at..] {
            [b'/', b'*', ..] => (2, 1),
            [b'*', b'/', ..] => (2, -1),
            _ => (1, 0),
        };
        depth += change;
        at += step;
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// The length of a string between `$tag$`s; none if it is none.
fn dollars(text: &str) -> Option<usize> {
    let inner = text[1..].find('$')?;
    let tag = &text[..inner + 2];
    let name = &tag[1..=inner];
    if name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(|c| c.is_alphanumeric() || c == '_') {
        return None;
    }
    Some(text[tag.len()..].find(tag).map_or(text.len(), |end| tag.len() + end + tag.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_renamed_and_nothing_else() {
        for (written, expected) in [
            ("SELECT ?1, ?2, ?1;", "SELECT $1, $2, $1"),
            ("SELECT '?1', \"?2\", ?3 ; ", "SELECT '?1', \"?2\", $3"),
            ("SELECT 'it''s ?1', ?2", "SELECT 'it''s ?1', $2"),
            ("SELECT E'it\\'s ?1', ?2", "SELECT E'it\\'s ?1', $2"),
            ("SELECT e'\\\\', ?1, 'a\\', ?2", "SELECT e'\\\\', $1, 'a\\', $2"),
            ("SELECT $$?1$$, $a$ ?1 $$ $a$, ?2", "SELECT $$?1$$, $a$ ?1 $$ $a$, $2"),
            ("SELECT 1 -- ?1\n, ?2 -- ?3", "SELECT 1 -- ?1\n, $2"),
            ("SELECT /* ?1 /* ?1 */ ?1 */ ?2", "SELECT /* ?1 /* ?1 */ ?1 */ $2"),
            ("SELECT a ? 'b', é FROM t", "SELECT a ? 'b', é FROM t"),
            ("SELECT 'endless ?1", "SELECT 'endless ?1"),
            ("SELECT /* endless ?1", "SELECT"),
            ("SELECT $a ?1", "SELECT $a $1"),
            ("", ""),
        ] {
            assert_eq!(renamed(written).text, expected);
        }
        assert_eq!(renamed("SELECT ?2, '?7', ?12").parameters, 12);
    }
}
