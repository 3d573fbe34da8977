//! The questions that reviewers ask most, as SQL over the documented views: one file each, with what it answers and its
//! parameters before the statement. Its text means the same in SQLite (3.40 and later), Datasette and DuckDB; every parameter is
//! text, and the empty text is one that is not given.
//!
//! PostgreSQL understands the same text, except of those that take JSON apart: these have a second text for it.

use super::statement::StatementError;
use super::tokens::numbered;

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Its name, by which it is asked.
    pub name: &'static str,
    /// What it asks, in a few words.
    pub title: &'static str,
    /// What the rows of its answer are, in a sentence.
    pub about: &'static str,
    /// Its parameters, in the order in which they are listed.
    pub parameters: Vec<Parameter>,
    /// The statement, with named parameters (`:ticket`).
    pub sql: &'static str,
    /// The statement for a journal in PostgreSQL, with the same parameters.
    pub postgres: &'static str,
}

/// A parameter of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What its text is.
    pub kind: ParameterKind,
    /// Whether the question needs it.
    pub required: bool,
    /// What it means.
    pub about: &'static str,
}

/// What the text of a parameter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterKind {
    /// Any text.
    Text,
    /// A time in UTC, as the journal has it, or a beginning of one.
    Time,
    /// The id of a run, or a beginning of it.
    Run,
    /// Which rehearsals count: `yes`, `only` or `no`.
    Rehearsals,
}

/// What PostgreSQL is asked instead.
const FOR_POSTGRES: &[(&str, &str)] = &[
    ("deleted-but-in-use", include_str!("questions/postgres/deleted-but-in-use.sql")),
    ("deletions-by-person", include_str!("questions/postgres/deletions-by-person.sql")),
];

macro_rules! questions {
    ($($name:literal),* $(,)?) => {
        /// The name and the file of each, in the order in which they are listed.
        const FILES: &[(&str, &str)] = &[$(($name, include_str!(concat!("questions/", $name, ".sql")))),*];

        /// The names of all questions, in the order in which they are listed.
        pub const QUESTIONS: &[&str] = &[$($name),*];
    };
}

questions![
    "deletions-for-ticket",
    "deletions-by-person",
    "deletions-in-time",
    "key-pair-history",
    "in-doubt",
    "not-deleted",
    "readback-only",
    "deleted-but-in-use",
    "retries-and-throttles",
    "all-overrides",
    "approvals-per-run",
    "run-sums",
];

/// All questions.
#[must_use]
pub fn questions() -> Vec<Question> {
    FILES.iter().map(|(name, text)| read(name, text)).collect()
}

/// The question of this name.
#[must_use]
pub fn question(name: &str) -> Option<Question> {
    FILES.iter().find(|(known, _)| *known == name).map(|(name, text)| read(name, text))
}

/// Reads a question's file. A test reads all of them, so a line that says nothing here is never shipped.
fn read(name: &'static str, text: &'static str) -> Question {
    let mut question = Question { name, title: "", about: "", parameters: Vec::new(), sql: "", postgres: "" };
    let mut rest = text;
    while let Some(line) = rest.strip_prefix("-- ") {
        let (line, after) = line.split_once('\n').unwrap_or((line, ""));
        let (word, told) = line.split_once(": ").unwrap_or((line, ""));
        match word.split_once(' ') {
            None if word == "title" => question.title = told,
            None => question.about = told,
            Some((need, name)) => question.parameters.push(parameter(need == "param", name, told)),
        }
        rest = after;
    }
    question.sql = rest.trim_end();
    question.postgres =
        FOR_POSTGRES.iter().find(|(known, _)| *known == name).map_or(question.sql, |(_, sql)| sql.trim_end());
    question
}

/// `ticket`, or `since (time)`.
fn parameter(required: bool, name: &'static str, about: &'static str) -> Parameter {
    let (name, kind) = match name.split_once(' ') {
        Some((name, "(time)")) => (name, ParameterKind::Time),
        Some((name, "(run)")) => (name, ParameterKind::Run),
        Some((name, _)) => (name, ParameterKind::Rehearsals),
        None => (name, ParameterKind::Text),
    };
    Parameter { name, kind, required, about }
}

/// Values for the parameters of a statement that do not fit it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// The statement cannot be read.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// Values are missing.
    #[error("{} {} missing: {}", if names.len() == 1 { "the parameter" } else { "parameters" }, if names.len() == 1 { "is" } else { "are" }, names.join(", "))]
    Missing {
        /// The names of these parameters.
        names: Vec<String>,
    },
    /// There is no such parameter.
    #[error("there is no parameter {name:?}")]
    Unknown {
        /// As given.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// It is given more than once.
    #[error("the parameter {name:?} is given more than once")]
    Twice {
        /// As given.
        name: String,
    },
}

/// A statement with the texts that are bound to its parameters `?1`, `?2` and so on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundStatement {
    /// The statement.
    pub sql: String,
    /// The texts, in order.
    pub values: Vec<String>,
}

/// Binds `given` (name, text) to the named parameters of `sql`. Those of `optional` may be left out, which is the empty text.
///
/// # Errors
/// If a value is missing, given twice, or given for a parameter that the statement does not have.
pub fn bound(sql: &str, given: &[(String, String)], optional: &[&str]) -> Result<BoundStatement, ParameterError> {
    let found = numbered(sql)?;
    for (index, (name, _)) in given.iter().enumerate() {
        if !found.names.contains(name) {
            return Err(ParameterError::Unknown { name: name.clone(), known: found.names });
        }
        if given[..index].iter().any(|(earlier, _)| earlier == name) {
            return Err(ParameterError::Twice { name: name.clone() });
        }
    }
    let value = |name: &String| given.iter().find(|(known, _)| known == name).map(|(_, text)| text.clone());
    let is_missing = |name: &&String| value(name).is_none() && !optional.contains(&name.as_str());
    let missing: Vec<_> = found.names.iter().filter(is_missing).cloned().collect();
    if !missing.is_empty() {
        return Err(ParameterError::Missing { names: missing });
    }
    let values = found.names.iter().map(|name| value(name).unwrap_or_default()).collect();
    Ok(BoundStatement { sql: found.sql, values })
}

#[cfg(test)]
mod tests {
    use super::super::statement::single_query;
    use super::*;

    #[test]
    fn every_question_says_what_it_answers_and_names_its_parameters() {
        assert_eq!(questions().len(), QUESTIONS.len());
        for question in questions() {
            let name = question.name;
            assert!(!question.title.is_empty() && question.about.ends_with('.'), "{name}");
            assert!(!question.sql.contains("-- "), "{name}");
            assert_eq!(single_query(question.sql), Ok(question.sql), "{name}");
            assert_eq!(single_query(question.postgres), Ok(question.postgres), "{name}");
            assert_eq!(numbered(question.postgres).unwrap().names, numbered(question.sql).unwrap().names, "{name}");
            let mut listed: Vec<_> = question.parameters.iter().map(|parameter| parameter.name.to_owned()).collect();
            let mut named = numbered(question.sql).unwrap().names;
            listed.sort();
            named.sort();
            assert_eq!(listed, named, "{name}");
            assert!(listed.contains(&"sandbox".to_owned()), "{name} does not tell rehearsals from real runs");
            assert!(question.parameters.iter().all(|parameter| !parameter.about.is_empty()), "{name}");
            assert!(question.sql.contains("\nORDER BY "), "{name} gives its rows in no order");
        }
    }

    #[test]
    fn values_are_bound_and_never_pasted() {
        let given = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
        };
        let sql = "SELECT :a, :b, :a";
        let both = bound(sql, &given(&[("b", "'; DROP TABLE entry"), ("a", "1")]), &[]).unwrap();
        assert_eq!(both.sql, "SELECT ?1, ?2, ?1");
        assert_eq!(both.values, ["1", "'; DROP TABLE entry"]);
        assert_eq!(bound(sql, &given(&[("a", "1")]), &["b"]).unwrap().values, ["1", ""]);
        let error = |pairs: &[(&str, &str)]| bound(sql, &given(pairs), &[]).unwrap_err();
        assert_eq!(error(&[("a", "1")]).to_string(), "the parameter is missing: b");
        assert_eq!(error(&[]).to_string(), "parameters are missing: a, b");
        assert!(matches!(error(&[("c", "1")]), ParameterError::Unknown { .. }));
        assert!(matches!(error(&[("a", "1"), ("a", "2"), ("b", "")]), ParameterError::Twice { .. }));
    }
}
