//! An error as programs see it: one `keybatch.error/1` object on standard output if JSON was requested.

use std::collections::BTreeMap;
use std::ffi::OsString;

use serde::Serialize;
use serde_json::Value;

use super::code::Code;
use super::environment::Environment;
use super::error::{CliError, Sent};
use super::exit::Exit;
use super::format::Format;
use super::summary;
use crate::manifest::Faults;

/// The object. Fields are only ever added.
#[derive(Debug, Serialize)]
struct ErrorObject<'a> {
    schema: &'static str,
    code: String,
    exit: u8,
    message: &'a str,
    causes: &'a [String],
    hints: &'a [String],
    sent: &'static str,
    run: Option<&'a str>,
    faults: Vec<FaultObject<'a>>,
    /// How many faults of each code there are. If there are very many, `faults` lists only the first.
    fault_counts: BTreeMap<String, u64>,
}

#[derive(Debug, Serialize)]
struct FaultObject<'a> {
    file: &'a str,
    line: u64,
    column: u64,
    code: String,
    message: String,
    hint: String,
}

/// The error as an object. If there is a summary, too, the object has the fields of both; its `schema` is that of the summary if the
/// run had begun, and otherwise that of the error.
pub(super) fn object(error: &CliError) -> Value {
    let faults = error.details.faults.as_ref();
    let object = ErrorObject {
        schema: "keybatch.error/1",
        code: code(error),
        exit: error.exit.code(),
        message: &error.message,
        causes: &error.causes,
        hints: &error.hints,
        sent: error.sent.unwrap_or(Sent::Nothing).as_str(),
        run: error.details.run.as_deref(),
        faults: faults.map(listed).unwrap_or_default(),
        fault_counts: faults.map(counts).unwrap_or_default(),
    };
    // It holds only text and numbers, so this cannot fail.
    let own = serde_json::to_value(object).unwrap_or_default();
    let Some(summary) = &error.details.summary else { return own };
    let whole = summary::object(summary, error.exit);
    let (Value::Object(mut own), Value::Object(whole)) = (own, whole) else { return Value::Null };
    let begun = summary::has_begun(summary);
    for (name, value) in whole {
        if begun || name != "schema" {
            own.insert(name, value);
        }
    }
    Value::Object(own)
}

/// Faults of one kind give the error their code.
fn code(error: &CliError) -> String {
    let counts = error.details.faults.as_ref().map(counts).unwrap_or_default();
    match counts.first_key_value() {
        Some((only, _)) if counts.len() == 1 => only.clone(),
        _ => error.code.as_str().to_owned(),
    }
}

fn listed(faults: &Faults) -> Vec<FaultObject<'_>> {
    let kept = faults.kept().iter();
    kept.map(|fault| FaultObject {
        file: fault.file(),
        line: fault.place().line,
        column: fault.place().column,
        code: dotted(fault.kind().code()),
        message: fault.to_string(),
        hint: fault.hint(),
    })
    .collect()
}

fn counts(faults: &Faults) -> BTreeMap<String, u64> {
    faults.by_code().iter().map(|(code, count)| (dotted(code), *count)).collect()
}

/// Gives the manifest's codes the form of all others.
fn dotted(code: &str) -> String {
    code.replace("::", ".")
}

/// The requested format, if the arguments could not be parsed.
pub(super) fn asked_format(arguments: &[OsString], environment: &Environment) -> Option<Format> {
    let words = || arguments.iter().filter_map(|argument| argument.to_str());
    let after = words().zip(words().skip(1)).filter(|(option, _)| *option == "--output").map(|(_, word)| word);
    let joined = words().filter_map(|word| word.strip_prefix("--output="));
    let word = after.chain(joined).last().or_else(|| environment.variable("KEYBATCH_OUTPUT"))?;
    <Format as clap::ValueEnum>::from_str(word, true).ok()
}

/// What the parser of the command line says, as an error.
pub(super) fn of_usage(error: &clap::Error) -> CliError {
    let text = error.render().to_string();
    let mut paragraphs = text.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty());
    let message = paragraphs.next().unwrap_or_default();
    let message = message.strip_prefix("error: ").unwrap_or(message);
    let hints = paragraphs.map(|paragraph| paragraph.strip_prefix("tip: ").unwrap_or(paragraph).to_owned()).collect();
    CliError { hints, ..CliError::new(Exit::Usage, message).code(Code::Usage).sent(Sent::Nothing) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(words: &[&str]) -> Option<Format> {
        let arguments: Vec<OsString> = words.iter().map(OsString::from).collect();
        asked_format(&arguments, &Environment::default())
    }

    #[test]
    fn the_format_is_found_in_arguments_that_do_not_parse() {
        assert_eq!(asked(&["keybatch", "--output", "json", "rnu"]), Some(Format::Json));
        assert_eq!(asked(&["keybatch", "rnu", "--output=jsonl"]), Some(Format::Jsonl));
        assert_eq!(asked(&["keybatch", "rnu", "--output", "yaml"]), None);
        assert_eq!(asked(&["keybatch", "rnu"]), None);
    }
}
