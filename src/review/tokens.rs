//! The words of a statement in SQL: where its parameters are, and where a database stopped understanding it. Pure.

use std::ops::Range;

use super::statement::{Skipped, StatementError, skip};

/// A word of a statement: a name, a number, a text, a parameter or one other character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    /// Where it stands, in bytes.
    pub(super) at: Range<usize>,
    /// Whether it is a text, a quoted name or a comment.
    quoted: bool,
}

/// The words of `sql`, without comments and space.
pub(super) fn tokens(sql: &str) -> Result<Vec<Token>, StatementError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = sql[at..].chars().next() {
        let rest = &sql[at..];
        let start = at;
        match skip(first, rest)? {
            Skipped::Over(length) => {
                at = (at + length).min(sql.len());
                if !rest.starts_with("--") && !rest.starts_with("/*") {
                    tokens.push(Token { at: start..at, quoted: true });
                }
            }
            Skipped::Plain if first.is_whitespace() || first == '\u{feff}' => at += first.len_utf8(),
            // A cast of PostgreSQL's: what follows is a type, not a parameter.
            Skipped::Plain if rest.starts_with("::") => {
                at += 2;
                tokens.push(Token { at: start..at, quoted: false });
            }
            Skipped::Plain => {
                let marks = usize::from(begins_parameter(rest)) * first.len_utf8();
                let word = rest[marks..].find(|c| !is_of_word(c)).unwrap_or(rest.len() - marks);
                at += (marks + word).max(first.len_utf8());
                tokens.push(Token { at: start..at, quoted: false });
            }
        }
    }
    Ok(tokens)
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether this begins `:name`, `@name`, `$name` or `?1`.
fn begins_parameter(rest: &str) -> bool {
    let mut chars = rest.chars();
    let first = chars.next().unwrap_or_default();
    let next = chars.next().is_some_and(is_of_word);
    matches!(first, ':' | '@' | '$' | '?') && next
}

/// A statement whose named parameters have become `?1`, `?2` and so on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Numbered {
    /// The statement.
    pub(super) sql: String,
    /// The names of its parameters, in the order of their numbers.
    pub(super) names: Vec<String>,
}

/// Numbers the parameters of `sql`, which it names `:name`, `@name` or `$name`. None is ever replaced by its value.
///
/// # Errors
/// If a parameter has no name, or if something is opened and never closed.
pub(super) fn numbered(sql: &str) -> Result<Numbered, StatementError> {
    let mut found = Numbered { sql: String::with_capacity(sql.len()), names: Vec::new() };
    let mut copied = 0;
    for token in tokens(sql)?.iter().filter(|token| !token.quoted) {
        let text = &sql[token.at.clone()];
        if text.starts_with('?') {
            return Err(StatementError::Nameless);
        }
        if !begins_parameter(text) {
            continue;
        }
        let name = &text[1..];
        let number = found.names.iter().position(|known| known == name).unwrap_or_else(|| {
            found.names.push(name.to_owned());
            found.names.len() - 1
        });
        found.sql.push_str(&sql[copied..token.at.start]);
        found.sql.push_str(&format!("?{}", number + 1));
        copied = token.at.end;
    }
    found.sql.push_str(&sql[copied..]);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(sql: &str) -> Vec<&str> {
        tokens(sql).unwrap().iter().map(|token| &sql[token.at.clone()]).collect()
    }

    #[test]
    fn a_statement_has_these_words() {
        assert_eq!(
            words("SELECT a.b, 'x:y' AS \"c d\" -- :no\n FROM t /* :no */ WHERE é >= :s"),
            ["SELECT", "a", ".", "b", ",", "'x:y'", "AS", "\"c d\"", "FROM", "t", "WHERE", "é", ">", "=", ":s"]
        );
        assert_eq!(words("a::b"), ["a", "::", "b"]);
        assert!(tokens("SELECT 'x").is_err());
    }

    #[test]
    fn parameters_are_numbered_and_nothing_else_is_changed() {
        let found = numbered("SELECT ':a' FROM t WHERE x = :a AND y = @b AND z = $a -- :c").unwrap();
        assert_eq!(found.sql, "SELECT ':a' FROM t WHERE x = ?1 AND y = ?2 AND z = ?1 -- :c");
        assert_eq!(found.names, ["a", "b"]);
        assert_eq!(numbered("SELECT 1 : 2").unwrap().sql, "SELECT 1 : 2");
        let cast = numbered("SELECT :a::jsonb ->> 'k', body::json").unwrap();
        assert_eq!((&*cast.sql, cast.names), ("SELECT ?1::jsonb ->> 'k', body::json", vec!["a".to_owned()]));
        for nameless in ["SELECT ?", "SELECT ?1"] {
            assert_eq!(numbered(nameless), Err(StatementError::Nameless), "{nameless}");
        }
    }
}
