//! A plan as a file: its lines, each canonical JSON and a line feed. The seal is a function of the lines before it, so a reader
//! computes all of it again, and a file that differs in one byte is no plan.

use std::io::{self, BufRead, Read as _, Write};

use super::{ACTION, PLAN_SCHEMA, PlanHeader, PlanLineError, PlanRow, PlanSeal, Sealing};
use crate::record::canonical;
use crate::record::merkle::{Hash, leaf_hash};

/// The longest line that a plan may have, in bytes, without its line feed.
pub const MAX_PLAN_LINE: usize = 1 << 20;

/// How the last line begins, and no other does: its members are in the order of their names.
const SEAL_BEGINS: &[u8] = b"{\"root\":";

/// Writes a plan.
#[derive(Debug)]
pub struct PlanWriter<W> {
    out: W,
    header: PlanHeader,
    sealing: Sealing,
}

impl<W: Write> PlanWriter<W> {
    /// Writes the first line.
    ///
    /// # Errors
    /// Where `out` fails, or the header has no canonical form.
    pub fn begin(out: W, header: PlanHeader) -> Result<Self, PlanFileError> {
        let mut writer = Self { out, sealing: Sealing::default(), header };
        let text = canonical_line(&writer.header)?;
        writer.put(&text)?;
        Ok(writer)
    }

    /// Writes the line of the next row, and returns its hash.
    ///
    /// # Errors
    /// Where `out` fails, or the line is too long.
    pub fn row(&mut self, row: &PlanRow) -> Result<Hash, PlanFileError> {
        let text = canonical_line(row)?;
        let leaf = leaf_hash(text.as_bytes());
        self.sealing.push(&row.account, &row.region, row.verdict, leaf);
        self.put(&text)?;
        Ok(leaf)
    }

    /// Writes the seal.
    ///
    /// # Errors
    /// Where `out` fails.
    pub fn finish(mut self) -> Result<(PlanSeal, W), PlanFileError> {
        let seal = std::mem::take(&mut self.sealing).seal(&self.header)?;
        let text = canonical_line(&seal)?;
        self.put(&text)?;
        self.out.flush()?;
        Ok((seal, self.out))
    }

    fn put(&mut self, text: &str) -> Result<(), PlanFileError> {
        if text.len() > MAX_PLAN_LINE {
            return Err(PlanFileError::TooLong { line: self.sealing.rows() + 1, bytes: text.len() });
        }
        self.out.write_all(text.as_bytes())?;
        Ok(self.out.write_all(b"\n")?)
    }
}

fn canonical_line(line: &impl serde::Serialize) -> Result<String, PlanLineError> {
    canonical::of(line).map_err(PlanLineError)
}

/// A plan that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum PlanFileError {
    /// The file cannot be written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A row says more than a plan's line may hold.
    #[error("line {line} of the plan would have {bytes} bytes; at most {MAX_PLAN_LINE} are allowed")]
    TooLong {
        /// The line of the plan.
        line: u64,
        /// Its length.
        bytes: usize,
    },
    /// A line has no canonical form.
    #[error(transparent)]
    Line(#[from] PlanLineError),
}

/// Reads a plan, one row at a time, and checks every byte of it.
#[derive(Debug)]
pub struct PlanReader<R> {
    input: R,
    buffer: Vec<u8>,
    /// Lines that were read.
    line: u64,
    header: PlanHeader,
    sealing: Sealing,
    seal: Option<PlanSeal>,
}

impl<R: BufRead> PlanReader<R> {
    /// Reads the first line.
    ///
    /// # Errors
    /// As [`PlanFault`] says.
    pub fn open(mut input: R) -> Result<Self, PlanFault> {
        let mut buffer = Vec::new();
        if !read_line(&mut input, &mut buffer, 1)? {
            return Err(PlanFault::at(1, PlanFaultKind::Empty));
        }
        let schema = serde_json::from_slice::<Schema>(&buffer).ok().map(|first| first.schema);
        match schema.as_deref() {
            Some(PLAN_SCHEMA) => {}
            Some(other) if other.starts_with("keybatch.plan/") => {
                return Err(PlanFault::at(1, PlanFaultKind::Version(other.to_owned())));
            }
            _ => return Err(PlanFault::at(1, PlanFaultKind::NoPlan)),
        }
        let header: PlanHeader = parse(&buffer, 1)?;
        if header.action != ACTION {
            return Err(PlanFault::at(1, PlanFaultKind::Action(header.action)));
        }
        Ok(Self { input, buffer, line: 1, header, sealing: Sealing::default(), seal: None })
    }

    /// The first line.
    pub fn header(&self) -> &PlanHeader {
        &self.header
    }

    /// The next row; `None` after the last one, when the seal was found to be that of all lines before it.
    ///
    /// # Errors
    /// As [`PlanFault`] says.
    #[expect(clippy::should_implement_trait, reason = "an iterator would have to go on after an error")]
    pub fn next(&mut self) -> Result<Option<PlanRow>, PlanFault> {
        if self.seal.is_some() {
            return Ok(None);
        }
        self.line += 1;
        if !read_line(&mut self.input, &mut self.buffer, self.line)? {
            return Err(PlanFault::at(self.line, PlanFaultKind::NoSeal));
        }
        if self.buffer.starts_with(SEAL_BEGINS) {
            return self.check_seal().map(|()| None);
        }
        let row: PlanRow = parse(&self.buffer, self.line)?;
        let expected = self.sealing.rows() + 1;
        if row.row != expected {
            return Err(PlanFault::at(self.line, PlanFaultKind::OutOfOrder { expected, found: row.row }));
        }
        self.sealing.push(&row.account, &row.region, row.verdict, leaf_hash(&self.buffer));
        Ok(Some(row))
    }

    /// The seal, once [`next`](Self::next) has returned `None`.
    pub fn seal(&self) -> Option<&PlanSeal> {
        self.seal.as_ref()
    }

    fn check_seal(&mut self) -> Result<(), PlanFault> {
        let fault = |kind| PlanFault::at(self.line, kind);
        let found: PlanSeal = parse(&self.buffer, self.line)?;
        let computed = std::mem::take(&mut self.sealing).seal(&self.header);
        let computed = computed.map_err(|error| fault(PlanFaultKind::Shape(error.to_string())))?;
        if found != computed {
            return Err(fault(if found.root == computed.root {
                PlanFaultKind::SealCounts
            } else {
                PlanFaultKind::Seal { found: found.root, computed: computed.root }
            }));
        }
        if self.header.manifest.rows != computed.rows {
            let (manifest, plan) = (self.header.manifest.rows, computed.rows);
            return Err(fault(PlanFaultKind::Rows { manifest, plan }));
        }
        let mut more = [0];
        let read = self.input.read(&mut more).map_err(|error| fault(PlanFaultKind::Io(error)))?;
        if read > 0 {
            return Err(PlanFault::at(self.line + 1, PlanFaultKind::Trailing));
        }
        self.seal = Some(computed);
        Ok(())
    }
}

/// What tells a plan from any other file.
#[derive(serde::Deserialize)]
struct Schema {
    schema: String,
}

/// Whether a file that begins with these bytes is meant to be a plan: a manifest is no JSON object.
#[must_use]
pub fn looks_like_a_plan(beginning: &[u8]) -> bool {
    beginning.starts_with(b"{")
}

/// Reads a line without its line feed; whether there was one.
fn read_line(input: &mut impl BufRead, buffer: &mut Vec<u8>, line: u64) -> Result<bool, PlanFault> {
    buffer.clear();
    let most = MAX_PLAN_LINE as u64 + 1;
    let read = input.by_ref().take(most).read_until(b'\n', buffer);
    let read = read.map_err(|error| PlanFault::at(line, PlanFaultKind::Io(error)))?;
    if read == 0 {
        return Ok(false);
    }
    if buffer.pop() == Some(b'\n') {
        return Ok(true);
    }
    let kind = if read as u64 == most { PlanFaultKind::TooLong } else { PlanFaultKind::Cut };
    Err(PlanFault::at(line, kind))
}

/// What a line says, if those are its only possible bytes.
fn parse<T: serde::de::DeserializeOwned + serde::Serialize>(bytes: &[u8], line: u64) -> Result<T, PlanFault> {
    let value: T =
        serde_json::from_slice(bytes).map_err(|error| PlanFault::at(line, PlanFaultKind::Shape(error.to_string())))?;
    match canonical::of(&value) {
        Ok(text) if text.as_bytes() == bytes => Ok(value),
        _ => Err(PlanFault::at(line, PlanFaultKind::NotCanonical)),
    }
}

/// Why a file is no plan, and where that shows.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {kind}")]
pub struct PlanFault {
    /// The line of the file, from 1.
    pub line: u64,
    /// What is wrong.
    pub kind: PlanFaultKind,
}

impl PlanFault {
    fn at(line: u64, kind: PlanFaultKind) -> Self {
        Self { line, kind }
    }
}

/// What is wrong with a plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanFaultKind {
    /// The file cannot be read.
    #[error("the file cannot be read: {0}")]
    Io(#[source] io::Error),
    /// It has no lines.
    #[error("the file is empty")]
    Empty,
    /// It is something else.
    #[error("this is not the first line of a plan")]
    NoPlan,
    /// It is of a version that this program does not know.
    #[error("the plan has the form {0}, which this version of keybatch does not know")]
    Version(String),
    /// It asks for something else.
    #[error("the plan is for the action {0}, which keybatch does not carry out")]
    Action(String),
    /// A line is longer than any that keybatch writes.
    #[error("the line has more than {MAX_PLAN_LINE} bytes")]
    TooLong,
    /// The file ends within a line.
    #[error("the file ends within this line")]
    Cut,
    /// The file ends without a seal.
    #[error("the file ends without a seal")]
    NoSeal,
    /// The line does not say what it must.
    #[error("the line cannot be read: {0}")]
    Shape(String),
    /// The same could be said in other bytes.
    #[error("the line is not canonical JSON, or says more than a plan does")]
    NotCanonical,
    /// A line was moved, doubled or removed.
    #[error("this is row {found}, where row {expected} must be")]
    OutOfOrder {
        /// The row that must be here.
        expected: u64,
        /// The row that is.
        found: u64,
    },
    /// The lines are not those that were sealed.
    #[error("the plan was changed after it was sealed: the seal has the root {found}, the lines have {computed}")]
    Seal {
        /// The root that the file names.
        found: String,
        /// The root that its lines have.
        computed: String,
    },
    /// The seal has the root of the lines, and says something else of them.
    #[error("the plan was changed after it was sealed: what the seal counts are not the lines")]
    SealCounts,
    /// The header counts other rows.
    #[error("the header says that the manifest has {manifest} rows, and the plan has {plan}")]
    Rows {
        /// What the header says.
        manifest: u64,
        /// The plan's own rows.
        plan: u64,
    },
    /// Something follows the seal.
    #[error("something follows the seal")]
    Trailing,
}

#[cfg(test)]
mod tests;
