//! Exports as Parquet: plain strings for words, ids and texts, and times in UTC microseconds, which DuckDB, pyarrow, pandas and Polars
//! read alike. ENUM, JSON and UUID annotations they read differently.

use std::io::{self, Write};
use std::sync::Arc;

use ::parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as PhysicalType};
use ::parquet::data_type::{BoolType, ByteArray, ByteArrayType, Int64Type};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use ::parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use ::parquet::schema::types::Type;

use super::exported::{Exported, Row};
use super::sink::{Done, ExportError, Sink, done};
use super::source::Source;
use crate::domain::parse_time;
use crate::journal::{Cell, ColumnKind};

/// A row group is written once it has so many rows or bytes of text: what an export keeps in memory.
const GROUP_ROWS: usize = 8_192;
const GROUP_BYTES: usize = 4 * 1024 * 1024;

/// What wrote the file. Without a version, so that equal exports stay equal; `keybatch` in the metadata has it.
const CREATED_BY: &str = "keybatch";

/// A Parquet file, compressed with Snappy.
#[must_use]
pub fn parquet<'w>(out: impl Write + Send + 'w) -> Box<dyn Sink + 'w> {
    Box::new(Parquet { out: Some(out), writer: None, columns: Vec::new() })
}

struct Parquet<W: Write + Send> {
    /// Until the writer has it.
    out: Option<W>,
    writer: Option<SerializedFileWriter<W>>,
    columns: Vec<Column>,
}

impl<W: Write + Send> Parquet<W> {
    fn start(&mut self, source: &Source) -> Result<(), ExportError> {
        let typed = source.sheet.typed();
        let always = source.sheet.always();
        self.columns = (0..).zip(&typed).map(|(index, (_, kind))| Column::of(*kind, always.contains(&index))).collect();
        let fields = typed.iter().zip(&self.columns).map(|((name, _), column)| column.field(name).map(Arc::new));
        let fields = fields.collect::<Result<_, _>>().map_err(failed)?;
        let schema = Type::group_type_builder("rows").with_fields(fields).build().map_err(failed)?;
        let properties = WriterProperties::builder()
            .set_created_by(CREATED_BY.to_owned())
            .set_compression(Compression::SNAPPY)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            // It stays in memory until the end, and a group has hardly more than one page of a column.
            .set_offset_index_disabled(true)
            .build();
        let Some(out) = self.out.take() else { return Ok(()) };
        let writer = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties));
        self.writer = Some(writer.map_err(failed)?);
        Ok(())
    }

    fn take(&mut self, rows: &[Row]) -> Result<(), ExportError> {
        for row in rows {
            for (column, cell) in self.columns.iter_mut().zip(&row.cells) {
                column.push(cell);
            }
            let bytes: usize = self.columns.iter().map(Column::bytes).sum();
            let rows = self.columns.first().map_or(0, |column| column.levels.len());
            if rows >= GROUP_ROWS || bytes >= GROUP_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Writes the rows so far as a row group.
    fn flush(&mut self) -> Result<(), ExportError> {
        let is_empty = self.columns.first().is_none_or(|column| column.levels.is_empty());
        let Some(writer) = self.writer.as_mut().filter(|_| !is_empty) else { return Ok(()) };
        let mut group = writer.next_row_group().map_err(failed)?;
        for column in &mut self.columns {
            column.write(&mut group).map_err(failed)?;
        }
        group.close().map(drop).map_err(failed)
    }

    fn finish(&mut self, about: Vec<(String, String)>) -> Result<(), ExportError> {
        self.flush()?;
        let Some(mut writer) = self.writer.take() else { return Ok(()) };
        for (name, value) in about {
            writer.append_key_value_metadata(KeyValue::new(name, value));
        }
        let mut out = writer.into_inner().map_err(failed)?;
        out.flush().map_err(ExportError::Write)
    }
}

impl<W: Write + Send> Sink for Parquet<W> {
    fn begin<'a>(&'a mut self, source: &'a Source) -> Done<'a> {
        done(self.start(source))
    }

    fn page<'a>(&'a mut self, _source: &'a Source, rows: &'a [Row]) -> Done<'a> {
        done(self.take(rows))
    }

    fn end<'a>(&'a mut self, source: &'a Source, exported: &'a mut Exported) -> Done<'a> {
        let mut about: Vec<_> =
            source.about_all(exported).into_iter().map(|(name, value)| (format!("keybatch.{name}"), value)).collect();
        let checkpoint = source.checkpoint.as_ref().map(|head| ("keybatch.checkpoint".to_owned(), head.to_text()));
        about.extend(checkpoint);
        done(self.finish(about))
    }
}

/// The values of a column in the row group that is being gathered.
struct Column {
    kind: ColumnKind,
    always: bool,
    /// For each row, 1 if it has a value.
    levels: Vec<i16>,
    numbers: Vec<i64>,
    flags: Vec<bool>,
    /// One text after the other, and where each ends: a value of its own for each takes several times the memory.
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Column {
    fn of(kind: ColumnKind, always: bool) -> Self {
        let (levels, numbers, flags, text, ends) = Default::default();
        Self { kind, always, levels, numbers, flags, text, ends }
    }

    fn field(&self, name: &str) -> Result<Type, ParquetError> {
        let (physical, logical) = match self.kind {
            ColumnKind::Text => (PhysicalType::BYTE_ARRAY, Some(LogicalType::String)),
            ColumnKind::Integer => (PhysicalType::INT64, None),
            ColumnKind::Boolean => (PhysicalType::BOOLEAN, None),
            ColumnKind::Time => (PhysicalType::INT64, Some(LogicalType::timestamp(true, TimeUnit::MICROS))),
        };
        let repetition = if self.always { Repetition::REQUIRED } else { Repetition::OPTIONAL };
        let field = Type::primitive_type_builder(name, physical);
        field.with_logical_type(logical).with_repetition(repetition).build()
    }

    fn bytes(&self) -> usize {
        self.text.len() + 8 * (self.ends.len() + self.numbers.len())
    }

    fn push(&mut self, cell: &Cell) {
        let present = match (self.kind, cell) {
            (ColumnKind::Text, Cell::Text(text)) => {
                self.text.extend_from_slice(text.as_bytes());
                self.ends.push(self.text.len());
                true
            }
            (ColumnKind::Integer, Cell::Integer(number)) => {
                self.numbers.push(*number);
                true
            }
            (ColumnKind::Boolean, Cell::Boolean(flag)) => {
                self.flags.push(*flag);
                true
            }
            (ColumnKind::Time, Cell::Text(text)) => match parse_time(text) {
                Some(at) => {
                    self.numbers.push(at.as_microsecond());
                    true
                }
                None => false,
            },
            _ => false,
        };
        self.levels.push(i16::from(present));
    }

    /// Writes the values as the next column of the group, and forgets them.
    fn write<W: Write + Send>(&mut self, group: &mut SerializedRowGroupWriter<'_, W>) -> Result<(), ParquetError> {
        let Some(mut column) = group.next_column()? else {
            return Err(ParquetError::General("there are more columns than the schema has".to_owned()));
        };
        let levels = (!self.always).then_some(&self.levels[..]);
        match self.kind {
            ColumnKind::Text => {
                let text = ByteArray::from(std::mem::take(&mut self.text));
                let begins = std::iter::once(0).chain(self.ends.iter().copied());
                let values: Vec<_> =
                    begins.zip(&self.ends).map(|(begin, end)| text.slice(begin, end - begin)).collect();
                column.typed::<ByteArrayType>().write_batch(&values, levels, None)?;
            }
            ColumnKind::Integer | ColumnKind::Time => {
                column.typed::<Int64Type>().write_batch(&self.numbers, levels, None)?;
            }
            ColumnKind::Boolean => {
                column.typed::<BoolType>().write_batch(&self.flags, levels, None)?;
            }
        }
        column.close()?;
        self.levels.clear();
        self.numbers.clear();
        self.flags.clear();
        self.ends.clear();
        Ok(())
    }
}

/// The error of the file behind the writer's, if there is one: a full disk is told from others.
fn failed(error: ParquetError) -> ExportError {
    let error = match error {
        ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(cause) => io::Error::other(cause),
        },
        error => io::Error::other(error),
    };
    ExportError::Write(error)
}
