//! The forms of data on standard output, and of exports.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Arg, Command, ValueEnum as _};

/// The format of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// A table, for people.
    #[default]
    Table,
    /// One JSON document.
    Json,
    /// One JSON object per line.
    Jsonl,
    /// Comma-separated values with a header.
    Csv,
}

/// The format of a file that only an export writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum FileFormat {
    /// Parquet, for DuckDB, pandas and Polars; needs -o
    Parquet,
    /// A SQLite database with the tables `rows`, `run` and `export`; needs -o
    #[value(name = "sqlite")]
    Database,
    /// An Excel workbook; needs -o
    Xlsx,
}

impl FileFormat {
    /// Its word.
    pub(super) fn word(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// What `--output` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// What every command writes.
    Data(Format),
    /// What only `export` writes.
    File(FileFormat),
}

impl Output {
    /// The format of data; a table where only a file is written.
    pub(super) fn data(self) -> Format {
        match self {
            Self::Data(format) => format,
            Self::File(_) => Format::default(),
        }
    }
}

/// Reads the value of `--output`. The option may stand before the command, so each parser reads every word, and offers those that are
/// right where it stands; [`only_of_export`] refuses the others.
#[derive(Debug, Clone, Copy)]
pub(super) struct OutputParser {
    /// Whether it stands behind `export`.
    pub(super) of_export: bool,
}

impl OutputParser {
    fn offered(self) -> Vec<PossibleValue> {
        let values = |formats: &[Format]| formats.iter().filter_map(Format::to_possible_value).collect::<Vec<_>>();
        if !self.of_export {
            return values(Format::value_variants());
        }
        let mut offered = values(&[Format::Csv, Format::Jsonl, Format::Json]);
        offered.extend(FileFormat::value_variants().iter().filter_map(FileFormat::to_possible_value));
        offered
    }
}

impl TypedValueParser for OutputParser {
    type Value = Output;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<Output, clap::Error> {
        let word = value.to_str().unwrap_or_default();
        let data = Format::from_str(word, false).map(Output::Data);
        let known = data.or_else(|_| FileFormat::from_str(word, false).map(Output::File));
        match known {
            Ok(output) => Ok(output),
            Err(_) => Err(PossibleValuesParser::new(self.offered())
                .parse_ref(command, arg, value)
                .err()
                .unwrap_or_else(|| clap::Error::new(clap::error::ErrorKind::InvalidValue))),
        }
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.offered().into_iter()))
    }
}

/// The error of another command than `export` that is to write what only `export` does.
pub(super) fn only_of_export(output: Option<Output>, command: &mut Command) -> Result<(), clap::Error> {
    let Some(Output::File(format)) = output else { return Ok(()) };
    let offered: Vec<_> =
        OutputParser { of_export: false }.offered().iter().map(|value| value.get_name().to_owned()).collect();
    let message = format!(
        "invalid value '{}' for '--output <FORMAT>': only `export` writes it\n  [possible values: {}]",
        format.word(),
        offered.join(", ")
    );
    Err(command.error(clap::error::ErrorKind::InvalidValue, message))
}
