//! Deleted key pairs whose public key instances keep, as the plan's inventory knew them.

use super::ask::{all, number, text};
use super::facts::InUse;
use crate::journal::{JournalError, Reader, RunRecord};
use crate::record::Entry;
use crate::record::event::Event;

/// How many rows are listed.
const LISTED: usize = 1_000;

/// Intents that are read at once: a megabyte or so.
const PAGE: u32 = 1_000;

/// What such an intent contains.
const NOTED: &[u8] = br#""note":"in_use""#;

/// A row that the plan noted.
struct Noted {
    row: u64,
    instances: String,
}

/// The rows, and how many more there are than are listed.
pub(super) async fn in_use(reader: &Reader, run: &RunRecord) -> Result<(Vec<InUse>, u64), JournalError> {
    let (mut listed, mut more, mut after) = (Vec::new(), 0, 0);
    while let Some(page) = reader.intents(run.run_no, after, PAGE).await? {
        after = page.last;
        let finder = memchr::memmem::Finder::new(NOTED);
        let noted: Vec<_> = page.bodies().filter(|body| finder.find(body).is_some()).filter_map(noted).collect();
        for chunk in noted.chunks(500) {
            for found in outcomes(reader, run, chunk).await? {
                if listed.len() < LISTED { listed.push(found) } else { more += 1 }
            }
        }
    }
    Ok((listed, more))
}

fn noted(body: &[u8]) -> Option<Noted> {
    let Event::IntentRecorded(intent) = Entry::parse(std::str::from_utf8(body).ok()?).ok()?.event else { return None };
    let notes = intent.today.as_ref().map_or(&intent.line.notes, |today| &today.notes);
    let note = notes.iter().find(|note| note.kind == "in_use")?;
    Some(Noted { row: intent.line.row, instances: note.text.clone() })
}

/// Those of the rows that count as deleted or gone.
async fn outcomes(reader: &Reader, run: &RunRecord, noted: &[Noted]) -> Result<Vec<InUse>, JournalError> {
    let rows: Vec<_> = noted.iter().map(|noted| noted.row.to_string()).collect();
    let sql = format!(
        "SELECT row_no, key_pair_name, account_id, region, outcome FROM intents \
         WHERE run_id = ?1 AND row_no IN ({}) AND outcome IN ('deleted', 'gone') ORDER BY row_no",
        rows.join(", ")
    );
    let found = all(reader, &sql, &[run.run.to_string()]).await?;
    let of = |row: u64| noted.iter().find(|noted| noted.row == row).map(|noted| noted.instances.clone());
    Ok(found
        .iter()
        .map(|cells| InUse {
            row: number(cells, 0),
            key_pair_name: text(cells, 1).unwrap_or_default(),
            account: text(cells, 2).unwrap_or_default(),
            region: text(cells, 3).unwrap_or_default(),
            outcome: text(cells, 4).unwrap_or_default(),
            instances: of(number(cells, 0)).unwrap_or_default(),
        })
        .collect())
}
