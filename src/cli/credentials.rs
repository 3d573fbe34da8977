//! Signing in: where the credentials come from, and why there are none, in the same words for every command.

use std::time::Duration;

use super::code::Code;
use super::error::{CliError, Sent};
use super::exit::Exit;
use super::{Ui, shown};
use crate::lightsail::aws::AwsLightsail;
use crate::lightsail::credentials::CredentialsFault;

/// How long credentials may take by default: a helper program may wait for a person to touch a key.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(120);

/// After this time, a line says what the session is waiting for.
const WAITED: Duration = Duration::from_secs(2);

/// Obtains credentials, once, within `limit`.
pub(super) async fn sign_in(port: &AwsLightsail, limit: Option<Duration>, ui: &Ui) -> Result<(), CredentialsFault> {
    let limit = limit.unwrap_or(CREDENTIALS_TIMEOUT);
    let signed_in = port.sign_in(limit);
    tokio::pin!(signed_in);
    if let Ok(result) = tokio::time::timeout(WAITED, &mut signed_in).await {
        return result;
    }
    if let Some(located) = port.credentials() {
        let source = shown(&located.to_string());
        ui.talk(format!("waiting up to {} s for credentials: {source}", limit.as_secs()));
    }
    signed_in.await
}

/// The error of a command that has no credentials.
pub(super) fn no_credentials(fault: &CredentialsFault) -> CliError {
    let error = CliError::new(Exit::Environment, fault.to_string()).code(Code::Credentials);
    CliError { hints: fault.steps().into_iter().map(Into::into).collect(), ..error.sent(Sent::Nothing) }
}
