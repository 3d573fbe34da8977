//! Whether a reviewer's statement is a single one that only reads. The connection could not write in any case; this
//! gives the clear answer, and keeps other files out.

/// Why a statement is not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// There is nothing in it.
    #[error("the statement is empty")]
    Empty,
    /// It is not one of those that only read.
    #[error("a query must begin with SELECT, WITH, VALUES or EXPLAIN, but this one begins with {word}")]
    NotAQuery {
        /// Its first word.
        word: String,
    },
    /// There is something after its end.
    #[error("there is a second statement after the first; pass one statement at a time")]
    Several,
    /// A text, a name or a comment does not end.
    #[error("{opening} is opened and never closed")]
    Open {
        /// How it begins.
        opening: &'static str,
    },
    /// A parameter that has no name.
    #[error("a parameter has no name: write :name for it, and give its value with --param name=value")]
    Nameless,
}

/// Checks `sql`, and returns it without what follows its end.
///
/// # Errors
/// Where it is no single query.
pub fn single_query(sql: &str) -> Result<&str, StatementError> {
    let end = end_of_first(sql)?;
    let first = &sql[..end];
    let word = first_word(first)?.ok_or(StatementError::Empty)?;
    if !["select", "with", "values", "explain"].contains(&word.to_ascii_lowercase().as_str()) {
        return Err(StatementError::NotAQuery { word: word.to_owned() });
    }
    let rest = sql[end..].strip_prefix(';').unwrap_or_default();
    match end_of_first(rest).map(|end| &rest[..end]).and_then(first_word) {
        Ok(None) if !rest.contains(';') || first_word(&rest.replace(';', " ")).is_ok_and(|word| word.is_none()) => {
            Ok(first)
        }
        _ => Err(StatementError::Several),
    }
}

/// Where the first semicolon is that ends a statement.
fn end_of_first(sql: &str) -> Result<usize, StatementError> {
    let mut at = 0;
    while let Some(c) = sql[at..].chars().next() {
        match skip(c, &sql[at..])? {
            Skipped::Over(length) => at += length,
            Skipped::Plain if c == ';' => return Ok(at),
            Skipped::Plain => at += c.len_utf8(),
        }
    }
    Ok(sql.len())
}

/// The first word that is not in a comment.
fn first_word(sql: &str) -> Result<Option<&str>, StatementError> {
    let mut at = 0;
    while let Some(first) = sql[at..].chars().next() {
        let rest = &sql[at..];
        match skip(first, rest)? {
            Skipped::Over(length) if rest.starts_with("--") || rest.starts_with("/*") => at += length,
            Skipped::Plain if first.is_whitespace() || first == '\u{feff}' => at += first.len_utf8(),
            Skipped::Over(length) => return Ok(Some(&rest[..length])),
            Skipped::Plain => {
                let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                return Ok(Some(&rest[..word.max(first.len_utf8())]));
            }
        }
    }
    Ok(None)
}

pub(super) enum Skipped {
    /// A text, a quoted name or a comment of this length.
    Over(usize),
    /// An ordinary character.
    Plain,
}

/// What to make of the beginning of `rest`, whose first character is `first`.
pub(super) fn skip(first: char, rest: &str) -> Result<Skipped, StatementError> {
    let closed = |opening: &'static str, closing: &str| {
        let end = rest[opening.len()..].find(closing).ok_or(StatementError::Open { opening })?;
        Ok(Skipped::Over(opening.len() + end + closing.len()))
    };
    match first {
        '\'' => closed("'", "'"),
        '"' => closed("\"", "\""),
        '`' => closed("`", "`"),
        '[' => closed("[", "]"),
        // The line end itself is nothing either.
        '-' if rest.starts_with("--") => Ok(Skipped::Over(rest.find('\n').unwrap_or(rest.len()))),
        // SQLite takes the end of the input for the end of a comment.
        '/' if rest.starts_with("/*") => Ok(Skipped::Over(rest[2..].find("*/").map_or(rest.len(), |end| end + 4))),
        _ => Ok(Skipped::Plain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_query_passes_without_its_end() {
        for sql in [
            "SELECT 1",
            " select ';' , \";\", `;`, [;] -- ; \n , 1 /* ; */",
            "WITH a AS (SELECT 1) SELECT * FROM a",
            "values (1)",
            "/* why */ -- so\n explain query plan select 1",
            "SELECT 'it''s; fine'",
        ] {
            assert_eq!(single_query(sql), Ok(sql));
        }
        assert_eq!(single_query("SELECT 1 ; -- the end"), Ok("SELECT 1 "));
        assert_eq!(single_query("SELECT 1;;\n;"), Ok("SELECT 1"));
    }

    #[test]
    fn everything_else_is_refused() {
        for sql in ["ATTACH 'x' AS y", "PRAGMA user_version", "delete from entry", "/**/;SELECT 1", "(select 1)"] {
            assert!(single_query(sql).is_err(), "{sql}");
        }
        for sql in ["SELECT 1; SELECT 2", "SELECT 1;; DROP TABLE entry", "SELECT 1; 'x'", "SELECT 1; /* */ PRAGMA x"] {
            assert_eq!(single_query(sql), Err(StatementError::Several), "{sql}");
        }
        for sql in ["SELECT 2 - 1; SELECT 2", "SELECT 4 / 2; SELECT 2"] {
            assert_eq!(single_query(sql), Err(StatementError::Several), "{sql}");
        }
        for sql in ["", "  ", "-- x", ";", "-- x\n; SELECT 1"] {
            assert_eq!(single_query(sql), Err(StatementError::Empty), "{sql}");
        }
        assert_eq!(single_query("SELECT 'x"), Err(StatementError::Open { opening: "'" }));
    }
}
