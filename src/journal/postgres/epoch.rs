//! Which session it is that a store appends for.

use sqlx::postgres::PgRow;

use super::link::get;
use crate::journal::{Holder, JournalError};

/// Which session of all that ever held the journal. A store appends with the epoch of its session's hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch(pub(super) i64);

/// Who holds it, as far as that can be read.
pub(super) fn its_holder(row: &PgRow) -> Result<Option<Box<Holder>>, JournalError> {
    let text: Option<String> = get(row, "its_holder")?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}
