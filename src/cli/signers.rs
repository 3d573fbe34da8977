//! The list of signers that a reviewer brings.

use std::path::Path;

use super::{CliError, Code, Context, Exit, shown};
use crate::record::ssh::Signers;

/// Far larger than any list of people.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// Reads the list at `path`. Its faults are said, since whom they leave out cannot approve anything.
///
/// # Errors
/// Where it cannot be read, or allows nobody.
pub(super) fn read(path: &Path, context: &Context) -> Result<Signers, CliError> {
    let name = shown(&path.to_string_lossy());
    let unusable = |why: String| {
        CliError::new(Exit::Usage, why)
            .code(Code::Signers)
            .hint("it has one line for each key: PRINCIPAL KIND KEY (see ALLOWED SIGNERS in ssh-keygen(1))")
    };
    let read = std::fs::File::open(path).and_then(|file| {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut std::io::Read::take(file, MAX_BYTES), &mut text)?;
        Ok(text)
    });
    let text = read.map_err(|error| unusable(format!("the list of signers {name} cannot be read: {error}")))?;
    let signers = Signers::parse(&text);
    for fault in signers.faults() {
        context.ui.say(&format!("warning: {name}: {} (the line allows nothing)", shown(&fault.to_string())));
    }
    if signers.is_empty() {
        let refused = unusable(format!("the list of signers {name} allows nobody to sign"));
        return Err(signers.faults().iter().fold(refused, |refused, fault| refused.hint(fault.to_string())));
    }
    Ok(signers)
}
