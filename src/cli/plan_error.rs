//! The message if there is no plan.

use super::code::Code;
use super::error::{CliError, Sent};
use super::exit::Exit;
use super::network;
use crate::plan::PlanError;

/// The error with what can be done about it. Nothing but reads was sent.
pub(super) fn plan_error(error: &PlanError) -> CliError {
    let planned = match error {
        PlanError::Refused { notes, .. } => {
            let mut refused = CliError::from_error(Exit::Refused, error).code(Code::Plan);
            refused.causes =
                notes.iter().map(|(row, name, note)| format!("row {row}, {name}: {}", note.text)).collect();
            refused
        }
        PlanError::Foreign { .. } => CliError::from_error(Exit::Environment, error)
            .code(Code::Endpoint)
            .hint("AWS_ENDPOINT_URL redirects every service; AWS_ENDPOINT_URL_LIGHTSAIL and AWS_ENDPOINT_URL_STS redirect one each"),
        PlanError::NotPermitted { action, .. } => CliError::from_error(Exit::Environment, error)
            .code(Code::Permission)
            .hint(format!("grant the credentials the IAM action {action}")),
        PlanError::Unreadable { error: Some(answer), .. } => {
            let said = CliError::from_error(Exit::Environment, error).code(Code::Service);
            network::hints(answer).into_iter().fold(said, CliError::hint)
        }
        _ => CliError::from_error(Exit::Environment, error).code(Code::Service),
    };
    planned.sent(Sent::Reads)
}
