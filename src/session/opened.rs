//! The entry that a session begins with: who, where, as whom and with which settings.

use std::collections::BTreeMap;
use std::time::Duration;

use super::order::Order;
use super::place::Place;
use crate::domain::{Settings, sha256};
use crate::record::MAX_INTEGER;
use crate::record::event::SessionOpened;

/// What a session is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opening<'a> {
    /// Its id.
    pub(super) session: uuid::Uuid,
    /// The command.
    pub(super) command: &'static str,
    pub(super) order: &'a Order,
    pub(super) settings: &'a Settings,
    /// Where it is connected to, if it is.
    pub(super) place: Option<&'a Place>,
    /// Whether it is a rehearsal.
    pub(super) sandbox: bool,
    /// Settings of the command itself.
    pub(super) own: &'a [(&'a str, String)],
}

/// The entry that opens a session.
pub(super) fn session_opened(opening: Opening<'_>) -> Box<SessionOpened> {
    let Opening { session, command, order, settings, place, sandbox, own } = opening;
    let mut named = order.named(settings);
    named.extend(place.map(|place| ("address".to_owned(), place.address.clone())));
    named.extend(own.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    // The keys are ASCII and sorted, so this is the canonical form.
    let text = serde_json::to_string(&named).unwrap_or_default();
    let who = order.who.clone();
    Box::new(SessionOpened {
        run_id: None,
        session_id: session.to_string(),
        command: command.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: who.commit,
        host: who.host,
        user: who.user,
        login_uid: who.login_uid,
        claims: who.claims,
        pid: who.pid,
        caller_arn: place.map(|place| place.caller.arn.clone()),
        profile: place.and_then(|place| place.profile.clone()),
        credentials_source: place.and_then(|place| place.credentials_source.clone()),
        account: place.map(|place| place.caller.account.clone()),
        accounts: Vec::new(),
        endpoint: place.map(|place| place.endpoint.clone()),
        sandbox,
        settings: named,
        settings_sha256: sha256(text.as_bytes()),
        attempt_timeout_ms: place.map(|_| millis(settings.attempt_timeout)),
        reason: order.reason.clone(),
        ticket: order.ticket.clone(),
        continues_from: None,
        not_remembered: None,
        policy_sha256: order.policy.sha256.clone(),
        machine_policy_sha256: order.policy.machine_sha256.clone(),
    })
}

/// The entry of a session that only closes what others left, or accepts that entries were lost.
pub(super) fn housekeeping(session: uuid::Uuid, command: &'static str, order: &Order) -> Box<SessionOpened> {
    let (settings, own) = (Settings::default(), &[]);
    let opened =
        session_opened(Opening { session, command, order, settings: &settings, place: None, sandbox: false, own });
    Box::new(SessionOpened { settings: BTreeMap::new(), settings_sha256: sha256(b"{}"), ..*opened })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).map_or(MAX_INTEGER, |ms| ms.min(MAX_INTEGER))
}
