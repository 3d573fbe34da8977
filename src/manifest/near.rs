//! Names of columns that are close to one with a meaning: typing errors, and what other tools call the same thing.

use super::meaning::{Meaning, fold};

/// The canonical spelling of `meaning` if `name` is close to it but is not one of its spellings.
pub(super) fn near(name: &str, meaning: Meaning) -> Option<&'static str> {
    let plain = fold(name);
    let synonyms: &[&str] = match meaning {
        Meaning::Name => &["keypair", "keypairs", "keyname", "key", "resourcename"],
        Meaning::ExpectedFingerprint => &["keyfingerprint", "keypairfingerprint", "thumbprint", "fp"],
        Meaning::Region => &["regionname", "awsregion", "regioncode", "regionid"],
        Meaning::AccountId => &[
            "account",
            "accountno",
            "accountnumber",
            "accountuid",
            "awsaccount",
            "awsaccountid",
            "awsaccountnumber",
            "owneraccountid",
            "owningaccountid",
            "ownerid",
        ],
        Meaning::Arn => &["keypairarn", "resourcearn", "awsarn"],
        Meaning::CreatedAt => &[
            "created",
            "creationdate",
            "creationtime",
            "createdate",
            "createdon",
            "createtime",
            "resourcecreationtime",
        ],
        Meaning::Reason | Meaning::Ticket => &[],
    };
    if synonyms.contains(&plain.as_str()) {
        return Some(meaning.canonical());
    }
    meaning.spellings().iter().copied().find(|spelling| {
        let spelling = fold(spelling);
        // One wrong letter in five is a typing error; in `name` or `arn` it makes another word (`note`, `arm`).
        spelling == plain || (spelling.len() >= 6 && distance_at_most(&spelling, &plain, spelling.len() / 5))
    })
}

/// The meaning that a column's name loosely hints at: enough to treat its values with more suspicion.
pub(super) fn hinted(name: &str) -> Option<Meaning> {
    let guards = Meaning::ALL.into_iter().filter(|meaning| meaning.is_guard());
    if let Some(meaning) = guards.clone().find(|meaning| near(name, *meaning).is_some()) {
        return Some(meaning);
    }
    let plain = fold(name);
    let stems = |meaning: Meaning| -> &[&str] {
        match meaning {
            Meaning::ExpectedFingerprint => &["fingerprint", "thumbprint", "md5", "sha1", "sha256", "digest"],
            Meaning::Region => &["region", "location", "zone"],
            Meaning::AccountId => &["account"],
            Meaning::CreatedAt => &["creat"],
            Meaning::Name | Meaning::Arn | Meaning::Reason | Meaning::Ticket => &[],
        }
    };
    guards.clone().find(|meaning| stems(*meaning).iter().any(|stem| plain.contains(stem)))
}

/// Whether `a` becomes `b` by at most `limit` insertions, deletions, replacements and swaps of neighbours.
fn distance_at_most(a: &str, b: &str, limit: usize) -> bool {
    // A header cell may have 64 KiB: lengths that differ too much are not compared at all.
    if b.len() > a.len() + 4 * limit {
        return false;
    }
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut above: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, cb) in b.iter().enumerate() {
            let mut least = (row[j] + usize::from(ca != cb)).min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && *ca == b[j - 1] && a[i - 1] == *cb {
                least = least.min(above[j - 1] + 1);
            }
            next.push(least);
        }
        above = std::mem::replace(&mut row, next);
    }
    row[b.len()] <= limit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_are_near() {
        for (name, meaning, meant) in [
            ("key_pair_nmae", Meaning::Name, Some("key_pair_name")),
            ("RESOURCE_NAME", Meaning::Name, Some("key_pair_name")),
            ("expected_fingerprnt", Meaning::ExpectedFingerprint, Some("expected_fingerprint")),
            ("fingerprnt", Meaning::ExpectedFingerprint, Some("fingerprint")),
            ("regoin", Meaning::Region, Some("region")),
            ("regions", Meaning::Region, Some("region")),
            ("awsRegion", Meaning::Region, Some("region")),
            ("creation_date", Meaning::CreatedAt, Some("created_at")),
            ("AWS Account ID", Meaning::AccountId, Some("account_id")),
            ("note", Meaning::Name, None),
            ("owner", Meaning::Name, None),
            ("reason", Meaning::Region, None),
            ("season", Meaning::Ticket, None),
            ("version", Meaning::Region, None),
        ] {
            assert_eq!(near(name, meaning), meant, "{name}");
        }
    }

    #[test]
    fn hints_are_loose() {
        for (name, meaning) in [
            ("Availability Zone", Some(Meaning::Region)),
            ("Location", Some(Meaning::Region)),
            ("ACCOUNT_UID", Some(Meaning::AccountId)),
            ("key md5", Some(Meaning::ExpectedFingerprint)),
            ("Creation Date", Some(Meaning::CreatedAt)),
            ("TIMESTAMP", None),
            ("owner", None),
        ] {
            assert_eq!(hinted(name), meaning, "{name}");
        }
    }

    #[test]
    fn distances() {
        assert!(distance_at_most("kitten", "sitting", 3) && !distance_at_most("kitten", "sitting", 2));
        assert!(distance_at_most("region", "regoin", 1) && !distance_at_most("region", "reason", 1));
        assert!(distance_at_most("", "", 0) && distance_at_most("abc", "ab", 1));
        assert!(!distance_at_most("abc", &"x".repeat(100_000), 2));
    }
}
