//! Which key pairs of an inventory are wanted. Pure.

use jiff::Timestamp;

use crate::domain::{DEFAULT_KEY_PAIR, KeyPair};
use crate::policy::Glob;

/// A key pair of an inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// As the service listed it.
    pub pair: KeyPair,
    /// The names of the instances that were made with a key pair of this name; none where nobody asked for instances.
    pub used_by: Option<Vec<String>>,
}

/// Which key pairs are wanted: those that every part admits. The default admits all but default key pairs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Names of which one must match; without any, every name does.
    pub names: Vec<Glob>,
    /// Tags that must all be there.
    pub tags: Vec<WantedTag>,
    /// Created at this time or before.
    pub created_until: Option<Timestamp>,
    /// Created at this time or after.
    pub created_since: Option<Timestamp>,
    /// Whether only those are wanted that no instance was made with.
    pub unused: bool,
    /// Whether default key pairs are wanted, too. A manifest may name them only where that is allowed.
    pub default_key_pairs: bool,
}

/// A tag that must be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedTag {
    /// Its key.
    pub key: String,
    /// Its value; none where any will do.
    pub value: Option<String>,
}

impl WantedTag {
    /// The tag that is written `KEY` or `KEY=VALUE`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        match text.split_once('=') {
            Some((key, value)) => Self { key: key.to_owned(), value: Some(value.to_owned()) },
            None => Self { key: text.to_owned(), value: None },
        }
    }

    fn is_on(&self, pair: &KeyPair) -> bool {
        let found = pair.tags.get(&self.key);
        found.is_some_and(|found| self.value.as_ref().is_none_or(|wanted| wanted == found))
    }
}

impl Selection {
    /// Whether this key pair is wanted. One whose creation time is unknown is neither older nor newer than anything, and one whose
    /// instances are unknown is not known to be unused.
    #[must_use]
    pub fn admits(&self, listed: &Listed) -> bool {
        let Listed { pair, used_by } = listed;
        let created: Option<Timestamp> = pair.identity.created_at.as_ref().and_then(|at| at.parse().ok());
        (self.default_key_pairs || pair.name != DEFAULT_KEY_PAIR)
            && (self.names.is_empty() || self.names.iter().any(|name| name.matches(&pair.name)))
            && self.tags.iter().all(|tag| tag.is_on(pair))
            && self.created_until.is_none_or(|until| created.is_some_and(|created| created <= until))
            && self.created_since.is_none_or(|since| created.is_some_and(|created| created >= since))
            && (!self.unused || used_by.as_ref().is_some_and(Vec::is_empty))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Identity;

    fn listed(name: &str, created_at: Option<&str>, tags: &[(&str, &str)], used_by: Option<&[&str]>) -> Listed {
        let identity = Identity { created_at: created_at.map(str::to_owned), ..Identity::default() };
        let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let used_by = used_by.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        Listed { pair: KeyPair { name: name.to_owned(), identity, tags }, used_by }
    }

    #[test]
    fn each_part_must_admit_it() {
        let pair = listed("ci-1", Some("2024-05-01T00:00:00.000Z"), &[("team", "red"), ("old", "")], Some(&[]));
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        let names = |all: &[&str]| all.iter().map(|name| Glob::new(name)).collect::<Vec<_>>();
        let tags = |all: &[&str]| all.iter().map(|tag| WantedTag::new(tag)).collect::<Vec<_>>();
        let all = Selection::default;
        for (selection, wanted) in [
            (all(), true),
            (Selection { names: names(&["web-*", "ci-?"]), ..all() }, true),
            (Selection { names: names(&["web-*"]), ..all() }, false),
            (Selection { tags: tags(&["team=red", "old"]), ..all() }, true),
            (Selection { tags: tags(&["team=red", "new"]), ..all() }, false),
            (Selection { tags: tags(&["team=re"]), ..all() }, false),
            (Selection { tags: tags(&["old="]), ..all() }, true),
            (Selection { created_until: at("2024-05-01T00:00:00Z"), ..all() }, true),
            (Selection { created_until: at("2024-04-30T23:59:59Z"), ..all() }, false),
            (Selection { created_since: at("2024-05-01T00:00:00Z"), ..all() }, true),
            (Selection { created_since: at("2024-05-01T00:00:01Z"), ..all() }, false),
            (Selection { unused: true, ..all() }, true),
            (Selection { names: names(&["ci-?"]), tags: tags(&["none"]), ..all() }, false),
        ] {
            assert_eq!(selection.admits(&pair), wanted, "{selection:?}");
        }
    }

    #[test]
    fn what_is_not_known_is_not_assumed() {
        let at = Some(Timestamp::UNIX_EPOCH);
        let unknown = listed("ci-1", None, &[], None);
        assert!(!Selection { created_since: at, ..Selection::default() }.admits(&unknown));
        assert!(!Selection { created_until: at, ..Selection::default() }.admits(&unknown));
        assert!(!Selection { unused: true, ..Selection::default() }.admits(&unknown));
        let used = listed("ci-1", None, &[], Some(&["web"]));
        assert!(!Selection { unused: true, ..Selection::default() }.admits(&used));
    }

    #[test]
    fn a_default_key_pair_must_be_asked_for() {
        let default = listed(DEFAULT_KEY_PAIR, None, &[], None);
        assert!(!Selection::default().admits(&default));
        assert!(Selection { default_key_pairs: true, ..Selection::default() }.admits(&default));
    }
}
