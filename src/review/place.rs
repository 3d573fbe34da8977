//! Where in a statement a database found what it refuses. The driver does not hand over the position that SQLite knows, and
//! its words are for people. So the database is asked again: about the beginnings of the statement, until one is refused with the
//! same words.

use std::ops::Range;

use super::tokens::{Token, tokens};
use crate::journal::{JournalError, Reader};

/// A statement with more words than this is not searched.
const MOST_WORDS: usize = 2_000;

/// The word of `sql` at which the database refuses it with these words, in bytes; the end of the text if something is missing there.
/// None if that is not known, and also if the statement is refused only while it runs.
///
/// # Errors
/// If the journal cannot be read.
pub async fn refused_at(reader: &Reader, sql: &str, reason: &str) -> Result<Option<Range<usize>>, JournalError> {
    let Ok(words) = tokens(sql) else { return Ok(None) };
    if words.len() > MOST_WORDS || reader.refusal(sql).await?.as_deref() != Some(reason) {
        return Ok(None);
    }
    let end = words.last().map_or(0, |word| word.at.end);
    // Something is missing if already the first word is refused like the whole.
    if let Some(first) = words.first()
        && words.len() > 1
        && reader.refusal(&sql[..first.at.end]).await?.as_deref() == Some(reason)
    {
        return Ok(Some(end..end));
    }
    for (index, word) in words.iter().enumerate() {
        if reader.refusal(&sql[..word.at.end]).await?.as_deref() == Some(reason) {
            return Ok(Some(named(sql, &words[..=index], reason)));
        }
    }
    Ok(Some(end..end))
}

/// The last word of this beginning, or an earlier one that the database names: it knows what a name means only once it has read on.
fn named(sql: &str, words: &[Token], reason: &str) -> Range<usize> {
    let text = |word: &Token| &sql[word.at.clone()];
    let last = words.last().map_or(0..0, |word| word.at.clone());
    let is_named = |word: &&Token| {
        let is_name = text(word).starts_with(|c: char| c.is_alphabetic() || c == '_');
        is_name && reason.ends_with(text(word))
    };
    // It quotes the word that it did not expect, and names last what it does not know.
    if reason.ends_with(&sql[last.clone()]) || reason.contains(&format!("\"{}\"", &sql[last.clone()])) {
        return last;
    }
    words.iter().rev().find(is_named).map_or(last, |word| word.at.clone())
}
