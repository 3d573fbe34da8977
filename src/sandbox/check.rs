//! The rules for a world file beyond its shape: names that Lightsail would accept, no duplicates, no other account.
//!
//! Every refusal names the path of the offending value. Pure; it knows nothing of files.

use std::collections::{BTreeMap, HashSet};

use super::account::{AccessKey, AccountSpec, Generate, InstanceSpec, KeyPairSpec};
use super::call::Operation;
use super::derive::{ACCOUNT, caller_digest, own_access_key};
use super::name::{NAME_MAX, is_name};
use super::world::{World, WorldError};

impl World {
    /// Checks everything that the shape alone does not guarantee.
    pub(super) fn check(&self) -> Result<(), WorldError> {
        ensure(is_name(&self.name), || "name", "is no name: letters, digits, `_` and `-`, at least two of them")?;
        ensure(
            self.account == ACCOUNT,
            || "account",
            &format!(
                "is `{}`: the key pairs at the top are of account {ACCOUNT}; name others in `accounts`",
                self.account
            ),
        )?;
        ensure(self.page_size > 0, || "page_size", "must be at least 1")?;
        ensure(self.latency_ms.min <= self.latency_ms.max, || "latency_ms", "has a `min` above its `max`")?;
        self.holdings("", ACCOUNT).check()?;
        for (id, spec) in &self.accounts {
            self.check_account(id, spec)?;
        }
        self.check_access_keys()?;
        for (index, region) in self.regions.iter().flatten().enumerate() {
            check_region(region, || format!("regions[{index}]"))?;
        }
        let throttles = self.accounts.values().filter_map(|spec| spec.throttle.as_ref()).chain(&self.throttle);
        for bucket in throttles.flat_map(|throttle| throttle.regions.values().cloned().chain([throttle.elsewhere()])) {
            let is_rate = |rate: f64| rate.is_finite() && rate > 0.0;
            let good = is_rate(bucket.rate_per_s) && bucket.burst > 0;
            ensure(good, || "throttle", "needs a `rate_per_s` above 0 and a `burst` of at least 1")?;
            let good = bucket.changes.iter().all(|change| is_rate(change.rate_per_s) && change.after_s >= 0.0);
            ensure(good, || "throttle.changes", "each needs an `after_s` and a `rate_per_s` above 0")?;
            let ordered = bucket.changes.is_sorted_by(|one, next| one.after_s < next.after_s);
            ensure(ordered, || "throttle.changes", "are in the order of their `after_s`")?;
        }
        for (index, action) in self.deny.operations.iter().enumerate() {
            let known = Operation::named(action).is_some();
            ensure(known, || format!("deny.operations[{index}]"), &format!("`{action}` is no operation of a sandbox"))?;
        }
        for (index, fault) in self.faults.iter().enumerate() {
            fault
                .check()
                .map_err(|(field, problem)| WorldError::Invalid { at: format!("faults[{index}].{field}"), problem })?;
        }
        Ok(())
    }

    /// What the account of zeros holds, whose fields stand at the top.
    fn holdings<'a>(&'a self, under: &str, account: &'a str) -> Holdings<'a> {
        Holdings {
            under: under.to_owned(),
            account,
            any_arn: self.rehearsal,
            key_pairs: &self.key_pairs,
            generate: &self.generate,
            instances: &self.instances,
        }
    }

    fn check_account(&self, id: &str, spec: &AccountSpec) -> Result<(), WorldError> {
        let at = |field: &str| format!("accounts.{id}{field}");
        let is_id = id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit());
        ensure(is_id, || at(""), "is no id of an account: twelve digits")?;
        ensure(id != ACCOUNT, || at(""), "is the account whose key pairs stand at the top of the file")?;
        let AccountSpec { key_pairs, generate, instances, .. } = spec;
        Holdings { key_pairs, generate, instances, ..self.holdings(&at("."), id) }.check()?;
        for (name, role) in &spec.roles {
            let at = |field: &str| at(&format!(".roles.{name}{field}"));
            ensure(is_word(name, "+=,.@-_"), || at(""), "is no name of a role: letters, digits and `+=,.@-_`")?;
            for (index, trusted) in role.trusts.iter().flatten().enumerate() {
                let known = trusted == ACCOUNT || self.accounts.contains_key(trusted);
                ensure(known, || at(&format!(".trusts[{index}]")), "is no account of this world")?;
            }
        }
        Ok(())
    }

    /// An access key id names one caller, or nobody knows whose requests these are.
    fn check_access_keys(&self) -> Result<(), WorldError> {
        let mut callers = HashSet::new();
        for account in self.accounts.keys().map(String::as_str).chain([ACCOUNT]) {
            callers.insert(caller_digest(&own_access_key(account)));
        }
        for (id, spec) in &self.accounts {
            for (access_key, AccessKey { user, .. }) in &spec.access_keys {
                let at = || format!("accounts.{id}.access_keys.{access_key}");
                ensure(is_word(access_key, "_"), at, "is no access key id: letters, digits and `_`")?;
                ensure(callers.insert(caller_digest(access_key)), at, "belongs to somebody already")?;
                let good = user.as_ref().is_none_or(|user| is_word(user, "+=,.@-_"));
                ensure(good, || format!("{}.user", at()), "is no name of a user: letters, digits and `+=,.@-_`")?;
            }
        }
        Ok(())
    }
}

/// What one account holds, and where that stands in the file.
struct Holdings<'a> {
    /// What precedes the names of the fields.
    under: String,
    account: &'a str,
    /// Whether key pairs may have ARNs from elsewhere.
    any_arn: bool,
    key_pairs: &'a BTreeMap<String, Vec<KeyPairSpec>>,
    generate: &'a [Generate],
    instances: &'a [InstanceSpec],
}

impl Holdings<'_> {
    fn check(&self) -> Result<(), WorldError> {
        self.check_key_pairs()?;
        self.check_generated()?;
        for (index, instance) in self.instances.iter().enumerate() {
            let at = |field: &str| format!("{}instances[{index}].{field}", self.under);
            check_region(&instance.region, || at("region"))?;
            ensure(is_name(&instance.name), || at("name"), "is no name Lightsail accepts")?;
        }
        Ok(())
    }

    fn check_key_pairs(&self) -> Result<(), WorldError> {
        for (region, specs) in self.key_pairs {
            check_region(region, || format!("{}key_pairs.{region}", self.under))?;
            let start = format!("arn:aws-sandbox:lightsail:{region}:{}:KeyPair/", self.account);
            let mut names = HashSet::with_capacity(specs.len());
            for (index, spec) in specs.iter().enumerate() {
                let at = |field: &str| format!("{}key_pairs.{region}[{index}].{field}", self.under);
                ensure(is_name(&spec.name), || at("name"), "is no name Lightsail accepts: `\\w[\\w\\-]*\\w`")?;
                ensure(names.insert(spec.name.as_ref()), || at("name"), "is there twice in its region")?;
                let id = spec.arn.as_deref().map(|arn| arn.strip_prefix(&start).unwrap_or_default());
                let good = self.any_arn || id.is_none_or(|id| !id.is_empty());
                ensure(good, || at("arn"), &format!("must start with `{start}`"))?;
            }
        }
        Ok(())
    }

    fn check_generated(&self) -> Result<(), WorldError> {
        let mut blocks: Vec<(&str, &str, usize)> = Vec::new();
        for (index, entry) in self.generate.iter().enumerate() {
            let at = |field: &str| format!("{}generate[{index}].{field}", self.under);
            check_region(&entry.region, || at("region"))?;
            let width = entry.width();
            let good = is_name(&format!("{}1", entry.prefix)) && entry.prefix.len() + width <= NAME_MAX;
            ensure(good, || at("prefix"), "does not begin a name that Lightsail accepts")?;
            let overlap = blocks.iter().any(|(region, prefix, other)| {
                *region == entry.region && overlaps((prefix, *other), (&entry.prefix, width))
            });
            ensure(!overlap, || at("prefix"), "makes names that another entry may make, too")?;
            let listed = self.key_pairs.get(&entry.region).into_iter().flatten();
            let clash =
                listed.into_iter().any(|spec| number_of(&spec.name, &entry.prefix, width, entry.count).is_some());
            ensure(!clash, || at("prefix"), "makes a name that `key_pairs` has, too")?;
            blocks.push((&entry.region, &entry.prefix, width));
        }
        Ok(())
    }
}

/// The number of a generated name, from 0, if it is one of this entry.
pub(super) fn number_of(name: &str, prefix: &str, width: usize, count: u32) -> Option<u32> {
    let digits = name.strip_prefix(prefix)?;
    if digits.len() != width || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u32 = digits.parse().ok()?;
    (1..=count).contains(&number).then(|| number - 1)
}

/// Whether two entries could generate the same name: equal length, and the longer prefix continues with digits only.
fn overlaps((one, one_width): (&str, usize), (other, other_width): (&str, usize)) -> bool {
    let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    one.len() + one_width == other.len() + other_width
        && long.strip_prefix(short).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether it is not empty, and has letters, digits and these characters alone.
fn is_word(text: &str, others: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
}

fn check_region(region: &str, at: impl Fn() -> String) -> Result<(), WorldError> {
    let good = !region.is_empty() && region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    ensure(good, at, "is no name of a region")
}

fn ensure<S: Into<String>>(good: bool, at: impl FnOnce() -> S, problem: &str) -> Result<(), WorldError> {
    if good { Ok(()) } else { Err(WorldError::Invalid { at: at().into(), problem: problem.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        let error = World::parse(text).unwrap_err();
        let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
        format!("{error}{source}")
    }

    #[test]
    fn what_is_wrong_is_named_by_its_path() {
        let text = r#"{"name":"aa","key_pairs":{"us-east-1":[{"name":"ok"},{"name":"ok2","tag":1}]}}"#;
        let said = refusal(text);
        assert!(said.contains("key_pairs.us-east-1[1]") && said.contains("unknown field `tag`"), "{said}");
        for (text, wanted) in [
            (r#"{"name":"aa","colour":1}"#, "unknown field `colour`"),
            (r#"{"name":"aa","account":"123456789012"}"#, "`account`: is `123456789012`"),
            (r#"{"name":"aa","accounts":{"12":{}}}"#, "`accounts.12`: is no id"),
            (r#"{"name":"aa","accounts":{"000000000000":{}}}"#, "`accounts.000000000000`"),
            (r#"{"name":"aa","accounts":{"111122223333":{"access_keys":{"A B":{}}}}}"#, ".access_keys.A B`"),
            (
                r#"{"name":"aa","accounts":{"111122223333":{"access_keys":{"SANDBOX111122223333":{}}}}}"#,
                "belongs to somebody already",
            ),
            (
                r#"{"name":"aa","accounts":{"111122223333":{"roles":{"r":{"trusts":["444455556666"]}}}}}"#,
                "`accounts.111122223333.roles.r.trusts[0]`: is no account",
            ),
            (
                r#"{"name":"aa","accounts":{"111122223333":{"key_pairs":{"r":[
                    {"name":"xx","arn":"arn:aws-sandbox:lightsail:r:000000000000:KeyPair/1"}]}}}}"#,
                "`accounts.111122223333.key_pairs.r[0].arn`: must start with `arn:aws-sandbox:lightsail:r:111122223333:",
            ),
            (r#"{"name":"aa","regions":["us east"]}"#, "`regions[0]`"),
            (r#"{"name":"aa","key_pairs":{"r":[{"name":"-x"}]}}"#, "`key_pairs.r[0].name`"),
            (
                r#"{"name":"aa","key_pairs":{"r":[{"name":"xx"},{"name":"xx"}]}}"#,
                "`key_pairs.r[1].name`: is there twice",
            ),
            (
                r#"{"name":"aa","key_pairs":{"r":[{"name":"xx","arn":"arn:aws:lightsail:r:123456789012:KeyPair/1"}]}}"#,
                "`key_pairs.r[0].arn`",
            ),
            (r#"{"name":"aa","faults":[{"do":"explode"}]}"#, "`faults[0].do`"),
            (r#"{"name":"aa","faults":[{"do":"throttle","nth":"often"}]}"#, "`faults[0].nth`"),
            (r#"{"name":"aa","faults":[{"do":"cut_before","polls":1}]}"#, "`faults[0].polls`: does not go with"),
            (r#"{"name":"aa","throttle":{"rate_per_s":0,"burst":1}}"#, "`throttle`"),
            (
                r#"{"name":"aa","throttle":{"rate_per_s":1,"burst":1,"changes":[{"after_s":1,"rate_per_s":0}]}}"#,
                "`throttle.changes`",
            ),
            (
                r#"{"name":"aa","throttle":{"rate_per_s":1,"burst":1,
                    "changes":[{"after_s":2,"rate_per_s":1},{"after_s":2,"rate_per_s":3}]}}"#,
                "`throttle.changes`",
            ),
            (r#"{"name":"aa","deny":{"operations":["Fly"]}}"#, "`deny.operations[0]`"),
            (
                r#"{"name":"aa","generate":[{"region":"r","prefix":"k-","count":9},{"region":"r","prefix":"k-","count":2}]}"#,
                "`generate[1].prefix`",
            ),
            (
                r#"{"name":"aa","key_pairs":{"r":[{"name":"k-000003"}]},"generate":[{"region":"r","prefix":"k-","count":9}]}"#,
                "`generate[0].prefix`: makes a name",
            ),
        ] {
            let said = refusal(text);
            assert!(said.contains(wanted), "{said} should contain {wanted}");
        }
    }

    #[test]
    fn generated_names_are_read_back() {
        assert_eq!(number_of("k-000001", "k-", 6, 9), Some(0));
        assert_eq!(number_of("k-000009", "k-", 6, 9), Some(8));
        assert_eq!(number_of("k-000010", "k-", 6, 9), None);
        assert_eq!(number_of("k-000000", "k-", 6, 9), None);
        assert_eq!(number_of("k-+00001", "k-", 6, 9), None);
        assert!(overlaps(("k-", 6), ("k-0", 5)));
        assert!(!overlaps(("k-", 6), ("k-", 7)));
    }
}
