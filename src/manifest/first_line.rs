//! First lines that are not the header, and headers that are repeated later in the file.

use std::fmt;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::meaning::{Meaning, fold};

/// A first line that is not a header, named after what writes such lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstLine {
    /// `sep=;`, a note to Excel. With the separator that it names.
    Separator(Option<char>),
    /// `#TYPE …`, which Export-Csv of PowerShell 5 writes.
    Type,
    /// Another line that begins with `#`.
    Comment,
    /// The beginning of JSON.
    Json,
    /// The beginning of HTML or XML.
    Markup,
    /// A second byte order mark before the header.
    ByteOrderMark,
    /// A byte order mark that was read in another encoding and saved as text (`ï»¿`).
    MisreadByteOrderMark,
    /// A column's name that would have a meaning without the quotation marks around it (`“name”`).
    QuotedName,
}

impl fmt::Display for FirstLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Separator(_) => "the first line is a `sep=` line for Excel, not the header",
            Self::Type => "the first line is the `#TYPE` line of PowerShell 5, not the header",
            Self::Comment => "the first line is a comment, not the header",
            Self::Json => "the file begins like JSON, not like CSV",
            Self::Markup => "the file begins like HTML or XML, not like CSV",
            Self::ByteOrderMark => "there is a second byte order mark (U+FEFF) before the header",
            Self::MisreadByteOrderMark => {
                "the header begins with a byte order mark that was read in another encoding and saved as text"
            }
            Self::QuotedName => "column names in the header have quotation marks that CSV reads as part of the name",
        })
    }
}

/// What the three bytes of UTF-8's byte order mark become when read as Latin-1 and Windows-1252, in the code pages 1250,
/// 1251, 437 and 850, and in Mac Roman.
const MISREAD_MARKS: [&str; 6] = ["ï»¿", "ď»ż", "п»ї", "∩╗┐", "´╗┐", "Ôªø"];

impl FirstLine {
    /// What the first record is, if it is clearly not a header.
    pub(super) fn of(cells: &[String]) -> Option<Self> {
        let first = cells.first()?.trim_start();
        if first.starts_with('\u{feff}') {
            return Some(Self::ByteOrderMark);
        }
        if MISREAD_MARKS.iter().any(|mark| first.starts_with(mark)) {
            return Some(Self::MisreadByteOrderMark);
        }
        if first.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("sep=")) {
            // In a file with this separator, the comma separates nothing.
            return Some(Self::Separator(first.chars().nth(4).or(if cells.len() == 2 { Some(',') } else { None })));
        }
        // A column may be called `#` or `{id}`; beside a column with names, it is a column.
        if cells.iter().any(|cell| Meaning::of(cell) == Some(Meaning::Name)) {
            return None;
        }
        match first.chars().next()? {
            '#' if first.starts_with("#TYPE") => Some(Self::Type),
            '#' => Some(Self::Comment),
            '{' | '[' => Some(Self::Json),
            '<' => Some(Self::Markup),
            _ => None,
        }
    }
}

/// Whether a column's name has a meaning only without the quotation marks around it: typographic ones, or the single quotes
/// of other dialects.
pub(super) fn is_quoted_name(name: &str) -> bool {
    let quotation = |c: char| {
        c.is_whitespace()
            || matches!(c, '"' | '\'' | '`' | '´' | '‘'..='‟' | '‹' | '›' | '«' | '»' | '「' | '」' | '＂')
    };
    let bare = name.trim_matches(quotation);
    bare.len() < name.trim().len() && Meaning::of(name).is_none() && Meaning::of(bare).is_some()
}

/// The character that separates the columns of a first line in which every name is in quotes, if it is not a comma:
/// `"name";"region"`.
pub(super) fn delimiter_between_quotes(line: &str) -> Option<char> {
    let line = line.trim_end();
    [';', '\t', '|', ' '].into_iter().find(|delimiter| {
        let mut names = line.split(*delimiter);
        let in_quotes = |name: &str| name.len() >= 2 && name.starts_with('"') && name.ends_with('"');
        line.contains(*delimiter) && names.all(in_quotes)
    })
}

/// A record that is another header, as in concatenated files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// The file's own header.
    Same,
    /// A different header: the rows after it have other columns.
    Other,
}

// Prepared once, because every record is searched for them: `name`, `Name` and `NAME`.
static NAME: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("ame"));
static CAPITALS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("AME"));

/// Whether the record with these cells, whose joined values are `values`, is a header; `written` is the file's own.
pub(super) fn again<'v>(
    values: &str,
    cells: impl Iterator<Item = &'v str> + Clone,
    written: &[String],
) -> Option<Again> {
    // Nearly every row ends here.
    NAME.find(values.as_bytes()).or_else(|| CAPITALS.find(values.as_bytes()))?;
    if cells.clone().count() == written.len()
        && cells.clone().enumerate().all(|(at, cell)| is_column(cell, at, written))
    {
        return Some(Again::Same);
    }
    let mut meanings = cells.filter_map(|cell| Meaning::of(bare(cell)));
    let first = meanings.next()?;
    let second = meanings.next()?;
    (first == Meaning::Name || second == Meaning::Name || meanings.any(|meaning| meaning == Meaning::Name))
        .then_some(Again::Other)
}

fn bare(cell: &str) -> &str {
    cell.trim().trim_start_matches('\u{feff}')
}

/// Whether a cell is the name of the column at `at`, perhaps in another spelling that no other column shares.
fn is_column(cell: &str, at: usize, written: &[String]) -> bool {
    let cell = bare(cell);
    let alike = |name: &String| {
        let name = bare(name);
        fold(name) == fold(cell) || Meaning::of(name).is_some_and(|meaning| Meaning::of(cell) == Some(meaning))
    };
    bare(&written[at]) == cell || alike(&written[at]) && written.iter().filter(|name| alike(name)).count() == 1
}
