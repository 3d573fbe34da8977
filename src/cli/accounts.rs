//! The accounts that the user configuration says how to reach: a table `[accounts."111122223333"]` each.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::domain::RunId;
use crate::lightsail::credentials::ConfiguredRole;

/// The keys of a table.
const KEYS: [&str; 5] = [PROFILE, ROLE_ARN, "external_id", "session_name", "source_profile"];
const PROFILE: &str = "profile";
const ROLE_ARN: &str = "role_arn";

/// What the name of a role's session begins with where the configuration names none; the run follows.
pub(super) const SESSION_OF_A_RUN: &str = "keybatch-";

/// How long the name of a role's session may be.
const SESSION_NAME: std::ops::RangeInclusive<usize> = 2..=64;

/// How long an external id may be.
const EXTERNAL_ID: std::ops::RangeInclusive<usize> = 2..=1224;

/// How each account is reached that the configuration names.
pub(super) type Accounts = BTreeMap<String, Account>;

/// How an account is reached: through a profile, or as a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    /// The table, as messages name it.
    pub(super) table: String,
    way: Means,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Means {
    Profile(String),
    Role { arn: String, external_id: Option<String>, session_name: Option<String>, source_profile: Option<String> },
}

impl Account {
    /// The profile whose credentials are used, or with whose credentials the role is assumed; none for the default credentials.
    pub(super) fn profile(&self) -> Option<&str> {
        match &self.way {
            Means::Profile(profile) => Some(profile),
            Means::Role { source_profile, .. } => source_profile.as_deref(),
        }
    }

    /// The ARN of the role that is assumed, if one is.
    pub(super) fn role_arn(&self) -> Option<&str> {
        match &self.way {
            Means::Profile(_) => None,
            Means::Role { arn, .. } => Some(arn),
        }
    }

    /// The role that is assumed, if one is. CloudTrail shows the name of its session.
    pub(super) fn role(&self, run: RunId) -> Option<ConfiguredRole> {
        match &self.way {
            Means::Profile(_) => None,
            Means::Role { arn, external_id, session_name, .. } => Some(ConfiguredRole {
                place: self.table.clone(),
                arn: arn.clone(),
                external_id: external_id.clone(),
                session_name: session_name.clone().unwrap_or_else(|| format!("{SESSION_OF_A_RUN}{run}")),
            }),
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.way {
            Means::Profile(profile) => write!(f, "{} names profile {profile}", self.table),
            Means::Role { arn, source_profile: Some(source), .. } => {
                write!(f, "{} names role {arn}, assumed with the credentials of profile {source}", self.table)
            }
            Means::Role { arn, .. } => {
                write!(f, "{} names role {arn}, assumed with the default credentials", self.table)
            }
        }
    }
}

/// What is wrong with a table: where, what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WrongAccount {
    pub(super) at: Range<usize>,
    pub(super) message: String,
    pub(super) hint: String,
}

/// Reads the table of accounts, with everything that is wrong with it.
pub(super) fn interpret(table: &DeTable<'_>) -> (Accounts, Vec<WrongAccount>) {
    let (mut accounts, mut faults) = (Accounts::new(), Vec::new());
    for (key, value) in table {
        let (id, at) = (key.get_ref().as_ref(), key.span());
        let mut wrong = |at: Range<usize>, message: String, hint: &str| {
            faults.push(WrongAccount { at, message, hint: hint.to_owned() });
        };
        if id.len() != 12 || !id.bytes().all(|byte| byte.is_ascii_digit()) {
            wrong(
                at,
                format!("`{id}` is not an account id of 12 digits"),
                "write it as in [accounts.\"111122223333\"]",
            );
            continue;
        }
        let DeValue::Table(fields) = value.get_ref() else {
            wrong(
                value.span(),
                format!("account {id} is not a table"),
                "write its keys below [accounts.\"111122223333\"]",
            );
            continue;
        };
        let before = faults.len();
        let fields = texts(fields, &mut faults);
        if faults.len() > before {
            continue;
        }
        match means(id, fields) {
            Ok(way) => drop(accounts.insert(id.to_owned(), Account { table: format!("[accounts.\"{id}\"]"), way })),
            Err((at_key, message, hint)) => {
                faults.push(WrongAccount { at: at_key.unwrap_or(at), message, hint: hint.to_owned() });
            }
        }
    }
    (accounts, faults)
}

/// A text, and where it stands.
type Text = (String, Range<usize>);

fn texts(table: &DeTable<'_>, faults: &mut Vec<WrongAccount>) -> BTreeMap<&'static str, Text> {
    let mut found = BTreeMap::new();
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        match KEYS.into_iter().find(|known| *known == name.replace('-', "_")) {
            None => faults.push(WrongAccount {
                at: key.span(),
                message: format!("an account has no setting `{name}`"),
                hint: format!("it has {}", KEYS.join(", ")),
            }),
            Some(known) => match text(value) {
                Some(text) => drop(found.insert(known, (text, value.span()))),
                None => faults.push(WrongAccount {
                    at: value.span(),
                    message: format!("`{name}` is not a text"),
                    hint: format!("write {name} = \"…\""),
                }),
            },
        }
    }
    found
}

fn text(value: &Spanned<DeValue<'_>>) -> Option<String> {
    match value.get_ref() {
        DeValue::String(text) if !text.trim().is_empty() => Some(text.as_ref().to_owned()),
        _ => None,
    }
}

/// Where, what is wrong, and what to do.
type Refused = (Option<Range<usize>>, String, &'static str);

fn means(id: &str, mut fields: BTreeMap<&'static str, Text>) -> Result<Means, Refused> {
    let mut take = |key: &str| fields.remove(key);
    match (take(PROFILE), take(ROLE_ARN)) {
        (Some(_), Some((_, at))) => {
            let hint = "keep one of them; the profile with whose credentials a role is assumed is source_profile";
            Err((Some(at), format!("account {id} has both profile and role_arn"), hint))
        }
        (None, None) => {
            Err((None, format!("nothing says how account {id} is reached"), "add profile = \"…\" or role_arn = \"…\""))
        }
        (Some((profile, _)), None) => match fields.pop_first() {
            None => Ok(Means::Profile(profile)),
            Some((key, (_, at))) => {
                let hint = "remove it, or name the role with role_arn instead of the profile";
                Err((Some(at), format!("{key} is about a role, and account {id} is reached through a profile"), hint))
            }
        },
        (None, Some((arn, at))) => {
            if account_of(&arn) != Some(id) {
                let hint = "a role's ARN is arn:aws:iam::ACCOUNT:role/NAME, and its account is that of the table";
                return Err((Some(at), format!("role_arn is not the ARN of a role in account {id}"), hint));
            }
            let external_id = take("external_id");
            if let Some((_, at)) = external_id.as_ref().filter(|(text, _)| !is_made_of(text, "_+=,.@:/-", EXTERNAL_ID))
            {
                let hint = "it has 2 to 1,224 letters, digits and characters of _+=,.@:/-";
                return Err((Some(at.clone()), "STS does not accept this external_id".to_owned(), hint));
            }
            let session_name = take("session_name");
            if let Some((_, at)) = session_name.as_ref().filter(|(text, _)| !is_made_of(text, "_+=,.@-", SESSION_NAME))
            {
                let hint = "it has 2 to 64 letters, digits and characters of _+=,.@-";
                return Err((Some(at.clone()), "STS does not accept this session_name".to_owned(), hint));
            }
            let [external_id, session_name, source_profile] =
                [external_id, session_name, take("source_profile")].map(|found| found.map(|(text, _)| text));
            Ok(Means::Role { arn, external_id, session_name, source_profile })
        }
    }
}

/// The account of a role's ARN.
fn account_of(arn: &str) -> Option<&str> {
    let parts: Vec<_> = arn.splitn(6, ':').collect();
    let ["arn", partition, "iam", "", account, resource] = parts[..] else { return None };
    let is_role = resource.strip_prefix("role/").is_some_and(|name| !name.is_empty());
    Some(account).filter(|_| is_role && partition.starts_with("aws"))
}

fn is_made_of(text: &str, marks: &str, length: std::ops::RangeInclusive<usize>) -> bool {
    length.contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || marks.contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Accounts, Vec<String>) {
        let (document, errors) = DeTable::parse_recoverable(text);
        assert!(errors.is_empty(), "{errors:?}");
        let DeValue::Table(table) = document.get_ref()["accounts"].get_ref() else { panic!("no table") };
        let (accounts, faults) = interpret(table);
        (accounts, faults.into_iter().map(|wrong| format!("{}: {}", &text[wrong.at], wrong.message)).collect())
    }

    #[test]
    fn an_account_is_reached_through_a_profile_or_as_a_role() {
        let (accounts, faults) = read(
            "[accounts.\"111122223333\"]\nprofile = \"prod\"\n[accounts.\"222233334444\"]\n\
             role_arn = \"arn:aws:iam::222233334444:role/ops/deleter\"\nexternal-id = \"x-1\"\nsource_profile = \"base\"\n",
        );
        assert!(faults.is_empty(), "{faults:?}");
        let run = RunId(uuid::Uuid::nil());
        let [one, two] = ["111122223333", "222233334444"].map(|id| &accounts[id]);
        assert_eq!((one.profile(), one.role(run)), (Some("prod"), None));
        assert_eq!(two.profile(), Some("base"));
        let role = two.role(run).unwrap();
        assert_eq!(role.session_name, format!("keybatch-{run}"));
        assert_eq!(
            (role.arn.as_str(), role.external_id.as_deref()),
            ("arn:aws:iam::222233334444:role/ops/deleter", Some("x-1"))
        );
        assert_eq!(role.place, "[accounts.\"222233334444\"]");
    }

    #[test]
    fn everything_that_is_wrong_is_found_in_its_place() {
        for (table, expected) in [
            ("[accounts.prod]\nprofile = \"p\"", "prod: `prod` is not an account id of 12 digits"),
            ("[accounts]\n111122223333 = \"p\"", "\"p\": account 111122223333 is not a table"),
            ("[accounts.\"111122223333\"]\n", "\"111122223333\": nothing says how account 111122223333 is reached"),
            ("[accounts.\"111122223333\"]\nprofle = \"p\"", "profle: an account has no setting `profle`"),
            ("[accounts.\"111122223333\"]\nprofile = 1", "1: `profile` is not a text"),
            ("[accounts.\"111122223333\"]\nprofile = \" \"", "\" \": `profile` is not a text"),
            (
                "[accounts.\"111122223333\"]\nprofile = \"p\"\nexternal_id = \"xx\"",
                "\"xx\": external_id is about a role, and account 111122223333 is reached through a profile",
            ),
        ] {
            assert_eq!(read(table).1, [expected], "{table}");
        }
        let role = |more: &str| {
            read(&format!("[accounts.\"111122223333\"]\nrole_arn = \"arn:aws:iam::111122223333:role/r\"\n{more}")).1
        };
        assert!(role("").is_empty());
        assert_eq!(role("profile = \"p\"").len(), 1);
        assert_eq!(role("session_name = \"with blank\""), ["\"with blank\": STS does not accept this session_name"]);
        assert_eq!(role("external_id = \"x\""), ["\"x\": STS does not accept this external_id"]);
        for arn in [
            "arn:aws:iam::222233334444:role/r",
            "arn:aws:iam::111122223333:user/u",
            "r",
            "arn:aws:iam::111122223333:role/",
        ] {
            assert_eq!(read(&format!("[accounts.\"111122223333\"]\nrole_arn = \"{arn}\"")).1.len(), 1, "{arn}");
        }
    }
}
