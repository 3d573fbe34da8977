//! `keybatch runs --watch`: the runs, with who is at work on them and how far they are, over and over.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use super::line::{Line, as_number};
use super::listed::{Admits, Listed, read};
use crate::cli::progress::{Pace, left, rate};
use crate::cli::ui::{RowStream, grouped};
use crate::cli::when::when;
use crate::cli::{CliError, Context, Exit, Format, shown};
use crate::domain::{Clock as _, SystemClock, counted};
use crate::journal::{Cell, JournalError, Reader, RunState};
use crate::review::runs::short;
use crate::review::{AtWork, Lapsed, sessions_at_work};

/// How often it looks.
const EVERY: Duration = Duration::from_secs(1);
/// The part of the time that reading takes at most, of a large journal on a busy server: this many times as long it rests.
const REST: u32 = 4;
/// How often a plain line tells of mere progress.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// A run as it is now.
struct Seen {
    id: String,
    line: Line,
    cells: Vec<Cell>,
    at_work: Vec<AtWork>,
    settled: u64,
    /// In words: how many rows are settled, how fast, and how long the rest takes.
    progress: String,
}

/// What is remembered from one look to the next.
#[derive(Default)]
struct Memory {
    lapsed: BTreeMap<i64, Lapsed>,
    paces: HashMap<String, Pace>,
}

/// Shows the runs until Ctrl-C or, where no person looks on, until none is at work.
pub(super) async fn watch(admits: &Admits<'_>, last: usize, context: &Context) -> Result<Exit, CliError> {
    let reader = match context.any_reader().await {
        Err(JournalError::Missing { .. }) if !context.is_journal_named() => {
            context.ui.talk(format!("there is no journal at {} yet", context.journal));
            return Ok(Exit::Success);
        }
        opened => opened?,
    };
    let mut interrupt =
        signal(SignalKind::interrupt()).map_err(|error| CliError::from_error(Exit::Unexpected, &error))?;
    let is_dumb = context.environment.variable("TERM").is_none_or(|term| term == "dumb");
    let is_screen = context.ui.person && context.ui.format == Format::Table && !is_dumb;
    let (mut memory, mut out) = (Memory::default(), Out::new(is_screen));
    loop {
        let began = Instant::now();
        let (names, seen) = look(&reader, (admits, last), context, &mut memory).await?;
        out.show(&names, &seen, context)?;
        if !is_screen && seen.iter().all(|run| run.at_work.is_empty()) {
            break;
        }
        let rest = EVERY.saturating_sub(began.elapsed()).max(began.elapsed() * REST);
        tokio::select! {
            biased;
            _ = interrupt.recv() => break,
            () = tokio::time::sleep(rest) => {}
        }
    }
    out.end(context)?;
    Ok(Exit::Success)
}

/// The columns of the view, and the runs.
async fn look(
    reader: &Reader,
    (admits, last): (&Admits<'_>, usize),
    context: &Context,
    memory: &mut Memory,
) -> Result<(Vec<String>, Vec<Seen>), CliError> {
    let (listed, _) = read(reader, admits, context).await?;
    let Listed { names, mut rows, ids, paused, runs } = listed;
    rows.truncate(last);
    let shorts: HashMap<String, String> = ids.iter().map(ToString::to_string).zip(short(&ids)).collect();
    let column =
        |row: &[Cell], name: &str| names.iter().position(|known| known == name).and_then(|at| row.get(at).cloned());
    let mut seen = Vec::new();
    for cells in rows {
        let text =
            |name: &str| column(&cells, name).and_then(|cell| cell.as_text().map(str::to_owned)).unwrap_or_default();
        let number = |name: &str| column(&cells, name).and_then(|cell| as_number(&cell)).unwrap_or(0);
        let (id, total) = (text("run_id"), number("rows"));
        let open = number("not_attempted") + number("unsettled");
        let settled = u64::try_from(total - open).unwrap_or(0);
        let record = runs.iter().find(|run| run.run.to_string() == id);
        // Of one that is interrupted, the journal still says that it runs.
        let at_work = match record.filter(|_| RunState::from(text("state").as_str()).is_at_work()) {
            Some(run) => sessions_at_work(reader, run, memory.lapsed.entry(run.run_no).or_default()).await?,
            None => Vec::new(),
        };
        let per_s = memory.paces.entry(id.clone()).or_insert_with(|| Pace::new(settled)).now(settled);
        let mut progress =
            format!("{} of {} settled", grouped(settled), counted(u64::try_from(total).unwrap_or(0), "row", "rows"));
        if !at_work.is_empty() {
            let rest =
                left(u64::try_from(open).unwrap_or(0), per_s).map(|left| format!(", {left}")).unwrap_or_default();
            let _ = write!(progress, ", {}{rest}", rate(per_s));
        }
        let line = Line::new(&names, &cells, (&shorts, &paused));
        seen.push(Seen { id, line, cells, at_work, settled, progress });
    }
    Ok((names, seen))
}

/// Where they are shown.
enum Out {
    /// On a terminal: each look replaces the one before it, which had so many lines.
    Screen(usize),
    /// A line for each change. Holds the last line of each run, and when it was printed.
    Lines(HashMap<String, (String, u64, Instant)>, Option<RowStream>),
}

impl Out {
    fn new(is_screen: bool) -> Self {
        if is_screen { Self::Screen(0) } else { Self::Lines(HashMap::new(), None) }
    }

    fn show(&mut self, names: &[String], seen: &[Seen], context: &Context) -> Result<(), CliError> {
        match self {
            Self::Screen(before) => {
                let frame = frame(seen, context);
                // Lines that are too long are cut, not wrapped: otherwise nobody knows how many there are.
                let back = if *before == 0 { String::new() } else { format!("\x1b[{before}A\r\x1b[J") };
                context.ui.data(&format!("{back}\x1b[?7l{frame}\x1b[?7h"))?;
                *before = frame.lines().count();
                Ok(())
            }
            Self::Lines(told, stream) => {
                for run in seen {
                    let state = format!("{} {:?}", run.line.state, run.at_work);
                    let is_data = context.ui.format != Format::Table;
                    let is_told = told.get(&run.id).is_some_and(|(before, settled, at)| {
                        *before == state && (*settled == run.settled || !is_data && at.elapsed() < LINE_EVERY)
                    });
                    if is_told {
                        continue;
                    }
                    told.insert(run.id.clone(), (state, run.settled, Instant::now()));
                    if is_data { row(stream, names, run, context)? } else { context.ui.data(&plain(run))? }
                }
                stream.as_mut().map_or(Ok(()), RowStream::flush)?;
                Ok(())
            }
        }
    }

    fn end(self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::Lines(_, Some(stream)) => stream.end()?,
            Self::Lines(told, None) if told.is_empty() => context.ui.talk("the journal has no such runs"),
            _ => {}
        }
        Ok(())
    }
}

/// A run as programs see it: the columns of the view, and how many sessions are at work.
fn row(stream: &mut Option<RowStream>, names: &[String], run: &Seen, context: &Context) -> Result<(), CliError> {
    let stream = match stream {
        Some(stream) => stream,
        None => {
            let header: Vec<&str> = names.iter().map(String::as_str).chain(["at_work"]).collect();
            stream.insert(context.ui.stream(&header)?)
        }
    };
    let boolean =
        |(name, cell): (&String, &Cell)| if name == "sandbox" { cell.clone().into_boolean() } else { cell.clone() };
    let mut cells: Vec<Cell> = names.iter().zip(&run.cells).map(boolean).collect();
    cells.push(Cell::Integer(i64::try_from(run.at_work.len()).unwrap_or(i64::MAX)));
    Ok(stream.row(&cells)?)
}

/// A run in one line.
fn plain(run: &Seen) -> String {
    let Line { id, state, outcomes, label, .. } = &run.line;
    let label = if label.is_empty() { String::new() } else { format!(" {label}") };
    let outcomes = if outcomes.is_empty() { String::new() } else { format!(" ({})", shown(outcomes)) };
    let at_work: Vec<_> = run.at_work.iter().map(|one| who(one, false)).collect();
    let at_work = if at_work.is_empty() { String::new() } else { format!("; at work: {}", at_work.join("; ")) };
    let now = SystemClock::start().now().strftime("%Y-%m-%dT%H:%M:%SZ");
    format!("{now} {}{label} {}: {}{outcomes}{at_work}\n", shown(id), shown(state), run.progress)
}

/// The runs for a terminal, cut to its height, the newest first.
fn frame(seen: &[Seen], context: &Context) -> String {
    let mut frame = String::new();
    for run in seen {
        frame.push_str(&run.line.for_people(&context.ui));
        if !run.at_work.is_empty() {
            let _ = writeln!(frame, "  {}", run.progress);
        }
        for one in &run.at_work {
            let _ = writeln!(frame, "  at work: {}", who(one, true));
        }
    }
    if seen.is_empty() {
        frame.push_str("no such runs yet\n");
    }
    let rows = rustix::termios::tcgetwinsize(io::stdout()).map_or(0, |size| usize::from(size.ws_row));
    let height = if rows == 0 { 24 } else { rows.max(3) };
    let lines: Vec<&str> = frame.lines().collect();
    if lines.len() < height {
        return frame;
    }
    // One line says so, and the cursor stands in the last one.
    let kept = &lines[..height - 2];
    format!(
        "{}\n… {} more lines: enlarge the window, or choose with -n or --state\n",
        kept.join("\n"),
        lines.len() - kept.len()
    )
}

fn who(AtWork { session, command, pid, host, user, since }: &AtWork, is_long: bool) -> String {
    let since = if is_long { format!(", since {}", when(since)) } else { String::new() };
    format!(
        "keybatch {} (session {session}), process {pid} on {}, by {}{since}",
        shown(command),
        shown(host),
        shown(user)
    )
}
