//! Who the sessions of runs were, to tell their records from those of others.

use std::collections::{HashMap, HashSet};

use crate::domain::RunId;

/// The callers of runs, account by account.
#[derive(Debug, Default)]
pub(super) struct Callers(HashMap<RunId, HashMap<String, HashSet<String>>>);

impl Callers {
    pub(super) fn add(&mut self, run: RunId, account: &str, arn: &str) {
        self.0.entry(run).or_default().entry(account.to_owned()).or_default().insert(person(arn));
    }

    /// Whether this is none of the callers of a run in an account. A record without a caller says nothing, and so does a run
    /// whose callers are not known.
    pub(super) fn is_another(&self, run: RunId, account: &str, arn: Option<&str>) -> bool {
        let known = self.0.get(&run).and_then(|accounts| accounts.get(account));
        matches!((known, arn), (Some(known), Some(arn)) if !known.contains(&person(arn)))
    }
}

/// Who an ARN is of. The sessions of a role in an account are one person: each session has another name.
fn person(arn: &str) -> String {
    let role = arn.split_once(":assumed-role/").and_then(|(account, rest)| Some((account, rest.split_once('/')?.0)));
    role.map_or_else(|| arn.to_owned(), |(account, role)| format!("{account}:assumed-role/{role}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_of_a_role_are_one_person_and_users_are_not() {
        let run: RunId = "0198c0de-0000-7000-8000-00000000000a".parse().unwrap();
        let mut callers = Callers::default();
        callers.add(run, "1", "arn:aws:sts::1:assumed-role/clean/one");
        callers.add(run, "1", "arn:aws:iam::1:user/a");
        let another = |account: &str, arn| callers.is_another(run, account, arn);
        for arn in ["arn:aws:sts::1:assumed-role/clean/two", "arn:aws:iam::1:user/a"] {
            assert!(!another("1", Some(arn)), "{arn}");
        }
        for arn in [
            "arn:aws:sts::1:assumed-role/other/one",
            "arn:aws:sts::2:assumed-role/clean/one",
            "arn:aws:iam::1:user/b",
            "arn:aws:iam::1:root",
            "arn:aws:iam::1:user/clean/one",
        ] {
            assert!(another("1", Some(arn)), "{arn}");
        }
        assert!(!another("1", None) && !another("2", Some("arn:aws:iam::1:user/b")));
    }
}
