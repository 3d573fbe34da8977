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
use super::settings::Settings;
use super::summary;
use crate::manifest::Faults;
use crate::review::Given;

/// The object. Fields are only ever added.
#[derive(Debug, Serialize)]
struct ErrorObject<'a> {
    schema: &'static str,
    code: String,
    exit: u8,
    message: &'a str,
    causes: &'a [String],
    hints: Vec<String>,
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
pub(super) fn object(error: &CliError, given: &Given) -> Value {
    let object = ErrorObject {
        schema: "keybatch.error/1",
        code: code(error),
        exit: error.exit.code(),
        message: &error.message,
        causes: &error.causes,
        hints: error.hints.iter().map(|hint| hint.told(given)).collect(),
        sent: error.sent.unwrap_or(Sent::Nothing).as_str(),
        run: error.details.run.as_deref(),
        faults: listed(error),
        fault_counts: counts(error),
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
    let counts = counts(error);
    match counts.first_key_value() {
        Some((only, _)) if counts.len() == 1 => only.clone(),
        _ => error.code.as_str().to_owned(),
    }
}

fn listed(error: &CliError) -> Vec<FaultObject<'_>> {
    let of_manifest = error.details.faults.iter().flat_map(Faults::kept).map(|fault| FaultObject {
        file: fault.file(),
        line: fault.place().line,
        column: fault.place().column,
        code: dotted(fault.kind().code()),
        message: fault.to_string(),
        hint: fault.hint(),
    });
    let of_files = error.details.file_faults.iter().map(|fault| FaultObject {
        file: &fault.file,
        line: fault.line,
        column: fault.column,
        code: fault.code.to_owned(),
        message: fault.message.clone(),
        hint: fault.hint.clone(),
    });
    of_manifest.chain(of_files).collect()
}

fn counts(error: &CliError) -> BTreeMap<String, u64> {
    let of_manifest = error.details.faults.iter().flat_map(Faults::by_code);
    let mut counts: BTreeMap<_, _> = of_manifest.map(|(code, count)| (dotted(code), *count)).collect();
    counts.extend(error.details.refusals.iter().map(|(code, count)| ((*code).to_owned(), *count)));
    for fault in &error.details.file_faults {
        *counts.entry(fault.code.to_owned()).or_default() += 1;
    }
    counts
}

/// Gives the manifest's codes the form of all others.
fn dotted(code: &str) -> String {
    code.replace("::", ".")
}

/// The requested format, if the arguments could not be parsed.
pub(super) fn asked_format(arguments: &[OsString], environment: &Environment, settings: &Settings) -> Option<Format> {
    let words = || arguments.iter().filter_map(|argument| argument.to_str());
    let after = words().zip(words().skip(1)).filter(|(option, _)| *option == "--output").map(|(_, word)| word);
    let joined = words().filter_map(|word| word.strip_prefix("--output="));
    let in_file = || settings.of("", "output")?.values.first().map(String::as_str);
    let word = after.chain(joined).last().or_else(|| environment.variable("KEYBATCH_OUTPUT")).or_else(in_file)?;
    <Format as clap::ValueEnum>::from_str(word, true).ok()
}

/// What the parser of the command line says, as an error.
pub(super) fn of_usage(error: &clap::Error) -> CliError {
    let text = error.render().to_string();
    let mut paragraphs = text.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty());
    let message = paragraphs.next().unwrap_or_default();
    let message = message.strip_prefix("error: ").unwrap_or(message);
    let hints = paragraphs.map(|paragraph| paragraph.strip_prefix("tip: ").unwrap_or(paragraph).into()).collect();
    CliError { hints, ..CliError::new(Exit::Usage, message).code(Code::Usage).sent(Sent::Nothing) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(words: &[&str]) -> Option<Format> {
        let arguments: Vec<OsString> = words.iter().map(OsString::from).collect();
        asked_format(&arguments, &Environment::default(), &Settings::default())
    }

    #[test]
    fn the_format_is_found_in_arguments_that_do_not_parse() {
        assert_eq!(asked(&["keybatch", "--output", "json", "rnu"]), Some(Format::Json));
        assert_eq!(asked(&["keybatch", "rnu", "--output=jsonl"]), Some(Format::Jsonl));
        assert_eq!(asked(&["keybatch", "rnu", "--output", "yaml"]), None);
        assert_eq!(asked(&["keybatch", "rnu"]), None);
    }
}
