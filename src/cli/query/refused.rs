//! Why a statement gave no answer, or only the beginning of one: with the place in its text, and with how far it came.

use super::super::hint::Hint;
use super::super::settings::source::Source;
use super::super::{CliError, Code, Exit};
use crate::domain::counted;
use crate::journal::{JournalError, Reader};
use crate::review::{refused_at, views};

/// A word that is this similar to a view or a column is taken for a typing error.
const SIMILAR: f64 = 0.8;

/// The error for a statement that the database refuses, at its place if that is known.
pub(super) async fn refused(reader: &Reader, sql: &str, reason: &str, rows: u64) -> CliError {
    let place = refused_at(reader, sql, reason).await.ok().flatten();
    let Some(at) = place else {
        let came = if rows == 0 { String::new() } else { format!(" after {}", counted(rows, "row", "rows")) };
        return CliError::new(Exit::Usage, format!("the statement failed{came}: {reason}")).code(Code::Statement);
    };
    let hint = hint(&sql[at.clone()]);
    let source = Source { name: "SQL".into(), text: sql.into() };
    let fault = source.fault(at, Code::Statement.as_str(), reason).hint(hint);
    let place = format!("line {}, column {}", fault.line, fault.column);
    let mut error =
        CliError::new(Exit::Usage, format!("the statement cannot be run ({place}): {reason}")).code(Code::Statement);
    error.details.file_faults.push(fault);
    error
}

fn hint(word: &str) -> String {
    let views = views();
    let names = || views.iter().flat_map(|view| view.columns.iter().map(|(name, _)| *name).chain([view.name]));
    let see = "keybatch query --schema shows the views with their columns";
    if word.is_empty() || names().any(|name| name == word) {
        return see.into();
    }
    let near = names().map(|name| (strsim::jaro(name, word), name)).max_by(|left, right| left.0.total_cmp(&right.0));
    match near.filter(|(similarity, _)| *similarity >= SIMILAR) {
        Some((_, name)) => format!("did you mean {name}? {see}"),
        None => see.into(),
    }
}

/// The error for a journal that cannot be read to the end of the answer.
pub(super) fn stopped(error: &JournalError, rows: u64) -> CliError {
    let came = match rows {
        0 => "before the first row of the answer".to_owned(),
        rows => format!("after {}, which are not the whole answer", counted(rows, "row", "rows")),
    };
    let told = CliError::from_error(Exit::Environment, error);
    CliError { message: format!("the journal is damaged: reading stopped {came}: {}", told.message), ..told }
        .code(Code::JournalDamaged)
        .hint(Hint::command("`", ["verify"]).and("` says what is damaged, or whether the disk is unreadable"))
}
