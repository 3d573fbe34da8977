//! `keybatch log`: the entries themselves, one a line, the newest last.

use std::collections::HashSet;
use std::io::{BufWriter, Write as _};

use super::runs::to_the_second;
use super::{CliError, Context, Exit, Format, shown};
use crate::audit::runs::resolve;
use crate::audit::{gist, json_escaped, json_text, kind};
use crate::domain::{RunId, time_text};
use crate::journal::Entry;
use crate::journal::sqlite::{Cell, EntryFilter, SqliteReader};

/// How many entries are read at once.
const PAGE: u32 = 1_000;

/// List the journal's entries, the newest last
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only those of this run: its id, a unique beginning of it, or `latest`
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// Only those of this kind, e.g. `attempt_finished`
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only those of this row
    #[arg(long, value_name = "N")]
    row: Option<u64>,
    /// Only the last of them; 0 for all
    #[arg(short = 'n', long = "last", value_name = "N", default_value_t = 50)]
    last: u32,
}

pub(super) async fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    let reader = SqliteReader::open(&context.journal).await?;
    let sandboxes = reader.runs().await?.into_iter().filter(|run| run.sandbox).map(|run| run.run).collect();
    let run = match &args.run {
        Some(wanted) => Some(resolve(&reader, wanted).await?.run.to_string()),
        None => None,
    };
    let filter = EntryFilter { run, kind: args.kind.clone(), row: args.row };
    let mut next = if args.last == 0 { i64::MIN } else { reader.last_matching(&filter, args.last).await? };
    let mut lines = Lines { out: Out::begin(context)?, sandboxes };
    loop {
        let entries = reader.matching(&filter, next, PAGE).await?;
        let Some((last, _)) = entries.last() else { break };
        next = last.saturating_add(1);
        for (seq, body) in &entries {
            lines.entry(*seq, body)?;
        }
    }
    lines.out.end()?;
    Ok(Exit::Success)
}

/// Where entries go: as bodies, as lines for people, or as cells.
enum Out {
    /// As they are stored, so that they can be hashed; on a terminal, the same JSON without anything that could steer it.
    Bodies {
        out: BufWriter<std::io::Stdout>,
        person: bool,
    },
    People(BufWriter<std::io::Stdout>),
    Cells(super::ui::RowStream),
}

impl Out {
    fn begin(context: &Context) -> Result<Self, CliError> {
        Ok(match context.ui.format {
            Format::Jsonl => Self::Bodies { out: BufWriter::new(std::io::stdout()), person: context.ui.person },
            Format::Table => Self::People(BufWriter::new(std::io::stdout())),
            Format::Json | Format::Csv => {
                Self::Cells(context.ui.stream(&["seq", "at", "run_id", "sandbox", "row_no", "kind", "gist"])?)
            }
        })
    }

    fn end(self) -> Result<(), CliError> {
        match self {
            Self::Bodies { mut out, .. } | Self::People(mut out) => out.flush()?,
            Self::Cells(stream) => stream.end()?,
        }
        Ok(())
    }
}

/// Entries on their way out.
struct Lines {
    out: Out,
    /// The runs that were rehearsals.
    sandboxes: HashSet<RunId>,
}

impl Lines {
    fn entry(&mut self, seq: i64, body: &str) -> Result<(), CliError> {
        let entry = Entry::parse(body);
        let sandbox = entry.as_ref().is_ok_and(|entry| entry.run.is_some_and(|run| self.sandboxes.contains(&run)));
        match &mut self.out {
            // Canonical JSON has no line breaks; a damaged body must not make any either.
            Out::Bodies { out, person: true } if entry.is_ok() => writeln!(out, "{}", json_escaped(body.to_owned()))?,
            Out::Bodies { out, .. } if entry.is_ok() => writeln!(out, "{body}")?,
            Out::Bodies { out, .. } => {
                writeln!(out, "{}", json_text(&serde_json::json!({ "seq": seq, "unreadable": body })))?;
            }
            Out::People(out) => match &entry {
                Ok(entry) => {
                    let at = to_the_second(&time_text(entry.at));
                    let row = entry.row.map(|row| format!(" row {row}")).unwrap_or_default();
                    let label = if sandbox { "SANDBOX " } else { "" };
                    writeln!(out, "{seq} {at} {label}{}{row}: {}", kind(&entry.event), shown(&gist(entry)))?;
                }
                Err(error) => writeln!(out, "{seq} unreadable: {}", shown(&error.to_string()))?,
            },
            Out::Cells(stream) => {
                let text = |text: String| Cell::Text(text);
                match &entry {
                    Ok(entry) => stream.row(&[
                        Cell::Integer(seq),
                        text(time_text(entry.at)),
                        entry.run.map_or(Cell::Null, |run| text(run.to_string())),
                        Cell::Integer(i64::from(sandbox)),
                        entry.row.and_then(|row| i64::try_from(row).ok()).map_or(Cell::Null, Cell::Integer),
                        text(kind(&entry.event).to_owned()),
                        text(gist(entry)),
                    ])?,
                    Err(error) => {
                        let unreadable = [text("unreadable".into()), text(error.to_string())];
                        let [kind, gist] = unreadable;
                        stream.row(&[
                            Cell::Integer(seq),
                            Cell::Null,
                            Cell::Null,
                            Cell::Null,
                            Cell::Null,
                            kind,
                            gist,
                        ])?;
                    }
                }
            }
        }
        Ok(())
    }
}
