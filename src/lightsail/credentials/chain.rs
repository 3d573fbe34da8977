//! How a profile gets its credentials: what they begin with, and the roles that are assumed one after another. The
//! precedence of keys is that of the SDK (`aws-config`, `profile/credentials/repr.rs`), whose own chain goes on to other
//! identities if a profile or a key is missing; this one says what is missing.

use aws_config::profile::{Profile, ProfileSet};
use aws_sdk_lightsail::config::Credentials;

use super::fault::CredentialsFault;

/// What credentials begin with. `profile` is the one whose keys say so.
#[derive(Debug, Clone)]
pub(super) enum Base {
    Keys { profile: String, keys: Credentials },
    Sso { profile: String, session: Option<String>, region: String, start_url: String, account: String, role: String },
    Login { profile: String, session: String },
    Program { profile: String, command: String },
    Token { place: String, file: String, role: String, session: Option<String> },
    Environment,
    Container,
    Instance,
}

/// A role to assume with what came before.
#[derive(Debug, Clone)]
pub(super) struct Role {
    /// What says so, in words: a profile, or another table.
    pub(super) place: String,
    pub(super) arn: String,
    pub(super) external_id: Option<String>,
    pub(super) session_name: Option<String>,
}

/// All steps to the credentials.
#[derive(Debug, Clone)]
pub(super) struct Chain {
    pub(super) base: Base,
    /// In the order in which they are assumed.
    pub(super) roles: Vec<Role>,
}

/// The value of a profile's key, unless it is empty.
fn key<'a>(profile: &'a Profile, name: &str) -> Option<&'a str> {
    profile.get(name).map(str::trim).filter(|value| !value.is_empty())
}

/// The chain of a defined profile; `None` if none of its keys says where credentials come from.
///
/// # Errors
/// What is wrong with the profile, or with one that it leads to.
pub(super) fn chain_of(set: &ProfileSet, name: &str) -> Result<Option<Chain>, CredentialsFault> {
    let mut visited: Vec<String> = Vec::new();
    let mut roles = Vec::new();
    let mut mfa = None;
    let mut next = name.to_owned();
    let base = loop {
        let Some(profile) = set.get_profile(&next) else {
            let Some(last) = visited.pop() else { return Ok(None) };
            return Err(CredentialsFault::SourceNotDefined { profile: last, source_profile: next });
        };
        if visited.contains(&next) {
            visited.push(next);
            return Err(CredentialsFault::Circle { profiles: visited });
        }
        visited.push(next.clone());
        if visited.len() > 1
            && let Ok(Some(keys)) = static_keys(profile)
        {
            break Some(keys);
        }
        let Some(role) = role_of(profile) else { break base_of(set, profile)? };
        mfa = mfa.or_else(|| key(profile, "mfa_serial").map(|serial| (next.clone(), serial.to_owned())));
        roles.push(role);
        match (key(profile, "source_profile"), key(profile, "credential_source")) {
            (Some(_), Some(_)) => return Err(CredentialsFault::TwoSources { profile: next }),
            (None, None) => return Err(CredentialsFault::RoleWithoutSource { profile: next }),
            (Some(source), None) if source != next => next = source.to_owned(),
            _ => break base_of(set, profile)?,
        }
    };
    let Some(base) = base else {
        let profile = visited.pop().unwrap_or(next);
        return if roles.is_empty() { Ok(None) } else { Err(CredentialsFault::NothingInProfile { profile }) };
    };
    // The SDK ignores the device: it would request the role without a code, and be denied.
    if let Some((profile, serial)) = mfa {
        return Err(CredentialsFault::Mfa { profile, serial });
    }
    roles.reverse();
    Ok(Some(Chain { base, roles }))
}

fn role_of(profile: &Profile) -> Option<Role> {
    // A token begins a chain.
    if key(profile, "web_identity_token_file").is_some() {
        return None;
    }
    Some(Role {
        place: format!("profile {}", profile.name()),
        arn: key(profile, "role_arn")?.to_owned(),
        external_id: key(profile, "external_id").map(str::to_owned),
        session_name: key(profile, "role_session_name").map(str::to_owned),
    })
}

fn base_of(set: &ProfileSet, profile: &Profile) -> Result<Option<Base>, CredentialsFault> {
    let name = profile.name().to_owned();
    if let Some(source) = key(profile, "credential_source") {
        return match source.to_ascii_lowercase().as_str() {
            "environment" => Ok(Some(Base::Environment)),
            "ecscontainer" => Ok(Some(Base::Container)),
            "ec2instancemetadata" => Ok(Some(Base::Instance)),
            _ => Err(CredentialsFault::UnknownSource { profile: name, name: source.to_owned() }),
        };
    }
    if let Some(file) = key(profile, "web_identity_token_file") {
        let Some(role) = key(profile, "role_arn") else {
            return Err(CredentialsFault::TokenWithoutRole { place: format!("profile {name}"), missing: "role_arn" });
        };
        let session = key(profile, "role_session_name").map(str::to_owned);
        let (file, role) = (file.to_owned(), role.to_owned());
        return Ok(Some(Base::Token { place: format!("profile {name}"), file, role, session }));
    }
    if let Some(base) = sso_of(set, profile)? {
        return Ok(Some(base));
    }
    if let Some(session) = key(profile, "login_session") {
        return Ok(Some(Base::Login { profile: name, session: session.to_owned() }));
    }
    if let Some(command) = key(profile, "credential_process") {
        return Ok(Some(Base::Program { profile: name, command: command.to_owned() }));
    }
    static_keys(profile)
}

fn sso_of(set: &ProfileSet, profile: &Profile) -> Result<Option<Base>, CredentialsFault> {
    const KEYS: [&str; 5] = ["sso_account_id", "sso_region", "sso_role_name", "sso_start_url", "sso_session"];
    let [account, region, role, start_url, session] = KEYS.map(|name| key(profile, name));
    if [account, region, role, start_url, session].iter().all(Option::is_none) {
        return Ok(None);
    }
    let name = profile.name().to_owned();
    let wrong = |what: String| CredentialsFault::SsoKeys { profile: name.clone(), what };
    let (region, start_url) = match session {
        None => (region, start_url),
        Some(_) if region.is_some() || start_url.is_some() => {
            return Err(wrong("with sso_session, sso_region and sso_start_url belong into its section".to_owned()));
        }
        Some(session) => match set.sso_session(session) {
            Some(section) => (section.get("sso_region"), section.get("sso_start_url")),
            None => {
                return Err(CredentialsFault::SsoSessionNotDefined { profile: name, session: session.to_owned() });
            }
        },
    };
    let need =
        |value: Option<&str>, key: &str| value.map(str::to_owned).ok_or_else(|| wrong(format!("there is no {key}")));
    Ok(Some(Base::Sso {
        account: need(account, "sso_account_id")?,
        role: need(role, "sso_role_name")?,
        region: need(region, "sso_region")?,
        start_url: need(start_url, "sso_start_url")?,
        session: session.map(str::to_owned),
        profile: name,
    }))
}

fn static_keys(profile: &Profile) -> Result<Option<Base>, CredentialsFault> {
    let [id, secret, token] =
        ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"].map(|name| key(profile, name));
    let name = profile.name().to_owned();
    let incomplete = |missing| CredentialsFault::IncompleteKeys { place: format!("profile {name}"), missing };
    let keys = match (id, secret) {
        (None, None) if token.is_none() => return Ok(None),
        (None, _) => return Err(incomplete("aws_access_key_id")),
        (_, None) => return Err(incomplete("aws_secret_access_key")),
        (Some(id), Some(secret)) => Credentials::new(id, secret, token.map(str::to_owned), None, "profile"),
    };
    Ok(Some(Base::Keys { profile: name, keys }))
}
