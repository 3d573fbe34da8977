//! The values of a settings file as the text that an option takes, checked by the option's own parser.

use std::error::Error as _;
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command};
use toml::Spanned;
use toml::de::{DeInteger, DeValue};

use super::keys::{is_list, is_path, is_switch};
use super::source::may_hold_a_secret;
use crate::manifest::check_region;

/// What is wrong with a value, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) message: String,
    pub(crate) hint: String,
}

fn wrong(message: impl Into<String>, hint: impl Into<String>) -> Wrong {
    Wrong { message: message.into(), hint: hint.into() }
}

/// The values as text. No value means that the setting is unset. `~/` stands for `home`; where `absolute` is set, any other path
/// must be absolute.
pub(crate) fn texts(arg: &Arg, value: &DeValue<'_>, home: Option<&Path>, absolute: bool) -> Result<Vec<String>, Wrong> {
    let values: Vec<&DeValue<'_>> = match value {
        DeValue::Array(values) if is_list(arg) => values.iter().map(Spanned::get_ref).collect(),
        DeValue::Array(_) => return Err(wrong("it takes one value, not a list", "remove the brackets")),
        value => vec![value],
    };
    let mut texts = Vec::new();
    for value in values {
        let text = text(arg, value)?;
        // An empty text means unset, as in a variable.
        if text.is_empty() {
            continue;
        }
        let text = if is_path(arg) { path(&text, home, absolute)? } else { text };
        check(arg, &text)?;
        texts.push(text);
    }
    Ok(texts)
}

fn text(arg: &Arg, value: &DeValue<'_>) -> Result<String, Wrong> {
    let plain = match (value, is_switch(arg)) {
        (DeValue::Boolean(on), true) => on.to_string(),
        (DeValue::String(text), true) if text.is_empty() => String::new(),
        (_, true) => return Err(wrong("it is a switch", "write true or false, without quotation marks")),
        (DeValue::String(text), false) => text.to_string(),
        (DeValue::Integer(number), false) => decimal(number)?,
        (DeValue::Float(number), false) => number.as_str().to_owned(),
        (DeValue::Boolean(_), false) => return Err(wrong("it is no switch", "write a value in quotation marks")),
        (DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_), false) => {
            return Err(wrong("it takes a text or a number", "write the value in quotation marks"));
        }
    };
    Ok(plain)
}

fn decimal(number: &DeInteger<'_>) -> Result<String, Wrong> {
    match i64::from_str_radix(number.as_str(), number.radix()) {
        Ok(number) => Ok(number.to_string()),
        Err(_) => Err(wrong("the number is out of range", "write a smaller number")),
    }
}

/// A path. Nobody knows from where a relative path in the user configuration would count.
fn path(text: &str, home: Option<&Path>, absolute: bool) -> Result<String, Wrong> {
    if let Some(rest) = text.strip_prefix("~/") {
        let home = home.ok_or_else(|| wrong("HOME is not set, so ~/ stands for nothing", "write an absolute path"))?;
        return Ok(home.join(rest).display().to_string());
    }
    if absolute && !text.starts_with('/') && !text.contains("://") {
        return Err(wrong(
            "a path in the user configuration must not depend on the working directory",
            "write an absolute path, or begin it with ~/",
        ));
    }
    Ok(text.to_owned())
}

/// Checks one value as the command line would.
fn check(arg: &Arg, text: &str) -> Result<(), Wrong> {
    let name = arg.get_long().unwrap_or_default();
    if name == "region" {
        check_region(text).map_err(|fault| wrong(fault.message, fault.hint))?;
    }
    let is_account = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    if name == "expect-account" && !is_account {
        return Err(wrong(format!("{text:?} is no account id"), "an account id has twelve digits, in quotation marks"));
    }
    if is_switch(arg) {
        return Ok(());
    }
    let alone = Arg::new("value").long("value").action(ArgAction::Set).value_parser(arg.get_value_parser().clone());
    let command = Command::new("keybatch").no_binary_name(true).disable_help_flag(true).arg(alone);
    let checked = command.try_get_matches_from([format!("--value={text}")]);
    checked.map(drop).map_err(|error| {
        if may_hold_a_secret(text) {
            return wrong("the value is not valid; it is not shown, because it may be a secret", "correct it");
        }
        told(&error, text)
    })
}

/// What the parser of the command line says, without the option that stands for the setting here.
fn told(error: &clap::Error, text: &str) -> Wrong {
    let mut possible = Vec::new();
    let mut meant = String::new();
    for (kind, value) in error.context() {
        match (kind, value) {
            (ContextKind::ValidValue, ContextValue::Strings(values)) => possible.clone_from(values),
            (ContextKind::SuggestedValue, ContextValue::String(value)) => {
                meant = format!("did you mean {value}?");
            }
            _ => {}
        }
    }
    match error.kind() {
        ErrorKind::InvalidValue => wrong(format!("{text:?} is none of {}", possible.join(", ")), meant),
        _ => {
            let said = error.source().map_or_else(|| "the value is not valid".to_owned(), ToString::to_string);
            wrong(said, meant)
        }
    }
}
