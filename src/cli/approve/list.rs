//! `approve --list`: the signatures that there are, without regard to who may sign.

use serde_json::json;

use super::gather::Gathered;
use crate::cli::plan::shown::Read;
use crate::cli::{CliError, Context, Exit, Format};
use crate::journal::Cell;
use crate::record::approval::{MAKER_NAMESPACE, PLAN_NAMESPACE, Presented, text};
use crate::record::ssh::{Signature, Verification};
use crate::review::json_text;

/// The columns of a signature.
const COLUMNS: [&str; 6] = ["file", "named", "key", "key_type", "holds", "why"];

pub(super) fn run(plan: &Read, gathered: &Gathered, context: &Context) -> Result<Exit, CliError> {
    let text = text(&plan.header, &plan.seal);
    let of = |one: &Presented, namespace| {
        row(&one.from, one.named.as_ref().map(|name| name.as_str()), &one.text, namespace, &text)
    };
    let presented = gathered.presented.iter().map(|one| of(one, PLAN_NAMESPACE));
    let rows: Vec<_> = presented.chain(gathered.makers.iter().map(|one| of(one, MAKER_NAMESPACE))).collect();
    if context.ui.format == Format::Json {
        let value = |row: &[Option<String>; COLUMNS.len()]| {
            COLUMNS
                .iter()
                .zip(row)
                .map(|(name, cell)| ((*name).to_owned(), json!(cell)))
                .collect::<serde_json::Map<_, _>>()
        };
        let object = json!({
            "schema": "keybatch.signatures/1",
            "plan_id": plan.header.plan_id,
            "plan_root": plan.seal.root,
            "signatures": rows.iter().map(value).collect::<Vec<_>>(),
        });
        context.ui.data(&format!("{}\n", json_text(&object)))?;
        return Ok(Exit::Success);
    }
    let mut stream = context.ui.stream(&COLUMNS)?.wrapping();
    for row in rows {
        stream.row(&row.map(|cell| cell.map_or(Cell::Null, Cell::Text)))?;
    }
    stream.end()?;
    context.ui.talk("whether these people may approve was not judged: --verify --allowed-signers FILE does");
    Ok(Exit::Success)
}

fn row(file: &str, named: Option<&str>, armour: &str, namespace: &str, text: &str) -> [Option<String>; COLUMNS.len()] {
    let (file, named) = (Some(file.to_owned()), named.map(str::to_owned));
    match Signature::parse(armour) {
        Err(why) => [file, named, None, None, Some("no".into()), Some(why.to_string())],
        Ok(signature) => {
            let key = signature.key();
            let (holds, why) = match signature.verify(namespace, text.as_bytes()) {
                Verification::Verified => ("yes", None),
                Verification::Bad(bad) => ("no", Some(bad.to_string())),
                Verification::NeedsProgram(needs) => ("unknown", Some(needs.to_string())),
            };
            [file, named, Some(key.fingerprint()), Some(key.kind().to_owned()), Some(holds.into()), why]
        }
    }
}
