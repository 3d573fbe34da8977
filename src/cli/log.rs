//! `keybatch log`: the entries themselves, one per line, the newest last.

use std::io::{BufWriter, Write as _};
use std::pin::Pin;
use std::time::Duration;

use super::amount::{count, count_between};
use super::liveness::{Liveness, goes_on_with};
use super::moment::{Moment, moment};
use super::pager::{Output, PagerOptions};
use super::ui::grouped;
use super::when::when;
use super::{CliError, Context, Exit, Format, shown};
use crate::domain::{Clock as _, SystemClock, time_text};
use crate::journal::{Cell, EntryFilter, JournalError, Matching, Reader, RunRecord, RunState};
use crate::record::event::KINDS;
use crate::record::{Entry, Event};
use crate::review::runs::resolve;
use crate::review::{json_escaped, json_text, one_line};
use clap::builder::PossibleValuesParser;
use tokio::signal::unix::{SignalKind, signal};

/// How many entries are read at once.
const PAGE: u32 = 1_000;

/// How often `--follow` looks for new entries.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The words that a row's outcome can have.
pub(super) const OUTCOMES: [&str; 8] =
    ["deleted", "gone", "absent", "skipped", "failed", "in_doubt", "unsettled", "not_attempted"];

/// List the journal's entries, newest last
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  keybatch log -f latest                       follow a running batch
  keybatch log -n 0 --kind attempt_finished    every answer to a delete
  keybatch log --name old-key                  everything about one key pair
  keybatch log --since 2h --outcome failed     what led to recent failures")]
pub(super) struct Args {
    /// Only entries of this run: its id, a unique prefix of 4 characters or more, or `latest`
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// Only entries of this kind
    #[arg(long, value_name = "KIND", value_parser = PossibleValuesParser::new(KINDS))]
    kind: Option<String>,
    /// Only entries of this row
    #[arg(long, value_name = "N", value_parser = count)]
    row: Option<u64>,
    /// Only entries of rows that name this key pair
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Only entries of rows with this outcome
    #[arg(long, value_name = "OUTCOME", value_parser = PossibleValuesParser::new(OUTCOMES))]
    outcome: Option<String>,
    /// Only entries since a time (2026-11-29T08:00:00Z), a day in UTC (2026-11-29), or a duration ago (90m)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Moment>,
    /// Only entries before a time, written as for --since
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Moment>,
    /// Only the last N entries; 0 for all
    #[arg(short = 'n', long = "last", value_name = "N", default_value_t = 50, value_parser = |text: &str| count_between(text, 0, u32::MAX))]
    last: u32,
    /// Keep listing new entries until the run ends (without RUN: until interrupted)
    #[arg(short, long)]
    follow: bool,
    #[command(flatten)]
    pager: PagerOptions,
}

pub(super) async fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    let reader = match context.any_reader().await {
        Err(JournalError::Missing { .. }) if !context.is_journal_named() => {
            context.ui.talk(format!("there is no journal at {} yet", context.journal));
            Out::begin(context)?.end()?;
            return Ok(Exit::Success);
        }
        opened => opened?,
    };
    let run = match &args.run {
        Some(wanted) => Some(resolve(&reader, wanted).await?),
        None => None,
    };
    let now = SystemClock::start().now();
    let time = |moment: Option<Moment>| moment.map(|moment| time_text(moment.at(now)));
    let filter = EntryFilter {
        run: run.as_ref().map(|run| run.run_no),
        kind: args.kind.clone(),
        row: args.row,
        name: args.name.clone(),
        outcome: args.outcome.clone(),
        since: time(args.since),
        until: time(args.until),
    };
    let (mut next, matching) = match args.last {
        0 => (i64::MIN, 0),
        last => reader.last_matching(&filter, last).await?,
    };
    if u64::from(args.last) < matching && context.ui.format == Format::Table {
        context.ui.talk(format!("the last {} of {}; -n 0 lists all", args.last, grouped(matching)));
    }
    let mut lines = Lines { out: Out::begin(context)?, any: false };
    let mut stopped = interrupted(args.follow);
    loop {
        // Checked first, so that entries written while the last ones are read are still listed.
        let over = !args.follow || is_over(run.as_ref(), &reader, context).await?;
        next = lines.all(&reader, &filter, next).await?;
        if over {
            break;
        }
        lines.out.flush()?;
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = &mut stopped => break,
        }
    }
    let any = lines.any;
    lines.out.end()?;
    if !any {
        context.ui.talk(args.nothing());
    }
    Ok(Exit::Success)
}

/// Whether nothing more is to come of the run that is followed: it has ended, or no session is working on it any more.
async fn is_over(run: Option<&RunRecord>, reader: &Reader, context: &Context) -> Result<bool, CliError> {
    let Some(run) = run else { return Ok(false) };
    // The lock is looked at first: a session writes how the run ended before it gives up the lock.
    let liveness = Liveness::of(&context.journal).await;
    let state = reader.runs().await?.into_iter().find(|one| one.run_no == run.run_no).map(|one| one.state);
    let Some(state) = state.filter(RunState::is_at_work) else { return Ok(true) };
    if liveness.state(state.as_str()) == state.as_str() {
        return Ok(false);
    }
    if let Some(command) = goes_on_with(state.as_str(), &run.run.to_string(), &context.ui) {
        context.ui.talk(format!("interrupted: no session is working on it; continue with: {command}"));
    }
    Ok(true)
}

/// Ends with Ctrl-C if there is something to follow: an orderly end leaves no file beside the journal.
fn interrupted(follows: bool) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    let signal = if follows { signal(SignalKind::interrupt()).ok() } else { None };
    Box::pin(async move {
        match signal {
            Some(mut signal) => drop(signal.recv().await),
            None => std::future::pending().await,
        }
    })
}

impl Args {
    /// What is followed is not paged: a pager waits for its end.
    pub(super) fn is_paged(&self) -> bool {
        !self.pager.no_pager && !self.follow
    }

    /// The message if no entry was listed.
    fn nothing(&self) -> String {
        let quoted = |name: &str, value: &String| format!("{name} {}", shown(value));
        let asked: Vec<String> = [
            self.run.as_ref().map(|run| quoted("run", run)),
            self.kind.as_ref().map(|kind| quoted("--kind", kind)),
            self.row.map(|row| format!("--row {row}")),
            self.name.as_ref().map(|name| quoted("--name", name)),
            self.outcome.as_ref().map(|outcome| quoted("--outcome", outcome)),
            self.since.as_ref().map(|_| "--since".to_owned()),
            self.until.as_ref().map(|_| "--until".to_owned()),
        ]
        .into_iter()
        .flatten()
        .collect();
        if asked.is_empty() {
            "the journal has no entries".to_owned()
        } else {
            format!("no entry matches {}", asked.join(" and "))
        }
    }
}

/// Where entries go: as bodies, as lines for people, or as cells.
enum Out {
    /// As they are stored, so that they can be hashed; on a terminal, the same JSON without anything that could control it.
    Bodies {
        out: BufWriter<Output>,
        person: bool,
    },
    People(BufWriter<Output>),
    Cells(super::ui::RowStream),
}

impl Out {
    fn begin(context: &Context) -> Result<Self, CliError> {
        Ok(match context.ui.format {
            Format::Jsonl => Self::Bodies { out: BufWriter::new(context.ui.output.clone()), person: context.ui.person },
            Format::Table => Self::People(BufWriter::new(context.ui.output.clone())),
            Format::Json | Format::Csv => Self::Cells(context.ui.stream(&[
                "seq",
                "at",
                "run_id",
                "sandbox",
                "row_no",
                "kind",
                "gist",
                "key_pair_name",
            ])?),
        })
    }

    fn flush(&mut self) -> Result<(), CliError> {
        match self {
            Self::Bodies { out, .. } | Self::People(out) => out.flush()?,
            Self::Cells(stream) => stream.flush()?,
        }
        Ok(())
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
    /// Whether any was listed.
    any: bool,
}

impl Lines {
    /// Lists everything from `next` on that exists by now; returns where to continue.
    async fn all(&mut self, reader: &Reader, filter: &EntryFilter, mut next: i64) -> Result<i64, CliError> {
        loop {
            let entries = reader.matching(filter, next, PAGE).await?;
            let Some(last) = entries.last() else { return Ok(next) };
            next = last.seq.saturating_add(1);
            for found in &entries {
                self.entry(found)?;
            }
        }
    }

    fn entry(&mut self, Matching { seq, body, run_id, sandbox, name }: &Matching) -> Result<(), CliError> {
        self.any = true;
        let (seq, sandbox) = (*seq, *sandbox);
        let entry = Entry::parse(body);
        match &mut self.out {
            // Canonical JSON has no line breaks; a damaged body must not produce any, either.
            Out::Bodies { out, person: true } if entry.is_ok() => writeln!(out, "{}", json_escaped(body.clone()))?,
            Out::Bodies { out, .. } if entry.is_ok() => writeln!(out, "{body}")?,
            Out::Bodies { out, .. } => {
                writeln!(out, "{}", json_text(&serde_json::json!({ "seq": seq, "unreadable": body })))?;
            }
            Out::People(out) => match &entry {
                Ok(entry) => {
                    let at = when(&time_text(entry.at));
                    // An intent names the key pair itself.
                    let name = name.as_deref().filter(|_| !matches!(entry.event, Event::IntentRecorded(_)));
                    let name = name.map(|name| format!(" {}", shown(name))).unwrap_or_default();
                    let row = entry.row.map(|row| format!(" row {row}{name}")).unwrap_or_default();
                    let label = if sandbox == Some(true) { "SANDBOX " } else { "" };
                    writeln!(out, "{seq} {at} {label}{}{row}: {}", entry.event.kind(), shown(&one_line(entry)))?;
                }
                Err(error) => writeln!(out, "{seq} unreadable: {}", shown(&error.to_string()))?,
            },
            Out::Cells(stream) => {
                let text = |text: String| Cell::Text(text);
                match &entry {
                    Ok(entry) => stream.row(&[
                        Cell::Integer(seq),
                        text(time_text(entry.at)),
                        run_id.clone().map_or(Cell::Null, text),
                        sandbox.map_or(Cell::Null, Cell::Boolean),
                        entry.row.and_then(|row| i64::try_from(row).ok()).map_or(Cell::Null, Cell::Integer),
                        text(entry.event.kind().to_owned()),
                        text(one_line(entry)),
                        name.clone().map_or(Cell::Null, text),
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
                            Cell::Null,
                        ])?;
                    }
                }
            }
        }
        Ok(())
    }
}
