//! The rows of a run for a page: JSON in blocks that are parsed one after the other, and some rows as they stand without a script.
//! Streams: in memory are a page of rows, the dictionary, and the rows that are shown without a script.

use std::fmt::Write as _;
use std::io::Write;

use super::ask::each;
use super::noted::{notes, pairs};
use super::safe::grouped;
use super::sentences::place;
use super::traffic::{ATTEMPTS, Counting, Told};
use super::words::{Words, maybe_quoted, quoted};
use crate::domain::parse_time;
use crate::journal::{Cell, JournalError, Reader, ReviewRow, RunRecord};
use crate::record::Entry;
use crate::review::export::ExportError;
use crate::review::one_line::one_line;

/// How many rows are read at once.
const PAGE: u32 = 1_000;

/// How many pages make a block: parsing one must not be felt.
const PAGES_A_BLOCK: u32 = 5;

/// How much a page holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// At most this many rows; of a longer run, samples.
    pub rows: u64,
    /// How many samples of each outcome.
    pub samples: u32,
    /// At most about this many bytes of rows.
    pub bytes: usize,
}

impl Default for Limits {
    /// What browsers show at once, in a file under 40 MB.
    fn default() -> Self {
        Self { rows: 100_000, samples: 1_000, bytes: 36_000_000 }
    }
}

/// How many rows are shown without a script and in print: the first ones, and then those that are not deleted.
const STATIC_FIRST: usize = 200;
const STATIC_OTHERS: usize = 1_000;

/// How many stories are told entry by entry. Those of rows that one request deleted follow from their columns.
const MOST_STORIES: u32 = 5_000;

/// Outcomes of which samples are shown, those first that ask most of a person.
const SAMPLED: [&str; 8] = ["in_doubt", "failed", "unsettled", "gone", "skipped", "not_attempted", "absent", "deleted"];

/// What is known of the rows once they were read.
#[derive(Debug, Default)]
pub struct RowBlocks {
    /// Rows that were written.
    pub(super) shown: u64,
    /// Rows that there are.
    pub(super) of: u64,
    /// Why not all were written.
    pub(super) why: Option<String>,
    /// Rows to be shown without a script.
    pub(super) stand: Vec<Standing>,
    pub(super) words: Words,
    counting: Option<Counting>,
    /// Where reading broke off.
    pub(super) gap: Option<String>,
    bytes: usize,
    stories: u32,
    limits: Limits,
}

/// A row that is shown without a script.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) row: u64,
    pub(super) name: String,
    pub(super) target: String,
    pub(super) outcome: String,
    pub(super) evidence: String,
    pub(super) detail: String,
}

impl RowBlocks {
    /// What was counted of the attempts; none where not all were read.
    pub(super) fn take_counting(&mut self) -> Option<Counting> {
        self.counting.take()
    }
}

/// Writes the rows of `run` to `spool`. Of a run that is too long, it writes samples. Where the journal cannot be read to the end, it
/// writes what comes before.
///
/// # Errors
/// If `spool` does not take it.
pub async fn rows(
    reader: &Reader,
    run: &RunRecord,
    spool: &mut (impl Write + Send),
    limits: Limits,
) -> Result<RowBlocks, ExportError> {
    let mut blocks = RowBlocks { of: run.rows, limits, ..RowBlocks::default() };
    let written = if run.rows <= limits.rows {
        blocks.counting = Some(Counting::default());
        blocks.all(reader, run, spool).await
    } else {
        blocks.why = Some(format!("it has more than {} rows", grouped(limits.rows)));
        blocks.samples(reader, run, spool).await
    };
    match written {
        Ok(()) => {}
        Err(ExportError::Journal(error)) => {
            blocks.counting = None;
            blocks.gap = Some(format!("the rows after the first {} could not be read: {error}", blocks.shown));
        }
        Err(error) => return Err(error),
    }
    spool.flush().map_err(ExportError::Write)?;
    Ok(blocks)
}

impl RowBlocks {
    async fn all(
        &mut self,
        reader: &Reader,
        run: &RunRecord,
        spool: &mut (impl Write + Send),
    ) -> Result<(), ExportError> {
        let columns = Columns::of(reader, run).await?;
        let (mut after, mut block, mut pages) = (0, String::new(), 0);
        loop {
            let page = reader.review(run.run_no, after, PAGE, None).await?;
            let Some(last) = page.last() else { break };
            self.of = self.of.max(self.shown + page.len() as u64);
            self.page(reader, run, &columns, &page, &mut block).await?;
            after = last.row;
            pages += 1;
            if pages % PAGES_A_BLOCK == 0 {
                write_block(&mut block, spool)?;
            }
        }
        write_block(&mut block, spool)
    }

    async fn samples(
        &mut self,
        reader: &Reader,
        run: &RunRecord,
        spool: &mut (impl Write + Send),
    ) -> Result<(), ExportError> {
        let columns = Columns::of(reader, run).await?;
        for outcome in SAMPLED {
            let page = reader.review(run.run_no, 0, self.limits.samples, Some(outcome)).await?;
            let mut block = String::new();
            // They are far apart, so each is asked for its attempts alone.
            for row in page.chunks(1) {
                self.page(reader, run, &columns, row, &mut block).await?;
            }
            write_block(&mut block, spool)?;
        }
        Ok(())
    }

    /// Writes a page of rows to the block.
    async fn page(
        &mut self,
        reader: &Reader,
        run: &RunRecord,
        columns: &Columns,
        page: &[ReviewRow],
        block: &mut String,
    ) -> Result<(), ExportError> {
        let (Some(first), Some(last)) = (page.first(), page.last()) else { return Ok(()) };
        let bound = [run.run.to_string(), first.row.to_string(), last.row.to_string()];
        let (mut attempts, counting) = (Vec::new(), &mut self.counting);
        let take = |cells: Vec<Cell>| {
            if let Some(counting) = counting.as_mut() {
                counting.add(&cells);
            }
            attempts.push(Told::new(&cells));
        };
        each(reader, ATTEMPTS, &bound, take).await?;
        let mut next = attempts.into_iter().peekable();
        for row in page {
            let mut own = Vec::new();
            while let Some(attempt) = next.next_if(|attempt| attempt.row <= row.row) {
                own.push(attempt);
            }
            if self.bytes > self.limits.bytes {
                self.why = Some(format!(
                    "a file of all rows would hold more than {} bytes of them",
                    grouped(self.limits.bytes as u64)
                ));
                continue;
            }
            let start = block.len();
            self.row(reader, run, columns, row, &own, block).await?;
            self.bytes += block.len() - start;
            self.shown += 1;
        }
        Ok(())
    }

    async fn row(
        &mut self,
        reader: &Reader,
        run: &RunRecord,
        columns: &Columns,
        row: &ReviewRow,
        attempts: &[Told],
        block: &mut String,
    ) -> Result<(), ExportError> {
        let cell = |index: Option<usize>| index.and_then(|index| row.cells.get(index)).and_then(Cell::as_text);
        let outcome = cell(columns.outcome).unwrap_or_default();
        let target = columns.target(row);
        let (arn_of, arn) = cell(columns.arn).and_then(|arn| arn.rsplit_once('/')).unzip();
        let notes = notes(&row.intent);
        let last_error = attempts.last().and_then(|last| last.error.as_deref());
        let detail = cell(columns.detail).or(notes.as_deref()).or(last_error);
        self.keep(columns, row, (outcome, detail));
        let annotations = cell(columns.annotations).filter(|text| *text != "{}").map(pairs);
        if !block.is_empty() {
            block.push_str(",\n");
        }
        let words = &mut self.words;
        let _ = write!(
            block,
            "[{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},[",
            row.row,
            quoted(cell(columns.name).unwrap_or_default()),
            words.json(&target),
            words.json(outcome),
            words.maybe(cell(columns.evidence)),
            words.maybe(cell(columns.detail)),
            words.maybe(cell(columns.reason)),
            words.maybe(cell(columns.ticket)),
            words.maybe(annotations.as_deref()),
            words.maybe(notes.as_deref()),
            maybe_quoted(cell(columns.created_at)),
            maybe_quoted(cell(columns.fingerprint)),
            words.maybe(arn_of),
            maybe_quoted(arn),
            maybe_quoted(cell(columns.operation_id)),
            columns.since(cell(columns.settled_at)),
            words.maybe(cell(columns.settled_outcome).filter(|settled| *settled != outcome)),
            words.maybe(cell(columns.resolved_by)),
        );
        for (index, attempt) in attempts.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let took = attempt
                .started
                .zip(attempt.finished)
                .map_or(-1, |(start, end)| (end.as_microsecond() - start.as_microsecond()) / 1_000);
            let _ = write!(
                block,
                "{comma}[{},{took},{},{},{},{}]",
                attempt.started.map_or(0, |start| start.as_millisecond() - columns.base),
                words.maybe(attempt.class.as_deref()),
                attempt.status.map_or_else(|| "null".to_owned(), |status| status.to_string()),
                maybe_quoted(attempt.request_id.as_deref()),
                words.maybe(attempt.error.as_deref()),
            );
        }
        block.push(']');
        let is_plain = attempts.len() <= 1 && !matches!(outcome, "failed" | "gone" | "in_doubt" | "unsettled");
        if !is_plain && self.stories < MOST_STORIES {
            self.stories += 1;
            block.push_str(",[");
            self.story(reader, run, row.row, columns.base, block).await?;
            block.push(']');
        }
        block.push(']');
        Ok(())
    }

    /// The entries of a row.
    async fn story(
        &mut self,
        reader: &Reader,
        run: &RunRecord,
        row: u64,
        base: i64,
        block: &mut String,
    ) -> Result<(), ExportError> {
        for (index, stored) in reader.story(run.run_no, row).await?.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let (at, kind, gist) = match Entry::parse(&stored.body) {
                Ok(entry) => ((entry.at.as_millisecond() - base).to_string(), entry.event.kind(), one_line(&entry)),
                Err(error) => ("null".to_owned(), "unreadable", error.to_string()),
            };
            let _ = write!(block, "{comma}[{},{at},{},{}]", stored.seq, self.words.json(kind), self.words.json(&gist));
        }
        Ok(())
    }

    /// Keeps a row that is shown without a script, with the detail that the page shows.
    fn keep(&mut self, columns: &Columns, row: &ReviewRow, (outcome, detail): (&str, Option<&str>)) {
        let is_other = outcome != "deleted" && self.stand.len() < STATIC_FIRST + STATIC_OTHERS;
        if self.stand.len() >= STATIC_FIRST && !is_other {
            return;
        }
        let cell = |index: Option<usize>| {
            index.and_then(|index| row.cells.get(index)).and_then(Cell::as_text).unwrap_or_default().to_owned()
        };
        self.stand.push(Standing {
            row: row.row,
            name: cell(columns.name),
            target: columns.target(row),
            outcome: outcome.to_owned(),
            evidence: cell(columns.evidence),
            detail: detail.unwrap_or_default().to_owned(),
        });
    }
}

fn write_block(block: &mut String, spool: &mut impl Write) -> Result<(), ExportError> {
    if !block.is_empty() {
        let script = writeln!(spool, "<script type=\"application/json\" class=\"rows\">[{block}]</script>");
        script.map_err(ExportError::Write)?;
        block.clear();
    }
    Ok(())
}

/// Where the columns of the view are, and from when times are counted.
#[derive(Debug)]
struct Columns {
    name: Option<usize>,
    account: Option<usize>,
    region: Option<usize>,
    outcome: Option<usize>,
    evidence: Option<usize>,
    detail: Option<usize>,
    reason: Option<usize>,
    ticket: Option<usize>,
    annotations: Option<usize>,
    created_at: Option<usize>,
    fingerprint: Option<usize>,
    arn: Option<usize>,
    operation_id: Option<usize>,
    settled_at: Option<usize>,
    settled_outcome: Option<usize>,
    resolved_by: Option<usize>,
    /// Milliseconds since 1970.
    base: i64,
}

impl Columns {
    async fn of(reader: &Reader, run: &RunRecord) -> Result<Self, JournalError> {
        let names = reader.review_columns().await?;
        let at = |wanted: &str| names.iter().position(|name| name == wanted);
        Ok(Self {
            name: at("key_pair_name"),
            account: at("account_id"),
            region: at("region"),
            outcome: at("outcome"),
            evidence: at("evidence"),
            detail: at("detail"),
            reason: at("reason"),
            ticket: at("ticket"),
            annotations: at("annotations"),
            created_at: at("created_at"),
            fingerprint: at("fingerprint"),
            arn: at("arn"),
            operation_id: at("operation_id"),
            settled_at: at("settled_at"),
            settled_outcome: at("settled_outcome"),
            resolved_by: at("resolved_by"),
            base: base(reader, run).await?,
        })
    }

    fn target(&self, row: &ReviewRow) -> String {
        let cell = |index: Option<usize>| index.and_then(|index| row.cells.get(index)).and_then(Cell::as_text);
        place(cell(self.account).unwrap_or_default(), cell(self.region).unwrap_or_default())
    }

    /// A time as milliseconds since the base, as JSON.
    fn since(&self, time: Option<&str>) -> String {
        let at = time.and_then(parse_time);
        at.map_or_else(|| "null".to_owned(), |at| (at.as_millisecond() - self.base).to_string())
    }
}

/// When the run began.
pub(super) async fn base(reader: &Reader, run: &RunRecord) -> Result<i64, JournalError> {
    Ok(parse_time(&reader.about(run.run_no).await?.started_at).map_or(0, |at| at.as_millisecond()))
}
