//! The one place that prints. Data goes to standard output, talk to standard error.

use std::io::{self, Write};

use comfy_table::presets::{NOTHING, UTF8_FULL_CONDENSED};
use comfy_table::{ContentArrangement, Table};

use super::environment::Environment;
use super::error::{CliError, Sent};
use super::error_object;
use crate::audit::{cell_json, cell_text, csv_cell, json_object, json_text};
use crate::journal::sqlite::Cell;
use crate::manifest::defuse;

/// How many rows of a table are laid out together: what is longer goes out in pieces, so that it need not be in memory.
const TABLE_ROWS: usize = 1_000;

/// How data is put out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// One JSON document.
    Json,
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated values with a header.
    Csv,
}

/// Prints, in the form that was asked for.
#[derive(Debug, Clone)]
pub struct Ui {
    /// How data is put out.
    pub format: Format,
    /// Whether talk is reduced to errors.
    pub quiet: bool,
    /// Whether a bar may be drawn on standard error.
    pub bar: bool,
    /// Whether standard output is read by a person.
    pub person: bool,
    /// Whether colour may be used on standard error.
    pub colour: bool,
    /// Columns of the terminal, where it says so.
    columns: Option<usize>,
}

impl Ui {
    /// As the options and the surroundings say.
    #[must_use]
    pub fn new(format: Option<Format>, quiet: bool, environment: &Environment) -> Self {
        Self {
            format: format.unwrap_or_default(),
            quiet,
            bar: environment.stderr_is_terminal && environment.variable("TERM") != Some("dumb") && !quiet,
            person: environment.stdout_is_terminal,
            colour: environment.stderr_is_terminal
                && environment.variable("NO_COLOR").is_none()
                && environment.variable("TERM") != Some("dumb"),
            columns: environment.variable("COLUMNS").and_then(|columns| columns.parse().ok()).or_else(terminal_columns),
        }
    }

    /// How wide text may be.
    #[must_use]
    pub fn width(&self) -> usize {
        self.columns.unwrap_or(100).clamp(40, 200)
    }

    /// How a report with source text is drawn.
    #[must_use]
    pub fn theme(&self) -> miette::GraphicalTheme {
        if self.colour { miette::GraphicalTheme::unicode() } else { miette::GraphicalTheme::unicode_nocolor() }
    }

    /// A line of talk. That nobody listens is no reason to stop.
    pub fn talk(&self, line: impl AsRef<str>) {
        if !self.quiet {
            self.say(line.as_ref());
        }
    }

    /// A line of talk that is said even when quiet.
    pub fn say(&self, line: &str) {
        let _ = writeln!(anstream::stderr(), "{line}");
    }

    /// An error: for people on standard error, and as an object on standard output where JSON was asked for.
    pub fn error(&self, error: &CliError) {
        self.complain(error);
        self.error_object(error);
    }

    /// An error for programs alone, where JSON was asked for.
    pub fn error_object(&self, error: &CliError) {
        // An error without a message ends the program quietly.
        let wanted = match self.format {
            Format::Json | Format::Jsonl => true,
            // A summary is an object in every form.
            Format::Csv => error.details.summary.is_some(),
            Format::Table => false,
        };
        if wanted && !error.message.is_empty() {
            // Where standard output is gone, the exit code and standard error say it.
            let _ = self.data(&format!("{}\n", json_text(&error_object::object(error))));
        }
    }

    /// An error, its causes and its hints, for people alone.
    pub fn complain(&self, error: &CliError) {
        if let Some(report) = &error.details.report {
            let _ = write!(anstream::stderr(), "{report}");
        }
        if !error.message.is_empty() {
            self.say(&format!("error: {}", shown(&error.message)));
        }
        for cause in &error.causes {
            self.say(&format!("  because: {}", shown(cause)));
        }
        if let Some(sentence) = error.sent.and_then(Sent::sentence).filter(|_| !error.message.is_empty()) {
            self.say(&format!("  {sentence}"));
        }
        for hint in &error.hints {
            self.say(&format!("  hint: {}", shown(hint)));
        }
    }

    /// Data, as it is.
    ///
    /// # Errors
    /// Where standard output is closed or full.
    pub fn data(&self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    /// Begins a result that goes out while it comes in.
    ///
    /// # Errors
    /// As [`Ui::data`].
    pub fn stream(&self, header: &[impl AsRef<str>]) -> io::Result<RowStream> {
        let header = header.iter().map(|name| name.as_ref().to_owned()).collect();
        let out = io::BufWriter::new(io::stdout());
        let mut stream = RowStream { ui: self.clone(), header, out, waiting: Vec::new(), rows: 0 };
        stream.begin()?;
        Ok(stream)
    }
}

/// The width of the terminal that talk goes to.
fn terminal_columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stderr()).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

/// A result on its way to standard output, in the form that was asked for.
#[derive(Debug)]
pub struct RowStream {
    ui: Ui,
    header: Vec<String>,
    out: io::BufWriter<io::Stdout>,
    /// The rows of a table that are not laid out yet.
    waiting: Vec<Vec<Option<String>>>,
    rows: u64,
}

impl RowStream {
    fn begin(&mut self) -> io::Result<()> {
        match self.ui.format {
            Format::Csv => self.record(self.header.clone()),
            Format::Json => self.out.write_all(b"["),
            Format::Table | Format::Jsonl => Ok(()),
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
                let comma = if self.rows > 1 { "," } else { "" };
                write!(self.out, "{comma}\n{}", self.object(cells))
            }
            Format::Jsonl => writeln!(self.out, "{}", self.object(cells)),
            Format::Csv => self.record(cells.iter().map(|cell| cell_text(cell).unwrap_or_default()).collect()),
        }
    }

    /// After the last row.
    ///
    /// # Errors
    /// As [`RowStream::row`].
    pub fn end(mut self) -> io::Result<()> {
        match self.ui.format {
            Format::Table if !self.waiting.is_empty() || self.rows == 0 => self.lay_out()?,
            Format::Json => self.out.write_all(if self.rows > 0 { b"\n]\n" } else { b"]\n" })?,
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
        // Every piece has the header: nobody should have to scroll back for it.
        let header: Vec<&str> = self.header.iter().map(String::as_str).collect();
        self.out.write_all(table(&header, &rows, self.ui.person).as_bytes())
    }
}

/// A table for people: with lines on a terminal, plain columns elsewhere.
fn table(header: &[&str], rows: &[Vec<Option<String>>], person: bool) -> String {
    let mut table = Table::new();
    table.load_style(if person { UTF8_FULL_CONDENSED } else { NOTHING });
    if person {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    table.set_header(header.iter().map(|name| shown(name)));
    for row in rows {
        table.add_row(row.iter().map(|cell| cell.as_deref().map(shown).unwrap_or_default()));
    }
    let mut text = table.trim_fmt();
    text.push('\n');
    text
}

/// Text of unknown origin, so that it cannot steer a terminal: control characters and bidi controls are escaped.
#[must_use]
pub fn shown(text: &str) -> String {
    defuse(text)
}
