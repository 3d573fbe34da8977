//! Adds up the large projections as the journal has them: the other half of [`sums`](crate::journal::sums).

use sqlx::sqlite::SqliteRow;

use super::audit::Snapshot;
use super::column::get;
use super::replay::Replay;
use super::sql;
use super::value::Value;
use crate::journal::JournalError;
use crate::journal::sums::{Key, Sums, Tallies};

/// How many rows are read at once: enough to make the cost of a statement small, and at most a few hundred KB.
const PAGE_ROWS: i64 = 1_024;

impl Snapshot {
    /// Whether the tables of [`SUMMED`](crate::journal::SUMMED) hold exactly what the entries that `replay` was given say. Presumes
    /// that SQLite's own check found nothing, so that each column holds what its type says. False may also mean that a page
    /// cannot be read as one: the comparison row by row then says what is wrong.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn agrees_with(&mut self, replay: &Replay) -> Result<bool, JournalError> {
        self.adds_up_to(replay.sums().key().clone(), *replay.sums().tallies()).await
    }

    /// Whether the tables add up to these sums, which were made with this key.
    pub(super) async fn adds_up_to(&mut self, key: Key, expected: Tallies) -> Result<bool, JournalError> {
        use Kind::{MaybeNumber, MaybeWord, Number, Text, Word};
        let mut sums = Sums::new(key);
        let intent = [Number, Number, Number, Text, Word, Number, MaybeNumber, MaybeWord, MaybeWord];
        let attempt = [Number, Number, Number, Number, MaybeNumber, MaybeWord];
        let read = self.add_table::<2, _>(sql::INTENT_SUMS, intent, &mut sums, add_intent).await?
            && self.add_table::<3, _>(sql::ATTEMPT_SUMS, attempt, &mut sums, add_attempt).await?
            && self.add_table::<3, _>(sql::ROW_ENTRY_SUMS, [Number; 3], &mut sums, Sums::row_entry).await?;
        // A page that begins after a key could miss rows that are not in the order of keys.
        let row = sqlx::query(sql::SUMMED_COUNTS).fetch_one(&mut self.connection).await.map_err(JournalError::sql)?;
        let counts: [i64; 3] = [get(&row, 0)?, get(&row, 1)?, get(&row, 2)?];
        let complete = counts.map(u64::try_from).map(Result::ok) == sums.tallies().rows().map(Some);
        Ok(read && complete && *sums.tallies() == expected)
    }

    /// Adds all rows of a table whose key is its first `K` columns; false if they cannot be told apart.
    async fn add_table<const K: usize, const N: usize>(
        &mut self,
        statement: &'static str,
        kinds: [Kind; N],
        sums: &mut Sums,
        add: fn(&mut Sums, [Value<'_>; N]),
    ) -> Result<bool, JournalError> {
        let mut after = [i64::MIN; K];
        loop {
            let query = after.iter().fold(sqlx::query(statement), |query, key| query.bind(*key)).bind(PAGE_ROWS);
            let row = query.fetch_one(&mut self.connection).await.map_err(JournalError::sql)?;
            let count: i64 = get(&row, 0)?;
            if count == 0 {
                return Ok(true);
            }
            let mut columns = Columns::read(&row, kinds)?;
            for _ in 0..count {
                let Some(cells) = columns.next() else { return Ok(false) };
                for (key, cell) in after.iter_mut().zip(&cells) {
                    if let Value::Int(number) = cell {
                        *key = *number;
                    }
                }
                add(sums, cells);
            }
            if !columns.at_end() {
                return Ok(false);
            }
        }
    }
}

/// (run, row, target, name, verdict, seq, settled seq, outcome, evidence).
fn add_intent(sums: &mut Sums, [run, row, target, name, verdict, seq, settled, outcome, evidence]: [Value<'_>; 9]) {
    sums.intent([run, row, target, name, verdict, seq]);
    if !matches!((settled, outcome, evidence), (Value::Null, Value::Null, Value::Null)) {
        sums.settled([run, row, settled, outcome, evidence]);
    }
}

/// (run, row, attempt, started seq, finished seq, class).
fn add_attempt(sums: &mut Sums, [run, row, attempt, started, finished, class]: [Value<'_>; 6]) {
    sums.attempt([run, row, attempt, started]);
    if !matches!((finished, class), (Value::Null, Value::Null)) {
        sums.finished([run, row, attempt, finished, class]);
    }
}

/// What a column of a page holds: one text for all of its rows.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Number,
    /// Empty for a null.
    MaybeNumber,
    /// Has no space in it. If it has one, there are more words than rows.
    Word,
    /// The same with a dot after it; empty for a null.
    MaybeWord,
    /// Any text: the lengths in bytes, and in the next column of the page the concatenated texts.
    Text,
}

/// The columns of a page, read row by row.
struct Columns<const N: usize>([Column; N]);

struct Column {
    kind: Kind,
    words: String,
    /// Where the next word begins; beyond the end after the last.
    at: usize,
    texts: String,
    text_at: usize,
}

impl<const N: usize> Columns<N> {
    /// Reads the columns after the first, which holds the number of rows.
    fn read(row: &SqliteRow, kinds: [Kind; N]) -> Result<Self, JournalError> {
        let mut index = 0;
        let mut text = || {
            index += 1;
            get::<Option<String>>(row, index).map(Option::unwrap_or_default)
        };
        let mut columns = Vec::with_capacity(N);
        for kind in kinds {
            let words = text()?;
            let texts = if matches!(kind, Kind::Text) { text()? } else { String::new() };
            columns.push(Column { kind, words, at: 0, texts, text_at: 0 });
        }
        let columns = <[Column; N]>::try_from(columns);
        columns.map(Self).map_err(|_| JournalError::damaged("a page has not the columns that were asked for"))
    }

    fn next(&mut self) -> Option<[Value<'_>; N]> {
        let mut cells = [Value::Null; N];
        for (cell, column) in cells.iter_mut().zip(&mut self.0) {
            *cell = column.next()?;
        }
        Some(cells)
    }

    fn at_end(&self) -> bool {
        self.0.iter().all(|column| column.at > column.words.len() && column.text_at == column.texts.len())
    }
}

impl Column {
    fn next(&mut self) -> Option<Value<'_>> {
        let rest = self.words.get(self.at..)?;
        let length = rest.bytes().position(|byte| byte == b' ').unwrap_or(rest.len());
        let word = &rest[..length];
        self.at += length + 1;
        Some(match self.kind {
            Kind::MaybeNumber | Kind::MaybeWord if word.is_empty() => Value::Null,
            Kind::Number | Kind::MaybeNumber => Value::Int(word.parse().ok()?),
            Kind::Word => Value::Text(word),
            Kind::MaybeWord => Value::Text(word.strip_suffix('.')?),
            Kind::Text => {
                let begin = self.text_at;
                self.text_at = begin.checked_add(word.parse().ok()?)?;
                Value::Text(self.texts.get(begin..self.text_at)?)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(kind: Kind, words: &str, texts: &str) -> Column {
        Column { kind, words: words.into(), at: 0, texts: texts.into(), text_at: 0 }
    }

    fn all(mut column: Column) -> Option<Vec<String>> {
        let mut all = Vec::new();
        while column.at <= column.words.len() {
            all.push(format!("{:?}", column.next()?));
        }
        Columns([column]).at_end().then_some(all)
    }

    #[test]
    fn a_column_is_read_as_it_was_put_together() {
        let cases = [
            (column(Kind::Number, "1 -2 9223372036854775807", ""), "Int(1) Int(-2) Int(9223372036854775807)"),
            (column(Kind::MaybeNumber, " 3 ", ""), "Null Int(3) Null"),
            (column(Kind::Word, "delete  skip", ""), "Text(\"delete\") Text(\"\") Text(\"skip\")"),
            (column(Kind::MaybeWord, "gone.  . ..", ""), "Text(\"gone\") Null Text(\"\") Text(\".\")"),
            (column(Kind::Text, "3 0 2", "a bé"), "Text(\"a b\") Text(\"\") Text(\"é\")"),
        ];
        for (column, expected) in cases {
            assert_eq!(all(column).unwrap().join(" "), expected);
        }
    }

    #[test]
    fn what_does_not_fit_together_is_no_column() {
        for column in [
            column(Kind::Number, "1 x", ""),
            column(Kind::Number, "", ""),
            column(Kind::Number, "1.0", ""),
            column(Kind::Number, "9223372036854775808", ""),
            column(Kind::MaybeWord, "gone", ""),
            column(Kind::Text, "3", "ab"),
            column(Kind::Text, "1", "ab"),
            column(Kind::Text, "1 1", "é"),
            column(Kind::Text, "18446744073709551615", "é"),
        ] {
            assert_eq!(all(column), None);
        }
    }
}
