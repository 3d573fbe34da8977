//! `approve --verify`: which signatures are accepted, by the reviewer's own list of signers.

use std::path::Path;

use jiff::Timestamp;
use serde_json::json;

use super::gather::Gathered;
use crate::cli::keygen::Keygen;
use crate::cli::plan::shown::Read;
use crate::cli::{CliError, Code, Context, Exit, Format, shown, signers};
use crate::domain::{Clock as _, SystemClock, counted, time_text};
use crate::journal::Cell;
use crate::record::approval::{Judge, Judged, Party, Role, text};
use crate::review::json_text;

/// The columns of a signature.
const COLUMNS: [&str; 7] = ["file", "principal", "key", "key_type", "accepted", "reason", "why"];

/// What is to be verified.
pub(super) struct Asked<'a> {
    pub(super) read: &'a Read,
    /// The list of signers.
    pub(super) signers: &'a Path,
    /// How many must be accepted; without it, all that are presented.
    pub(super) required: Option<u64>,
    pub(super) four_eyes: bool,
    pub(super) gathered: Gathered,
}

pub(super) fn run(asked: &Asked<'_>, context: &Context) -> Result<Exit, CliError> {
    let signers = signers::read(asked.signers, context)?;
    let text = text(&asked.read.header, &asked.read.seal);
    let at = SystemClock::start().now();
    let judge = Judge { text: &text, signers: &signers, at, apart: &[], program: &Keygen { context } };
    let apart = if asked.four_eyes { vec![maker(asked, &judge)?] } else { Vec::new() };
    let judged = Judge { apart: &apart, ..judge }.judge(&asked.gathered.presented);
    let accepted = judged.iter().filter(|one| one.counts.is_ok()).count() as u64;
    let required = asked.required.unwrap_or(judged.len() as u64).max(1);
    print(asked, &judged, (accepted, required), at, context)?;
    if accepted >= required {
        return Ok(Exit::Success);
    }
    let of = counted(judged.len() as u64, "signature is", "signatures are");
    context.ui.say(&format!("not enough approvals: {required} must be accepted; {of} there, and {accepted} accepted"));
    Ok(Exit::Refused)
}

/// The maker of the plan, who may not approve it.
fn maker(asked: &Asked<'_>, judge: &Judge<'_>) -> Result<Party, CliError> {
    let refused = |why: String| {
        CliError::new(Exit::Refused, why)
            .code(Code::Approvals)
            .hint("under four eyes, the maker of a plan signs it: keybatch plan --sign-key KEYFILE")
    };
    let mut why = None;
    for one in &asked.gathered.makers {
        match judge.party(Role::Maker, &one.text) {
            Ok(party) => return Ok(party),
            Err(not) => drop(why.get_or_insert(not)),
        }
    }
    Err(refused(why.map_or_else(
        || "the plan has no signature of its maker".to_owned(),
        |why| format!("the signature of the plan's maker is not accepted: {}", shown(&why.to_string())),
    )))
}

fn print(
    asked: &Asked<'_>,
    judged: &[Judged],
    (accepted, required): (u64, u64),
    at: Timestamp,
    context: &Context,
) -> Result<(), CliError> {
    if context.ui.format == Format::Json {
        let value = |row: [Option<String>; COLUMNS.len()]| {
            let mut object: serde_json::Map<_, _> =
                COLUMNS.iter().zip(row).map(|(name, cell)| ((*name).to_owned(), json!(cell))).collect();
            let accepted = object["accepted"] == "yes";
            object.insert("accepted".into(), accepted.into());
            object
        };
        let object = json!({
            "schema": "keybatch.approvals/1",
            "plan_id": asked.read.header.plan_id,
            "plan_root": asked.read.seal.root,
            "at": time_text(at),
            "accepted": accepted,
            "required": required,
            "enough": accepted >= required,
            "four_eyes": asked.four_eyes,
            "approvals": judged.iter().map(|one| value(row(one))).collect::<Vec<_>>(),
        });
        context.ui.data(&format!("{}\n", json_text(&object)))?;
        return Ok(());
    }
    let mut stream = context.ui.stream(&COLUMNS)?.wrapping();
    for one in judged {
        stream.row(&row(one).map(|cell| cell.map_or(Cell::Null, Cell::Text)))?;
    }
    Ok(stream.end()?)
}

fn row(one: &Judged) -> [Option<String>; COLUMNS.len()] {
    let key = one.key.as_ref();
    let (accepted, why) = match &one.counts {
        Ok(()) => ("yes", None),
        Err(why) => ("no", Some(why)),
    };
    [
        Some(one.from.clone()),
        one.principal.as_ref().map(|principal| principal.as_str().to_owned()),
        key.map(|key| key.fingerprint()),
        key.map(|key| key.kind().to_owned()),
        Some(accepted.to_owned()),
        why.map(|why| why.as_str().to_owned()),
        why.map(ToString::to_string),
    ]
}
