//! The one place that prints. Data goes to standard output, talk to standard error.

use std::io::{self, Write};
use std::sync::Arc;

use clap::builder::styling::{AnsiColor, Style};
use comfy_table::presets::{NOTHING, UTF8_FULL_CONDENSED};
use comfy_table::{ColumnConstraint, ContentArrangement, Table};

use super::environment::Environment;
use super::error::{CliError, Sent};
use super::error_object;
use super::format::Format;
use super::pager::Output;
use crate::journal::Cell;
use crate::manifest::defuse;
use crate::review::{Given, cell_json, cell_text, csv_cell, json_object, json_text};

/// The byte order mark of UTF-8.
pub(super) const BOM: &[u8] = "\u{feff}".as_bytes();

/// How many rows of a table are laid out together: a longer table is printed in pieces, so that it need not fit in memory.
const TABLE_ROWS: usize = 1_000;

/// Prints, in the requested format.
#[derive(Debug, Clone)]
pub struct Ui {
    /// The format of data.
    pub format: Format,
    /// Whether talk is reduced to errors.
    pub quiet: bool,
    /// Whether a bar may be drawn on standard error.
    pub bar: bool,
    /// Whether standard output is read by a person.
    pub person: bool,
    /// Whether colour may be used on standard error.
    pub colour: bool,
    /// Whether colour may be used on standard output.
    pub paint: bool,
    /// Whether CSV begins with a byte order mark, by which spreadsheets recognise UTF-8.
    pub bom: bool,
    /// The width of the terminal, if it is known.
    columns: Option<usize>,
    /// Where data goes.
    pub(super) output: Output,
    /// What suggested commands must be told again.
    pub(super) given: Arc<Given>,
}

impl Ui {
    /// From the options and the environment.
    #[must_use]
    pub fn new(format: Option<Format>, quiet: bool, environment: &Environment) -> Self {
        let plain = environment.variable("NO_COLOR").is_some();
        let forced = ["FORCE_COLOR", "CLICOLOR_FORCE"].iter().any(|name| is_on(environment, name));
        let dumb = environment.variable("TERM") == Some("dumb") || environment.variable("CLICOLOR") == Some("0");
        // NO_COLOR overrides everything, and an explicit request overrides what the terminal can do.
        let coloured = |is_terminal: bool| !plain && (forced || is_terminal && !dumb);
        Self {
            format: format.unwrap_or_default(),
            quiet,
            bar: environment.stderr_is_terminal && environment.variable("TERM") != Some("dumb") && !quiet,
            person: environment.stdout_is_terminal,
            colour: coloured(environment.stderr_is_terminal),
            paint: coloured(environment.stdout_is_terminal),
            bom: false,
            columns: environment.variable("COLUMNS").and_then(|columns| columns.parse().ok()).or_else(terminal_columns),
            output: Output::default(),
            given: Arc::default(),
        }
    }

    /// `text` for standard output, in the colour of `word`: an outcome, a state or a verdict.
    #[must_use]
    pub fn painted(&self, word: &str, text: &str) -> String {
        match style(word).filter(|_| self.paint) {
            Some(style) => format!("{style}{text}{style:#}"),
            None => text.to_owned(),
        }
    }

    /// The maximum width of text.
    #[must_use]
    pub fn width(&self) -> usize {
        self.columns.unwrap_or(100).clamp(40, 200)
    }

    /// How a report with source text is drawn.
    #[must_use]
    pub fn theme(&self) -> miette::GraphicalTheme {
        if self.colour { miette::GraphicalTheme::unicode() } else { miette::GraphicalTheme::unicode_nocolor() }
    }

    /// Prints a message. A closed standard error is no reason to stop.
    pub fn talk(&self, line: impl AsRef<str>) {
        if !self.quiet {
            self.say(line.as_ref());
        }
    }

    /// Prints a message, as [`Ui::talk`] does.
    pub fn say(&self, line: &str) {
        if !self.quiet {
            self.ask(line);
        }
    }

    /// Prints a line even when quiet: a question, or an error.
    pub fn ask(&self, line: &str) {
        let _ = writeln!(anstream::stderr(), "{line}");
    }

    /// Reports an error: to people on standard error, and as an object on standard output if JSON was requested.
    pub fn error(&self, error: &CliError) {
        self.complain(error);
        self.error_object(error);
    }

    /// Reports an error to programs alone, if JSON was requested.
    pub fn error_object(&self, error: &CliError) {
        // An error without a message ends the program quietly.
        let wanted = match self.format {
            Format::Json | Format::Jsonl => true,
            // A summary is an object in every format.
            Format::Csv => error.details.summary.is_some(),
            Format::Table => false,
        };
        if wanted && !error.message.is_empty() {
            // If standard output is closed, the exit code and standard error still report the error.
            let _ = self.data(&format!("{}\n", json_text(&error_object::object(error, &self.given))));
        }
    }

    /// Reports an error, its causes and its hints to people alone.
    pub fn complain(&self, error: &CliError) {
        if let Some(report) = &error.details.report {
            let _ = write!(anstream::stderr(), "{report}");
        }
        for fault in &error.details.file_faults {
            let _ = write!(anstream::stderr(), "{}", fault.report(self.theme(), self.width()));
        }
        if !error.message.is_empty() {
            self.ask(&format!("error: {}", shown(&error.message)));
        }
        for cause in &error.causes {
            self.ask(&format!("  because: {}", shown(cause)));
        }
        if let Some(sentence) = error.sent.and_then(Sent::sentence).filter(|_| !error.message.is_empty()) {
            self.ask(&format!("  {sentence}"));
        }
        for hint in &error.hints {
            self.ask(&format!("  hint: {}", shown(&hint.told(&self.given))));
        }
    }

    /// Prints data unchanged.
    ///
    /// # Errors
    /// If standard output is closed or full.
    pub fn data(&self, text: &str) -> io::Result<()> {
        let mut out = self.output.clone();
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    /// Begins a result that is printed row by row.
    ///
    /// # Errors
    /// As [`Ui::data`].
    pub fn stream(&self, header: &[impl AsRef<str>]) -> io::Result<RowStream> {
        let header = header.iter().map(|name| name.as_ref().to_owned()).collect();
        let out = io::BufWriter::new(self.output.clone());
        let mut stream = RowStream { ui: self.clone(), header, out, waiting: Vec::new(), rows: 0, wraps: false };
        stream.begin()?;
        Ok(stream)
    }
}

/// Whether a variable is set, and not to a word that means no.
fn is_on(environment: &Environment, name: &str) -> bool {
    environment.variable(name).is_some_and(|value| !matches!(value, "0" | "false" | "no" | "off"))
}

/// The colour of a word. What went well is green, what a person must look at is red, and what is not over is yellow.
fn style(word: &str) -> Option<Style> {
    let colour = match word.replace(' ', "_").to_ascii_lowercase().as_str() {
        "deleted" | "finished" | "verified" | "good" => AnsiColor::Green,
        "failed"
        | "in_doubt"
        | "altered"
        | "truncated"
        | "forked"
        | "bad_signature"
        | "illegal_history"
        | "projection_mismatch"
        | "corrupt"
        | "cannot_verify"
        | "bad" => AnsiColor::Red,
        "unsettled" | "not_attempted" | "stopped" | "interrupted" | "running" | "planning" | "abandoned" | "note" => {
            AnsiColor::Yellow
        }
        "gone" | "absent" | "skipped" | "self_consistent" => AnsiColor::Cyan,
        _ => return None,
    };
    Some(colour.on_default())
}

/// The width of the terminal that messages go to.
fn terminal_columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stderr()).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

/// A result on its way to standard output, in the requested format.
#[derive(Debug)]
pub struct RowStream {
    ui: Ui,
    header: Vec<String>,
    out: io::BufWriter<Output>,
    /// The rows of a table that are not laid out yet.
    waiting: Vec<Vec<Option<String>>>,
    rows: u64,
    /// Whether the last column may wrap, so that a wide table stays a table.
    wraps: bool,
}

impl RowStream {
    /// Lets the last column wrap.
    #[must_use]
    pub fn wrapping(self) -> Self {
        Self { wraps: true, ..self }
    }

    fn begin(&mut self) -> io::Result<()> {
        match self.ui.format {
            Format::Csv => {
                if self.ui.bom {
                    self.out.write_all(BOM)?;
                }
                self.record(self.header.clone())
            }
            // The array begins with the first row: an error before that is an object of its own.
            Format::Table | Format::Json | Format::Jsonl => Ok(()),
        }
    }

    /// The next row.
    ///
    /// # Errors
    /// Where standard output is closed or full.
    pub fn row(&mut self, cells: &[Cell]) -> io::Result<()> {
        self.rows += 1;
        match self.ui.format {
            Format::Table => {
                self.waiting.push(cells.iter().map(cell_text).collect());
                if self.waiting.len() >= TABLE_ROWS { self.lay_out() } else { Ok(()) }
            }
            Format::Json => {
                let lead = if self.rows > 1 { "," } else { "[" };
                write!(self.out, "{lead}\n{}", self.object(cells))
            }
            Format::Jsonl => writeln!(self.out, "{}", self.object(cells)),
            Format::Csv => self.record(cells.iter().map(|cell| cell_text(cell).unwrap_or_default()).collect()),
        }
    }

    /// Prints the rows so far, as far as the format permits.
    ///
    /// # Errors
    /// As [`RowStream::row`].
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Ends the result after the last row.
    ///
    /// # Errors
    /// As [`RowStream::row`].
    pub fn end(mut self) -> io::Result<()> {
        match self.ui.format {
            Format::Table if !self.waiting.is_empty() || self.rows == 0 => self.lay_out()?,
            Format::Json => self.out.write_all(if self.rows > 0 { b"\n]\n" } else { b"[]\n" })?,
            _ => {}
        }
        self.out.flush()
    }

    /// Prints the rows so far although more should follow. JSON stays without its end, so that nobody takes it for the whole.
    ///
    /// # Errors
    /// As [`RowStream::row`].
    pub fn break_off(mut self) -> io::Result<()> {
        match self.ui.format {
            Format::Table if !self.waiting.is_empty() => self.lay_out()?,
            Format::Json if self.rows > 0 => self.out.write_all(b"\n")?,
            _ => {}
        }
        self.out.flush()
    }

    fn object(&self, cells: &[Cell]) -> String {
        json_object(self.header.iter().zip(cells.iter().map(cell_json)))
    }

    fn record(&mut self, cells: Vec<String>) -> io::Result<()> {
        let mut writer = csv::Writer::from_writer(&mut self.out);
        writer.write_record(cells.iter().map(|cell| csv_cell(cell))).map_err(io::Error::other)?;
        writer.flush()
    }

    fn lay_out(&mut self) -> io::Result<()> {
        let rows = std::mem::take(&mut self.waiting);
        // Every piece repeats the header, so that no one has to scroll back for it.
        let header: Vec<&str> = self.header.iter().map(String::as_str).collect();
        let wide = self.ui.person && width_of(&header, &rows) > self.ui.width();
        let text = match (wide, self.wraps) {
            (true, true) => table(&header, &rows, self.ui.person, Some(self.ui.width())),
            (true, false) => self.vertical(&rows),
            (false, _) => table(&header, &rows, self.ui.person, None),
        };
        self.out.write_all(text.as_bytes())
    }
}

impl RowStream {
    /// Rows that are too wide for a table on this terminal: each one is a list of its columns, without empty ones.
    fn vertical(&self, rows: &[Vec<Option<String>>]) -> String {
        let longest = self.header.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let first = self.rows - rows.len() as u64 + 1;
        let mut text = String::new();
        for (number, row) in (first..).zip(rows) {
            text += &format!("row {number}\n");
            for (name, cell) in self.header.iter().zip(row) {
                if let Some(cell) = cell {
                    text += &format!("  {:<longest$}  {}\n", shown(name), shown(cell));
                }
            }
        }
        text
    }
}

/// The width of a table of these rows.
fn width_of(header: &[&str], rows: &[Vec<Option<String>>]) -> usize {
    let cell = |row: &Vec<Option<String>>, index: usize| {
        row.get(index).and_then(Option::as_deref).map_or(0, |cell| shown(cell).chars().count())
    };
    let column = |(index, name): (usize, &&str)| {
        rows.iter().map(|row| cell(row, index)).chain([name.chars().count()]).max().unwrap_or(0) + 3
    };
    header.iter().enumerate().map(column).sum::<usize>() + 1
}

/// A table for people: with borders on a terminal, and plain columns elsewhere.
/// With a `width`, the last column wraps so that the table is no wider.
fn table(header: &[&str], rows: &[Vec<Option<String>>], person: bool, width: Option<usize>) -> String {
    let mut table = Table::new();
    table.load_style(if person { UTF8_FULL_CONDENSED } else { NOTHING });
    if person {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    table.set_header(header.iter().map(|name| shown(name)));
    for row in rows {
        table.add_row(row.iter().map(|cell| cell.as_deref().map(shown).unwrap_or_default()));
    }
    if let Some(width) = width {
        table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
        let fixed = header.len().saturating_sub(1);
        table.column_iter_mut().take(fixed).for_each(|column| {
            column.set_constraint(ColumnConstraint::ContentWidth);
        });
    }
    let mut text = table.trim_fmt();
    text.push('\n');
    text
}

/// A number for people: its digits in groups of three.
#[must_use]
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Text of unknown origin in a form that cannot control a terminal: control characters and bidi controls are escaped.
#[must_use]
pub fn shown(text: &str) -> String {
    defuse(text)
}

#[cfg(test)]
mod tests;
