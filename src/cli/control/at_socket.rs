//! Asks the session that has a journal in a file, through its socket.

use super::ask::{Unanswered, ask};
use super::failed::{nobody, refused, unknown, unreachable};
use super::place;
use super::wire::{Question, VERSION, Word};
use crate::cli::{CliError, Context, Exit};
use crate::journal::{Reader, RunRecord};
use crate::session::status::Status;

pub(super) async fn tell(
    (what, per_s): (Word, Option<f64>),
    context: &Context,
    reader: &Reader,
    record: &RunRecord,
) -> Result<Status, CliError> {
    let directory = place::directory(&context.environment).map_err(|why| unreachable(&why, record, context))?;
    let socket =
        place::socket(&directory, &context.journal, record.run).map_err(|why| unreachable(&why, record, context))?;
    let question =
        Question { v: VERSION, journal: place::real(&context.journal), run: record.run.to_string(), what, per_s };
    let answer = match ask(&socket, &question).await {
        Ok(answer) => answer,
        Err(Unanswered::Nobody) => return Err(nobody(record, reader, context).await),
        Err(Unanswered::Unusable(why)) => return Err(unreachable(&why, record, context)),
        Err(Unanswered::Lost(why)) => return Err(unknown(&why, record)),
    };
    match answer.refused {
        Some(why) => Err(refused(&why)),
        None => answer.status.ok_or_else(|| CliError::new(Exit::Unexpected, "the session's answer says nothing")),
    }
}
