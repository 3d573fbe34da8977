//! What an entry says of a control that was used: whether it can be so.

use crate::domain::CAP_PER_S;
use crate::record::control_used::{ControlUsed, Controlled, rate_text};

/// Reads its words.
pub(super) fn controlled(used: &ControlUsed) -> Result<(), String> {
    if used.by.is_empty() {
        return Err("it does not say who used the control".into());
    }
    match (&used.uid, &used.database_role) {
        (Some(_), None) => {}
        (None, Some(role)) if !role.is_empty() => {}
        _ => return Err("it names neither a user's number nor a database's role, or both".into()),
    }
    match (used.what, &used.per_s) {
        (Controlled::Rate, Some(text)) => {
            let (least, most) = CAP_PER_S;
            let rate = text.parse::<f64>().ok();
            // As it is written, the smallest rate is rounded.
            let is_rate = rate.is_some_and(|rate| rate >= least - 1e-6 && rate <= most && rate_text(rate) == *text);
            if is_rate { Ok(()) } else { Err(format!("{text:?} is not a rate as it is written")) }
        }
        (Controlled::Rate, None) => Err("it names no rate".into()),
        (_, Some(_)) => Err("it names a rate, and is about none".into()),
        (_, None) => Ok(()),
    }
}
