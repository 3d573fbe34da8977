//! The files of the shared AWS configuration, as the SDK reads them, including errors that it would silently ignore.

use std::path::PathBuf;

use aws_config::profile::ProfileSet;
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_types::os_shim_internal::{Env, Fs};

use super::fault::CredentialsFault;

/// Both files, and what each variable and default says about them.
const FILES: [(&str, &str); 2] =
    [("AWS_CONFIG_FILE", ".aws/config"), ("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials")];

/// A variable that is set and not empty.
pub(super) fn variable(env: &Env, name: &str) -> Option<String> {
    env.get(name).ok().filter(|value| !value.trim().is_empty())
}

/// The home directory, as the SDK determines it.
pub(super) fn home(env: &Env) -> Option<PathBuf> {
    variable(env, "HOME").map(PathBuf::from)
}

/// Reads the profiles of both files. `profile` is the one that is selected.
///
/// # Errors
/// [`CredentialsFault::Malformed`], with path and line.
pub(super) async fn read(env: &Env, profile: &str) -> Result<ProfileSet, CredentialsFault> {
    let selected = Some(profile.to_owned().into());
    let read = aws_config::profile::load(&Fs::real(), env, &EnvConfigFiles::default(), selected).await;
    read.map_err(|error| {
        // The SDK's message names path, line and what was expected there, and quotes nothing of the file.
        let detail = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        CredentialsFault::Malformed { detail: detail.split_whitespace().collect::<Vec<_>>().join(" ") }
    })
}

/// The files that were searched for profiles, and why some could not be read.
pub(super) fn looked(env: &Env) -> String {
    let of = |(name, default): (&str, &str)| {
        let (path, by) = match variable(env, name) {
            Some(path) => (expanded(env, &path), format!(" ({name})")),
            None => (home(env).unwrap_or_else(|| "~".into()).join(default), String::new()),
        };
        let state = match std::fs::read(&path) {
            Ok(bytes) if std::str::from_utf8(&bytes).is_err() => " cannot be read: it is not UTF-8",
            Ok(_) => " does not have it",
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => " does not exist",
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => " may not be read by this user",
            Err(_) => " cannot be read",
        };
        format!("{}{by}{state}", path.display())
    };
    FILES.map(of).join(", ")
}

fn expanded(env: &Env, path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), home(env)) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => path.into(),
    }
}
