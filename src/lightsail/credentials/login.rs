//! The files in which logins are kept: `aws sso login` and `aws login` write them; the SDK reads and renews them. Read here
//! only after the SDK has failed, to find out why.

use std::path::{Path, PathBuf};

use aws_types::os_shim_internal::Env;
use jiff::Timestamp;
use serde::Deserialize;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::files::{home, variable};

/// What a login's file shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// There is none: nobody has logged in, or somebody has logged out.
    Missing,
    /// It has expired.
    Expired,
    /// There is one, and nothing else is known about it.
    There,
}

/// The file of an `sso_session`, or of an `sso_start_url` without one.
pub(super) fn sso_file(env: &Env, identifier: &str) -> PathBuf {
    let name = format!("{}.json", hex(&Sha1::digest(identifier.as_bytes())));
    home(env).unwrap_or_else(|| "~".into()).join(".aws/sso/cache").join(name)
}

/// The file of a `login_session`.
pub(super) fn login_file(env: &Env, session: &str) -> PathBuf {
    let name = format!("{}.json", hex(&Sha256::digest(session.trim().as_bytes())));
    match variable(env, "AWS_LOGIN_CACHE_DIRECTORY") {
        Some(directory) => PathBuf::from(directory).join(name),
        None => home(env).unwrap_or_else(|| "~".into()).join(".aws/login/cache").join(name),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The fields that matter. The others are secrets, and are not read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    expires_at: Option<String>,
    access_token: Option<serde_json::Value>,
}

pub(super) fn state(file: &Path, now: Timestamp) -> State {
    let Ok(bytes) = std::fs::read(file) else { return State::Missing };
    let Ok(kept) = serde_json::from_slice::<Kept>(&bytes) else { return State::There };
    let within = kept.access_token.as_ref().and_then(|token| token.get("expiresAt")?.as_str());
    let expiry = kept.expires_at.as_deref().or(within).and_then(|text| text.parse::<Timestamp>().ok());
    if expiry.is_some_and(|at| at <= now) { State::Expired } else { State::There }
}
