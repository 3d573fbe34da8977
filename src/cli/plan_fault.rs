//! A file that is no plan, or not the one that was sealed, as the user sees it.

use super::code::Code;
use super::error::CliError;
use super::exit::Exit;
use crate::record::plan::file::{PlanFault, PlanFaultKind};

/// The refusal of the file.
pub(super) fn plan_fault(fault: &PlanFault) -> CliError {
    let code = match fault.kind {
        PlanFaultKind::Io(_) | PlanFaultKind::Empty | PlanFaultKind::NoPlan => Code::PlanUnreadable,
        PlanFaultKind::Version(_) | PlanFaultKind::Action(_) => Code::PlanVersion,
        PlanFaultKind::TooLong | PlanFaultKind::Shape(_) | PlanFaultKind::NotCanonical => Code::PlanNotCanonical,
        PlanFaultKind::Cut
        | PlanFaultKind::NoSeal
        | PlanFaultKind::OutOfOrder { .. }
        | PlanFaultKind::Seal { .. }
        | PlanFaultKind::SealCounts
        | PlanFaultKind::Rows { .. }
        | PlanFaultKind::Trailing => Code::PlanEdited,
    };
    let it = CliError::new(Exit::Refused, format!("the plan is refused: {fault}")).code(code);
    match code {
        Code::PlanUnreadable => it.hint("a plan is made by: keybatch plan MANIFEST -o FILE"),
        Code::PlanVersion => it.hint("use the version of keybatch that made the plan, or make the plan again"),
        _ => it.hint(
            "a plan is never edited: change the manifest and make the plan again, or get an unchanged copy from who made it",
        ),
    }
}
