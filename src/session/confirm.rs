//! Whether a plan is confirmed, and by what.

use super::error::{Refusal, Sent, SessionError};
use super::operator::{Confirmed, Operator, PlanFacts};
use super::order::Confirmation;
use crate::plan::Plan;

/// By what the plan is confirmed; `None` where it was declined.
///
/// # Errors
/// Where the order refuses it, or nobody could be asked.
pub(super) async fn confirm(
    operator: &dyn Operator,
    confirmation: Confirmation,
    facts: &PlanFacts<'_>,
) -> Result<Option<&'static str>, SessionError> {
    if let Some(confirmed_by) = judge(facts.plan, confirmation)? {
        return Ok(Some(confirmed_by));
    }
    if facts.plan.deletes() == 0 && facts.plan.shown.nothing_there().next().is_none() {
        return Ok(Some("nothing_to_delete"));
    }
    match operator.confirm(facts).await {
        Ok(Confirmed::Yes) => Ok(Some("prompt")),
        Ok(Confirmed::No) => Ok(None),
        Err(error) => Err(SessionError::outside(error)),
    }
}

/// What the order says of the plan: by what it is confirmed, if it is.
///
/// # Errors
/// Where it refuses the plan.
pub(super) fn judge(plan: &Plan, confirmation: Confirmation) -> Result<Option<&'static str>, SessionError> {
    let deletes = plan.deletes();
    let refuse = |refusal| Err(SessionError::new(refusal).sent(Sent::Reads));
    match confirmation {
        Confirmation::Ask { .. } => Ok(None),
        Confirmation::Exactly(expected) if expected != deletes => refuse(Refusal::NotThatMany { expected, deletes }),
        Confirmation::Exactly(_) => Ok(Some("confirm")),
        Confirmation::Yes => {
            let regions: Vec<_> = plan.nothing_there().map(|(place, _)| place).collect();
            if regions.is_empty() {
                return Ok(Some("yes"));
            }
            refuse(Refusal::NothingThere { regions: regions.join(", "), deletes })
        }
    }
}
