//! The entry that a session begins with: who, where, as whom and with which settings.

use uuid::Uuid;

use crate::cli::Context;
use crate::cli::connect::Connection;
use crate::cli::operator;
use crate::cli::options::SessionOptions;
use crate::cli::version::COMMIT;
use crate::domain::{Settings, sha256};
use crate::record::event::SessionOpened;

/// The entry that opens a session; `own` are settings of the command itself.
pub(crate) fn session_opened(
    context: &Context,
    command: &str,
    options: &SessionOptions,
    settings: &Settings,
    connection: Option<&Connection>,
    sandbox: bool,
    own: &[(&str, String)],
) -> Box<SessionOpened> {
    let mut named = options.named(settings);
    named.extend(connection.map(|connection| ("address".to_owned(), connection.address.clone())));
    named.extend(own.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    // The keys are ASCII and sorted, so this is the canonical form.
    let text = serde_json::to_string(&named).unwrap_or_default();
    Box::new(SessionOpened {
        session: Uuid::now_v7().to_string(),
        command: command.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: COMMIT.map(str::to_owned),
        host: context.environment.host(),
        user: operator::user(),
        login_uid: operator::login_uid(),
        claims: operator::claims(&context.environment),
        pid: std::process::id(),
        caller_arn: connection.map(|connection| connection.caller.arn.clone()),
        profile: connection.and_then(|connection| connection.profile.clone()),
        credentials_source: connection.and_then(|connection| connection.credentials_source.clone()),
        account: connection.map(|connection| connection.caller.account.clone()),
        endpoint: connection.map(|connection| connection.endpoint.clone()),
        sandbox,
        settings: named,
        settings_sha256: sha256(text.as_bytes()),
        reason: options.reason.clone(),
        ticket: options.ticket.clone(),
        continues_from: None,
        not_remembered: None,
    })
}
