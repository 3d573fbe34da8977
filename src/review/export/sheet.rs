//! The columns of an export: those of the manifest, in their order, and what became of each row.

use std::collections::BTreeSet;

use super::super::as_text::cell_text;
use crate::journal::{Cell, ColumnKind, JournalError, ReviewRow, RunRecord};
use crate::manifest::Meaning;
use crate::record::Entry;
use crate::record::event::Event;
use crate::record::plan::PlanRow;

/// The columns that follow the manifest's own, as the view `intents` calls them.
const ADDED: [&str; 18] = [
    "account_id",
    "region",
    "arn",
    "fingerprint",
    "created_at",
    "outcome",
    "evidence",
    "detail",
    "attempts",
    "operation_id",
    "request_id",
    "error_code",
    "error_message",
    "attempted_at",
    "settled_at",
    "operator",
    "row_no",
    "run_id",
];

/// Whether all this was a rehearsal.
const SANDBOX: &str = "sandbox";

/// Where the run's requests went; the last column.
const ENDPOINT: &str = "endpoint";

/// The columns of an export, and how the rows of a run become rows of it.
#[derive(Debug)]
pub(super) struct Sheet {
    /// The manifest's columns, as written.
    columns: Vec<String>,
    /// Where the added ones are in the view.
    added: [Option<usize>; ADDED.len()],
    run: RunRecord,
}

impl Sheet {
    pub(super) fn new(names: &[String], columns: Vec<String>, run: &RunRecord) -> Self {
        let columns = if columns.is_empty() { vec!["key_pair_name".to_owned()] } else { columns };
        let added = ADDED.map(|added| names.iter().position(|name| name == added));
        Self { columns, added, run: run.clone() }
    }

    /// The names of all columns: the manifest's as written, and the added ones, which have the names of no others.
    pub(super) fn header(&self) -> Vec<String> {
        // Two columns of one meaning (`Region` and `region`) would make the export a faulty manifest, and databases take names that
        // differ in capitals for one.
        let alike = |column: &str, name: &str| Meaning::of(name).is_some() && Meaning::of(column) == Meaning::of(name);
        let same = |column: &str, name: &str| column.trim().eq_ignore_ascii_case(name);
        let taken = |name: &str| self.columns.iter().any(|column| same(column, name) || alike(column, name));
        let added = ADDED.into_iter().chain([SANDBOX, ENDPOINT]);
        // An export may have been made a manifest, and that one's export again.
        let added = added.map(|name| {
            let mut name = name.to_owned();
            while taken(&name) {
                name.insert_str(0, "keybatch_");
            }
            name
        });
        self.columns.iter().cloned().chain(added).collect()
    }

    /// The same columns for databases: no two names are the same but for capitals, and each has a kind.
    pub(super) fn typed(&self) -> Vec<(String, ColumnKind)> {
        let mut taken: BTreeSet<String> = BTreeSet::new();
        let header = self.header();
        // The added columns keep their names.
        taken.extend(header[self.columns.len()..].iter().map(|name| name.to_ascii_lowercase()));
        let kinds = vec![ColumnKind::Text; self.columns.len()].into_iter().chain(kinds());
        let mut typed = Vec::with_capacity(header.len());
        for (index, (mut name, kind)) in header.into_iter().zip(kinds).enumerate() {
            let written = name.clone();
            let mut number = 1;
            while index < self.columns.len() && !taken.insert(name.to_ascii_lowercase()) {
                number += 1;
                name = format!("{written}_{number}");
            }
            typed.push((name, kind));
        }
        typed
    }

    /// The column that numbers the rows.
    pub(super) fn key(&self) -> Option<usize> {
        ADDED.iter().position(|name| *name == "row_no").map(|index| self.columns.len() + index)
    }

    /// The columns that no row leaves empty: numbers that readers would otherwise take for fractions.
    pub(super) fn always(&self) -> Vec<usize> {
        let is_one = |name: &str| name == "row_no" || name == "attempts";
        let added = ADDED.iter().enumerate().filter(|(_, name)| is_one(name));
        added.map(|(index, _)| index).chain([ADDED.len()]).map(|index| self.columns.len() + index).collect()
    }

    /// A row of the run as a row of the export: numbers, true or false, and texts.
    pub(super) fn row(&self, row: &ReviewRow) -> Result<Vec<Cell>, JournalError> {
        let entry = Entry::parse(&row.intent).map_err(|error| JournalError::Entry(error.into()))?;
        let Event::IntentRecorded(intent) = entry.event else {
            let reason = format!("entry {} is not the intent of row {}", entry.seq, row.row);
            return Err(JournalError::Damaged { reason });
        };
        let text = |text: &str| if text.is_empty() { Cell::Null } else { Cell::Text(text.to_owned()) };
        let own = self.columns.iter().map(|column| text(written(&intent.line, column).unwrap_or_default()));
        let mut cells: Vec<_> = own.collect();
        for ((name, kind), index) in ADDED.iter().zip(kinds()).zip(self.added) {
            let cell = index.and_then(|index| row.cells.get(index)).unwrap_or(&Cell::Null);
            cells.push(match (kind, cell) {
                (ColumnKind::Integer, Cell::Integer(_)) => cell.clone(),
                (ColumnKind::Integer, _) => {
                    let reason = format!("{name} of row {} is no number", row.row);
                    return Err(JournalError::Damaged { reason });
                }
                (_, cell) => cell_text(cell).map_or(Cell::Null, Cell::Text),
            });
        }
        cells.push(Cell::Boolean(self.run.sandbox));
        cells.push(self.run.endpoint.clone().map_or(Cell::Null, Cell::Text));
        Ok(cells)
    }
}

/// The kinds of the added columns.
fn kinds() -> impl Iterator<Item = ColumnKind> {
    let kind = |name| match name {
        "attempts" | "row_no" => ColumnKind::Integer,
        "created_at" | "attempted_at" | "settled_at" => ColumnKind::Time,
        SANDBOX => ColumnKind::Boolean,
        _ => ColumnKind::Text,
    };
    ADDED.into_iter().chain([SANDBOX, ENDPOINT]).map(kind)
}

/// The columns that the manifest had, if the event tells.
pub(super) fn manifest_columns(event: Event) -> Vec<String> {
    match event {
        Event::ManifestIngested(ingested) => ingested.columns,
        Event::RunStopped(stopped) => stopped.manifest.map(|manifest| manifest.columns).unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// What the manifest had in this column; nothing where the cell was empty.
fn written<'a>(line: &'a PlanRow, column: &str) -> Option<&'a str> {
    // A column may be an annotation although its name has a meaning: where `--annotation` said so.
    let annotation = line.annotations.get(column).map(String::as_str);
    if annotation.is_some() {
        return annotation;
    }
    match Meaning::of(column) {
        None => None,
        Some(Meaning::Name) => Some(&line.name),
        Some(Meaning::Reason) => line.reason.as_deref(),
        Some(Meaning::Ticket) => line.ticket.as_deref(),
        Some(meaning) => line.conditions.get(meaning.spellings()[0]).map(String::as_str),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::plan::Verdict;

    fn run() -> RunRecord {
        RunRecord {
            run_no: 1,
            run: crate::domain::RunId(uuid::Uuid::nil()),
            state: "finished".into(),
            stopped_by: None,
            manifest_sha256: None,
            rows: 0,
            account: None,
            endpoint: None,
            sandbox: false,
            plan_root: None,
            manifest_seq: None,
            sealed_seq: None,
            started_seq: None,
            reads: 0,
            reads_throttled: 0,
        }
    }

    /// Databases take names that differ in capitals for one.
    #[test]
    fn a_database_has_no_two_columns_whose_names_differ_in_capitals_only() {
        let columns = ["Owner", "owner", "owner_2", "OWNER", "Row_No"].map(str::to_owned).to_vec();
        let typed = Sheet::new(&[], columns, &run()).typed();
        let names: Vec<_> = typed.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names[..6], ["Owner", "owner_2", "owner_2_2", "OWNER_3", "Row_No", "account_id"]);
        let different: BTreeSet<_> = names.iter().map(|name| name.to_lowercase()).collect();
        assert_eq!(different.len(), names.len(), "{names:?}");
        assert!(names.contains(&"keybatch_row_no"), "{names:?}");
    }

    #[test]
    fn no_column_has_the_name_of_another() {
        let header = |columns: &[&str]| {
            let columns = columns.iter().copied().map(str::to_owned).collect();
            Sheet::new(&[], columns, &run()).header()
        };
        let mut own = vec!["name"];
        for _ in 0..3 {
            let header = header(&own);
            assert_eq!(header[..own.len()], own);
            assert_eq!(header.len(), own.len() + ADDED.len() + 2);
            let different: std::collections::BTreeSet<_> = header.iter().collect();
            assert_eq!(different.len(), header.len(), "{header:?}");
            own.push(["Outcome", "keybatch_outcome", "sandbox"][own.len() - 1]);
        }
        assert_eq!(header(&["name", " outcome"])[7..9], ["keybatch_outcome", "evidence"]);
        assert_eq!(header(&[])[..2], ["key_pair_name", "account_id"]);
        let alike = header(&["Name", "AccountId", "location/regionName", "expected_fingerprint"]);
        let added = ["keybatch_account_id", "keybatch_region", "arn", "keybatch_fingerprint", "created_at"];
        assert_eq!(alike[4..9], added, "no two columns of one meaning");
    }

    /// Whatever the manifest called a column.
    #[test]
    fn a_manifest_finds_its_cells_again_under_each_spelling() {
        let cell = |name: &str| (name.to_owned(), format!("of {name}"));
        let conditions = ["account_id", "arn", "created_at", "expected_fingerprint", "region"].map(cell).into();
        let line = PlanRow {
            conditions,
            reason: Some("of reason".into()),
            ticket: Some("of ticket".into()),
            annotations: [("Owner ".to_owned(), "amelie".to_owned())].into(),
            ..PlanRow::of(1, "of key_pair_name".into(), "1".into(), "r".into(), Verdict::Skip)
        };
        for meaning in Meaning::ALL {
            for spelling in meaning.spellings() {
                let expected = format!("of {}", meaning.spellings()[0]);
                assert_eq!(written(&line, &format!(" {spelling}")), Some(&*expected), "{spelling}");
            }
        }
        assert_eq!((written(&line, "Owner "), written(&line, "Owner")), (Some("amelie"), None));
    }
}
