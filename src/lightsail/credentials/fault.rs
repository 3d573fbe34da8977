//! Why there are no credentials: the actual reason, with the next step that fits it. A helper program's output is never
//! quoted, because it may hold secrets.

use std::fmt;
use std::time::Duration;

/// What named a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedBy {
    /// The option, or the variable that stands for it.
    Option,
    /// The variable of the AWS configuration.
    Variable,
}

impl fmt::Display for NamedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Option => "--profile or KEYBATCH_PROFILE",
            Self::Variable => "AWS_PROFILE",
        })
    }
}

/// How a helper program failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProgramFault {
    /// The shell did not find it.
    NotFound,
    /// The shell is not allowed to execute it.
    NotExecutable,
    /// It exited with this code.
    Exit(i32),
    /// A signal ended it.
    Signal(i32),
    /// The shell that runs it could not be started.
    NotStarted(std::io::ErrorKind),
    /// It did not print the JSON object that it should; what is wrong with the output, in our words.
    Output(&'static str),
    /// It printed credentials that had expired.
    Expired,
}

impl fmt::Display for ProgramFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("is not installed: the shell exited with code 127, not found"),
            Self::NotExecutable => f.write_str("cannot be executed: the shell exited with code 126"),
            Self::Exit(code) => {
                write!(f, "exited with code {code}; its own words are withheld, since they may hold secrets")
            }
            Self::Signal(signal) => write!(f, "was ended by signal {signal}"),
            Self::NotStarted(kind) => write!(f, "could not be started: {kind}"),
            Self::Output(what) => write!(f, "printed no usable credentials: {what}"),
            Self::Expired => f.write_str("printed credentials that have expired"),
        }
    }
}

/// There are no credentials to send requests with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are what the messages say")]
pub enum CredentialsFault {
    /// A line of the AWS configuration cannot be read. The SDK would go on without any of it.
    #[error("the AWS configuration cannot be read: {detail}")]
    Malformed { detail: String },
    /// The named profile is in no file.
    #[error("profile {profile}, named by {by}, is not defined: {looked}")]
    ProfileNotDefined { profile: String, by: NamedBy, looked: String, defined: Vec<String> },
    /// A profile names another one, which is in no file.
    #[error("profile {profile} has source_profile = {source_profile}, and there is no profile {source_profile}")]
    SourceNotDefined { profile: String, source_profile: String },
    /// Profiles that name each other as their source.
    #[error("the source_profile keys form a circle: {}", profiles.join(" -> "))]
    Circle { profiles: Vec<String> },
    /// The named profile holds no credentials.
    #[error("profile {profile} has no credentials: none of its keys says where they come from")]
    NothingInProfile { profile: String },
    /// A role without a source of credentials to assume it with.
    #[error("profile {profile} has role_arn, but neither source_profile nor credential_source to assume the role with")]
    RoleWithoutSource { profile: String },
    /// A role with two sources of credentials to assume it with.
    #[error("profile {profile} has both source_profile and credential_source")]
    TwoSources { profile: String },
    /// A `credential_source` other than the three known ones.
    #[error(
        "profile {profile} has credential_source = {name}, which is none of Environment, EcsContainer and Ec2InstanceMetadata"
    )]
    UnknownSource { profile: String, name: String },
    /// A key without its counterpart.
    #[error("the static keys of {place} are incomplete: there is no {missing}")]
    IncompleteKeys { place: String, missing: &'static str },
    /// The role's profile requires an MFA code, which only a person has.
    #[error(
        "profile {profile} assumes its role with an MFA device (mfa_serial = {serial}), and keybatch does not ask for codes"
    )]
    Mfa { profile: String, serial: String },
    /// An `sso_session` without its section.
    #[error("profile {profile} has sso_session = {session}, and there is no section [sso-session {session}]")]
    SsoSessionNotDefined { profile: String, session: String },
    /// A key is missing or misplaced.
    #[error("the IAM Identity Center keys of profile {profile} are incomplete or contradictory: {what}")]
    SsoKeys { profile: String, what: String },
    /// Nobody has logged in on this machine.
    #[error("profile {profile} needs an IAM Identity Center session ({session}), and nobody has logged in to it yet")]
    SsoNeverLoggedIn { profile: String, session: String },
    /// The login has expired.
    #[error("the IAM Identity Center session of profile {profile} ({session}) has expired")]
    SsoExpired { profile: String, session: String },
    /// The service gave no credentials for that role.
    #[error("IAM Identity Center gave profile {profile} no credentials of role {role} in account {account}: {detail}")]
    SsoRefused { profile: String, role: String, account: String, detail: String },
    /// Nobody has logged in on this machine.
    #[error(
        "profile {profile} needs a console session (login_session = {session}), and nobody has logged in to it yet"
    )]
    NeverLoggedIn { profile: String, session: String },
    /// The login has expired, or could not be renewed.
    #[error("the console session of profile {profile} (login_session = {session}) has expired or was ended: {detail}")]
    LoginEnded { profile: String, session: String, detail: String },
    /// A helper program returned no credentials.
    #[error("the credential_process of profile {profile}, {program}, {fault}")]
    Program { profile: String, program: String, fault: ProgramFault },
    /// An address that must not be used to obtain credentials.
    #[error(
        "{variable} names {address}, which is not allowed: without TLS, only this machine and the container agents may be asked"
    )]
    ContainerNotAllowed { variable: &'static str, address: String },
    /// A profile asks for a container's role, but this is not a container.
    #[error(
        "the profile's credential_source is EcsContainer, and neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor \
         AWS_CONTAINER_CREDENTIALS_FULL_URI is set"
    )]
    NoContainer,
    /// The container's agent returned no credentials.
    #[error("the container's credentials address ({variable}) gave no credentials: {detail}")]
    Container { variable: &'static str, detail: String },
    /// A token file is missing or cannot be read.
    #[error("the web identity token of {place} cannot be read: {path}: {kind}")]
    TokenFile { place: String, path: String, kind: std::io::ErrorKind },
    /// A token without a role, or a role without its token.
    #[error("{place} has a web identity token, but no role to assume with it ({missing})")]
    TokenWithoutRole { place: String, missing: &'static str },
    /// STS refused.
    #[error("the role {role} of {place} could not be assumed: {detail}")]
    AssumeRole { place: String, role: String, detail: String },
    /// The instance's role gave no credentials.
    #[error("the instance's metadata service gave no credentials: {detail}")]
    Instance { detail: String },
    /// Nothing is configured anywhere.
    #[error("there are no AWS credentials: {}", looked.join("; "))]
    Nowhere { looked: Vec<String> },
    /// Obtaining credentials took too long.
    #[error("there were no credentials after {} s from {origin}", limit.as_secs_f64())]
    TimedOut { origin: String, limit: Duration },
}

impl CredentialsFault {
    /// What the user can do about it, one line each.
    #[must_use]
    pub fn steps(&self) -> Vec<String> {
        match self {
            Self::Malformed { .. } => vec!["correct that line".to_owned()],
            Self::ProfileNotDefined { profile, defined, .. } => defined_profiles(profile, defined),
            Self::SourceNotDefined { profile, source_profile } => {
                vec![format!("define profile {source_profile}, or correct source_profile of profile {profile}")]
            }
            Self::Circle { .. } => vec!["give the last profile of the chain credentials of its own".to_owned()],
            Self::NothingInProfile { profile } => vec![
                format!("set them up with: aws configure --profile {profile} (or aws configure sso, aws login)"),
                "to use those of the environment or of this instance instead, do not name a profile".to_owned(),
            ],
            Self::RoleWithoutSource { profile } => vec![format!(
                "add source_profile = NAME to profile {profile}, or credential_source = Environment, EcsContainer or Ec2InstanceMetadata"
            )],
            Self::TwoSources { profile } => vec![format!("remove one of the two from profile {profile}")],
            Self::UnknownSource { profile, .. } => vec![format!("correct credential_source of profile {profile}")],
            Self::IncompleteKeys { missing, .. } => vec![format!("add {missing}, or remove the other key")],
            Self::Mfa { profile, .. } => vec![
                format!(
                    "get a session first: eval \"$(aws configure export-credentials --profile {profile} --format env)\""
                ),
                "then run this again without --profile".to_owned(),
            ],
            Self::SsoSessionNotDefined { session, .. } => {
                vec![format!("define it with: aws configure sso-session (its name is {session})")]
            }
            Self::SsoKeys { profile, .. } => {
                vec![format!("set it up again with: aws configure sso --profile {profile}")]
            }
            Self::SsoNeverLoggedIn { profile, .. } | Self::SsoExpired { profile, .. } => {
                vec![format!("log in with: aws sso login --profile {profile}")]
            }
            Self::SsoRefused { profile, .. } => vec![
                "check that the role is assigned to you in that account".to_owned(),
                format!("if the session was ended elsewhere, log in again with: aws sso login --profile {profile}"),
            ],
            Self::NeverLoggedIn { profile, .. } | Self::LoginEnded { profile, .. } => {
                vec![format!("log in with: aws login --profile {profile}")]
            }
            Self::Program { profile, program, fault } => program_steps(profile, program, fault),
            Self::ContainerNotAllowed { variable, .. } => {
                vec![format!("correct or unset {variable}; an https address is always allowed")]
            }
            Self::NoContainer => vec![
                "run this in the task or pod whose role is meant, or correct credential_source of the profile"
                    .to_owned(),
            ],
            Self::Container { variable, .. } => vec![format!("check {variable} and the task's or pod's role")],
            Self::TokenFile { .. } => vec!["check that the token is mounted where the role expects it".to_owned()],
            Self::TokenWithoutRole { missing, .. } => vec![format!("set {missing}")],
            Self::AssumeRole { .. } => {
                vec!["check the role's trust policy, and that its source may assume it (sts:AssumeRole)".to_owned()]
            }
            Self::Instance { .. } | Self::Nowhere { .. } => vec![
                "set them up with: aws configure (or log in with: aws login, aws sso login)".to_owned(),
                "or name the profile that has them with --profile or AWS_PROFILE".to_owned(),
            ],
            Self::TimedOut { .. } => vec!["allow more time with --credentials-timeout".to_owned()],
        }
    }
}

fn program_steps(profile: &str, program: &str, fault: &ProgramFault) -> Vec<String> {
    match fault {
        ProgramFault::NotFound => {
            vec![format!("install {program}, or give its whole path in credential_process of profile {profile}")]
        }
        ProgramFault::NotExecutable => vec![format!("check the permissions of {program}")],
        _ => vec![format!("run the command in credential_process of profile {profile} by hand to see why")],
    }
}

fn defined_profiles(wanted: &str, defined: &[String]) -> Vec<String> {
    let near = defined.iter().find(|name| is_near(wanted, name));
    let mut steps: Vec<String> = near.map(|name| format!("perhaps {name} was meant")).into_iter().collect();
    steps.push(match defined {
        [] => "no profile is defined".to_owned(),
        few if few.len() <= 10 => format!("defined are: {}", few.join(", ")),
        many => format!("{} profiles are defined; list them with: aws configure list-profiles", many.len()),
    });
    steps
}

/// Whether two names differ only in case, in one letter, or in two swapped neighbours.
fn is_near(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) =
        (one.to_lowercase().chars().collect(), other.to_lowercase().chars().collect());
    let (short, long) = if one.len() <= other.len() { (&one, &other) } else { (&other, &one) };
    let same = short.iter().zip(long).take_while(|(a, b)| a == b).count();
    let (short, long) = (&short[same..], &long[same..]);
    match long.len() - short.len() {
        0 => match short {
            [] => true,
            [first, second, rest @ ..] if long[0] == *second && long[1] == *first => *rest == long[2..],
            _ => short[1..] == long[1..],
        },
        1 => *short == long[1..],
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_profile_is_recognized() {
        for typed in ["prdo", "pro", "prodd", "Prod", "prud", "prod"] {
            assert!(is_near(typed, "prod"), "{typed}");
        }
        for other in ["dev", "production", "p", "", "porduct"] {
            assert!(!is_near(other, "prod"), "{other}");
        }
    }
}
