//! A file that is no plan, or not the one that was sealed, as the user sees it.

use std::path::Path;

use crate::cli::code::Code;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::shown;
use crate::record::plan::file::{PlanFault, PlanFaultKind};

/// The refusal of the file at `path`.
pub(in crate::cli) fn refused(path: &Path, fault: &PlanFault) -> CliError {
    let code = match fault.kind {
        PlanFaultKind::Io(_) | PlanFaultKind::Empty | PlanFaultKind::NoPlan => Code::PlanUnreadable,
        PlanFaultKind::Version(_) | PlanFaultKind::Action(_) => Code::PlanVersion,
        PlanFaultKind::TooLong | PlanFaultKind::Shape(_) | PlanFaultKind::NotCanonical => Code::PlanNotCanonical,
        PlanFaultKind::Cut
        | PlanFaultKind::NoSeal
        | PlanFaultKind::OutOfOrder { .. }
        | PlanFaultKind::Seal { .. }
        | PlanFaultKind::Rows { .. }
        | PlanFaultKind::Trailing => Code::PlanEdited,
    };
    let place = shown(&path.to_string_lossy());
    let it = CliError::new(Exit::Refused, format!("the plan {place} is refused: {fault}")).code(code);
    match code {
        Code::PlanUnreadable => it.hint("a plan is made by: keybatch plan MANIFEST -o FILE"),
        Code::PlanVersion => it.hint("use the version of keybatch that made the plan, or make the plan again"),
        _ => it.hint(
            "a plan is never edited: change the manifest and make the plan again, or get an unchanged copy from who made it",
        ),
    }
}
