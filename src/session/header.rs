//! The first line of a plan.

use jiff::Timestamp;
use uuid::Uuid;

use super::accounts::Connections;
use super::order::{Order, Subject};
use super::stage::manifest_entry;
use crate::domain::{micros, time_text};
use crate::manifest::Ingested;
use crate::record::plan::{ACTION, PLAN_SCHEMA, PlanHeader, PlanManifest};

/// The first line of the plan of that id, which has no end.
pub(super) fn header<L>(
    order: &Order,
    subject: &Subject,
    plan_id: Uuid,
    made_at: Timestamp,
    connections: &Connections<L>,
    ingested: &Ingested,
) -> PlanHeader {
    let Order { who, reason, ticket, policy, .. } = order;
    PlanHeader {
        schema: PLAN_SCHEMA.to_owned(),
        action: ACTION.to_owned(),
        plan_id: plan_id.to_string(),
        made_at: time_text(micros(made_at)),
        made_by: format!("{}@{}", who.user, who.host),
        expires_at: None,
        ticket: ticket.clone(),
        reason: reason.clone(),
        manifest: PlanManifest::from(&manifest_entry(ingested)),
        endpoint: connections.place.endpoint.clone(),
        callers: connections.callers(),
        settings: subject
            .deciding()
            .into_iter()
            .chain(policy.named())
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        policy_sha256: policy.sha256.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}
