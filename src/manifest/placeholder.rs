//! Words that exporters and people write when they have no value.

/// In lower case, without brackets or quotation marks around them. A key pair may be called `null`, so these are
/// recognised only where a condition should be.
const WORDS: [&str; 56] = [
    "\\n",
    "na",
    "n/a",
    "n.a.",
    "n/v",
    "n.v.",
    "k.a.",
    "none",
    "null",
    "nil",
    "nan",
    "nat",
    "nonetype",
    "undefined",
    "undef",
    "unknown",
    "unbekannt",
    "unset",
    "unspecified",
    "unavailable",
    "not set",
    "not specified",
    "not given",
    "not known",
    "not available",
    "not applicable",
    "not found",
    "no value",
    "no data",
    "missing",
    "empty",
    "blank",
    "leer",
    "void",
    "default",
    "placeholder",
    "pending",
    "any",
    "all",
    "various",
    "multiple",
    "same",
    "ditto",
    "see above",
    "true",
    "false",
    "yes",
    "no",
    "tba",
    "tbc",
    "tbd",
    "todo",
    "fixme",
    "xxx",
    "object object",
    "string",
];

/// The longest of [`WORDS`], and two brackets on either side.
const LONGEST_BYTES: usize = 18;

/// Whether a value is a placeholder: a word that says so, a spreadsheet's error, the name of a type printed in place of its
/// values, zeros, or nothing but punctuation.
pub(super) fn is_placeholder(value: &str) -> bool {
    let value = value.trim();
    if value.is_empty() {
        return false;
    }
    let mut characters = value.chars().filter(|c| c.is_alphanumeric()).peekable();
    if characters.peek().is_none() {
        return true;
    }
    // Twelve zeros are the account of local stand-ins for AWS.
    characters.all(|c| c == '0') && value != "000000000000"
        || is_spreadsheet_error(value)
        // PowerShell prints the type of a list; the zero times are those of Go and of Unix.
        || ["System.", "0001-01-01", "1970-01-01"].iter().any(|start| value.starts_with(start))
        || is_word(value)
}

fn is_word(value: &str) -> bool {
    let bracket =
        |c: char| matches!(c, '<' | '>' | '(' | ')' | '[' | ']' | '{' | '}' | '\'' | '"') || c.is_whitespace();
    let inner = value.trim_matches(bracket);
    // No word has a digit, so few values need to be converted to lower case.
    let short = inner.len() <= LONGEST_BYTES && !inner.bytes().any(|b| b.is_ascii_digit());
    short && WORDS.contains(&inner.to_lowercase().as_str())
}

/// `#N/A`, `#VALUE!`, `#WERT!`, `#DIV/0!`, `#NAME?`, and LibreOffice's `Err:502`.
fn is_spreadsheet_error(value: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    value.strip_prefix("Err:").is_some_and(digits)
        || value
            .strip_prefix('#')
            .is_some_and(|rest| !rest.chars().any(|c| c.is_lowercase() || c.is_whitespace() || matches!(c, '1'..='9')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_of_many_writers() {
        // Python, jq and JSON, Go's templates, pandas, JavaScript, Excel in several languages, LibreOffice, C, MySQL,
        // PowerShell, people.
        let words = "None|null|<nil>|<no value>|NaN|<NA>|undefined|#N/A|(null)|\\N|N/A|n/a|NULL|-| — |unknown|TBD|<none>|\
            ??|???|?|~|(empty)|(blank)|unset|<unset>|[null]|pending|any|0|0000-00-00 00:00:00|false|FALSE|System.Object[]|\
            System.Collections.Generic.List`1[System.String]|[object Object]|#VALUE!|#DIV/0!|#WERT!|#NOM?|#GETTING_DATA|\
            ########|Err:502|NaT|[]|{}|''|0001-01-01T00:00:00Z|1970-01-01T00:00:00Z";
        for word in words.split('|') {
            assert!(is_placeholder(word), "{word}");
        }
        for value in
            ["", "us-east-1", "none-of-these", "nullable", "3f:9a", "000000000000", "10", "2024-05-01T00:00:00Z"]
        {
            assert!(!is_placeholder(value), "{value}");
        }
    }
}
