//! The least that a role must be permitted, as an IAM policy, and what IAM does not let one narrow.
//!
//! By the service authorization reference of AWS, of the requests that keybatch sends only DeleteKeyPair is about a resource (a key
//! pair's ARN, which holds a UUID and never the name); all others are permitted for everything in a region, or not at all.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// Who is to be permitted something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Role {
    /// Plans, dry runs and inventories; deletes nothing
    Planner,
    /// Runs and resumes
    Operator,
    /// Looks for evidence: key pairs, operations, CloudTrail
    Reviewer,
}

/// The only request that changes anything, and the only one that can be narrowed to key pairs.
pub(crate) const DELETE: &str = "lightsail:DeleteKeyPair";

/// How a role is assumed by which an account is reached.
const ASSUME: &str = "sts:AssumeRole";

/// Every other request to Lightsail that keybatch sends, and the roles that send it. A plan reads a key pair alone where a name
/// that it saw is read again.
const READS: [(&str, &[Role]); 5] = [
    ("lightsail:GetInstances", &[Role::Planner, Role::Operator, Role::Reviewer]),
    ("lightsail:GetKeyPair", &[Role::Planner, Role::Operator, Role::Reviewer]),
    ("lightsail:GetKeyPairs", &[Role::Planner, Role::Operator, Role::Reviewer]),
    ("lightsail:GetOperation", &[Role::Operator, Role::Reviewer]),
    ("lightsail:GetOperationsForResource", &[Role::Operator, Role::Reviewer]),
];

/// Requests that are about no region of the manifest.
const ANYWHERE: [(&str, &[Role]); 3] = [
    ("cloudtrail:LookupEvents", &[Role::Reviewer]),
    ("lightsail:GetRegions", &[Role::Planner, Role::Operator, Role::Reviewer]),
    ("sts:GetCallerIdentity", &[Role::Planner, Role::Operator, Role::Reviewer]),
];

/// The most characters of a managed policy, not counting white space (a quota of IAM).
const MOST_CHARACTERS: usize = 6_144;

/// ARNs of single key pairs are listed only while there are at most so many; each has about 90 characters.
const MOST_ARNS: usize = 50;

/// What the rows of a manifest name, by account and region; none where a row does not say.
#[derive(Debug, Default)]
pub(crate) struct Named(BTreeMap<(Option<String>, Option<String>), KeyPairs>);

#[derive(Debug, Default)]
struct KeyPairs {
    arns: BTreeSet<String>,
    /// Whether all rows name the ARN, and they are few.
    is_complete: bool,
}

impl Named {
    /// Adds a row.
    pub(crate) fn add(&mut self, account: Option<&str>, region: Option<&str>, arn: Option<&str>) {
        let target = (account.map(str::to_owned), region.map(str::to_owned));
        let new = KeyPairs { arns: BTreeSet::new(), is_complete: true };
        let pairs = self.0.entry(target).or_insert(new);
        match arn {
            Some(arn) if pairs.arns.len() < MOST_ARNS => {
                pairs.arns.insert(arn.to_owned());
            }
            _ => pairs.is_complete = false,
        }
    }

    /// Keeps the rows of one account, and those that name none.
    pub(crate) fn keep(&mut self, account: &str) {
        let of_account = std::mem::take(&mut self.0)
            .into_iter()
            .filter(|((named, _), _)| named.as_deref().is_none_or(|named| named == account));
        for ((_, region), pairs) in of_account {
            let target = (Some(account.to_owned()), region);
            let merged = self.0.entry(target).or_insert(KeyPairs { arns: BTreeSet::new(), is_complete: true });
            merged.is_complete &= pairs.is_complete;
            merged.arns.extend(pairs.arns);
        }
    }

    /// The accounts that rows name.
    pub(crate) fn accounts(&self) -> BTreeSet<&str> {
        self.0.keys().filter_map(|(account, _)| account.as_deref()).collect()
    }

    /// The regions, if every row names one.
    fn regions(&self) -> Option<BTreeSet<&str>> {
        let regions: Option<BTreeSet<&str>> = self.0.keys().map(|(_, region)| region.as_deref()).collect();
        regions.filter(|regions| !regions.is_empty())
    }

    /// What DeleteKeyPair is permitted for, and whether each key pair is named by itself.
    fn resources(&self, each: bool) -> (BTreeSet<String>, bool) {
        let mut resources = BTreeSet::new();
        let mut exact = !self.0.is_empty();
        for ((account, region), pairs) in &self.0 {
            if each && pairs.is_complete {
                resources.extend(pairs.arns.iter().cloned());
            } else {
                exact = false;
                resources.insert(any_of(account.as_deref(), region.as_deref()));
            }
        }
        if resources.is_empty() {
            resources.insert(any_of(None, None));
        }
        (resources, exact)
    }
}

/// All key pairs of an account in a region.
fn any_of(account: Option<&str>, region: Option<&str>) -> String {
    let partition = match region {
        Some(region) if region.starts_with("cn-") => "aws-cn",
        Some(region) if region.starts_with("us-gov-") => "aws-us-gov",
        Some(_) => "aws",
        None => "*",
    };
    format!("arn:{partition}:lightsail:{}:{}:KeyPair/*", region.unwrap_or("*"), account.unwrap_or("*"))
}

/// The policy of a role, and what could not be narrowed, a sentence each. `roles` are the ARNs of the roles by which accounts are reached.
pub(crate) fn document(role: Role, named: &Named, roles: &BTreeSet<&str>) -> (Value, Vec<String>) {
    let (policy, notes) = build(role, named, roles, true);
    let characters = policy.to_string().chars().filter(|c| !c.is_whitespace()).count();
    if characters <= MOST_CHARACTERS {
        return (policy, notes);
    }
    let (policy, mut notes) = build(role, named, roles, false);
    notes.insert(
        0,
        format!("listing each key pair would exceed IAM's limit of {MOST_CHARACTERS} characters for a policy"),
    );
    (policy, notes)
}

fn build(role: Role, named: &Named, roles: &BTreeSet<&str>, each: bool) -> (Value, Vec<String>) {
    let mut statements = Vec::new();
    let mut notes = Vec::new();
    if role == Role::Operator {
        let (resources, exact) = named.resources(each);
        if !exact {
            let fix = "rows with an `arn` narrow it to these key pairs (`keybatch inventory` lists ARNs)";
            notes.push(format!("{DELETE} is permitted for every key pair in the regions listed: {fix}"));
        }
        if resources.iter().any(|arn| arn.split(':').nth(4) == Some("*")) {
            notes.push("some rows name no account, so the policy holds in whichever account it is attached".to_owned());
        }
        statements.push(json!({"Sid": "Delete", "Effect": "Allow", "Action": [DELETE], "Resource": resources}));
    }
    let may = |actions: &[(&'static str, &[Role])]| -> Vec<&'static str> {
        actions.iter().filter(|(_, roles)| roles.contains(&role)).map(|(action, _)| *action).collect()
    };
    let mut reads = json!({"Sid": "Read", "Effect": "Allow", "Action": may(&READS), "Resource": "*"});
    match named.regions() {
        Some(regions) => reads["Condition"] = json!({"StringEquals": {"aws:RequestedRegion": regions}}),
        None => notes.push("some rows name no region, so reading is permitted in every region".to_owned()),
    }
    statements.push(reads);
    statements.push(json!({"Sid": "Anywhere", "Effect": "Allow", "Action": may(&ANYWHERE), "Resource": "*"}));
    if !roles.is_empty() {
        statements.push(json!({"Sid": "Assume", "Effect": "Allow", "Action": [ASSUME], "Resource": roles}));
        notes.push(format!(
            "{ASSUME} is for the credentials that assume these roles, as the user configuration says; each of the roles needs the \
             other statements, and a trust policy that lets these credentials assume it"
        ));
    }
    notes.push(format!(
        "IAM cannot narrow {} to key pairs: Lightsail supports no resources for these actions, only for DeleteKeyPair",
        may(&READS).join(", ").replace("lightsail:", "")
    ));
    if role == Role::Operator {
        notes.push(
            "DeleteKeyPair takes a name: the policy permits it for the key pair that has an ARN, whatever its name, and never by \
             name (KeyPair/NAME matches nothing)"
                .to_owned(),
        );
    }
    (json!({"Version": "2012-10-17", "Statement": statements}), notes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:lightsail:eu-central-1:111122223333:KeyPair/05859e3d-331d-48ba-9034-12345EXAMPLE";

    fn resources(policy: &Value) -> Vec<&str> {
        policy["Statement"][0]["Resource"].as_array().unwrap().iter().filter_map(Value::as_str).collect()
    }

    #[test]
    fn a_policy_is_as_narrow_as_the_rows_say() {
        let mut named = Named::default();
        named.add(Some("111122223333"), Some("eu-central-1"), Some(ARN));
        assert_eq!(resources(&document(Role::Operator, &named, &BTreeSet::new()).0), [ARN]);
        named.add(Some("111122223333"), Some("eu-central-1"), None);
        named.add(None, Some("us-east-1"), None);
        let (policy, notes) = document(Role::Operator, &named, &BTreeSet::new());
        let any = ["arn:aws:lightsail:eu-central-1:111122223333:KeyPair/*", "arn:aws:lightsail:us-east-1:*:KeyPair/*"];
        assert_eq!(resources(&policy), any);
        assert!(notes.iter().any(|note| note.contains("name no account")), "{notes:?}");
        let regions = &policy["Statement"][1]["Condition"]["StringEquals"]["aws:RequestedRegion"];
        assert_eq!(regions, &json!(["eu-central-1", "us-east-1"]));
        named.keep("444455556666");
        assert_eq!(
            resources(&document(Role::Operator, &named, &BTreeSet::new()).0),
            ["arn:aws:lightsail:us-east-1:444455556666:KeyPair/*"]
        );
        named.add(None, None, None);
        let (policy, notes) = document(Role::Operator, &named, &BTreeSet::new());
        assert!(policy["Statement"][1].get("Condition").is_none());
        assert!(notes.iter().any(|note| note.contains("name no region")), "{notes:?}");
    }

    #[test]
    fn a_policy_that_would_be_too_long_names_regions_instead() {
        let mut named = Named::default();
        for region in ["eu-central-1", "eu-west-1", "us-east-1"] {
            for number in 0..MOST_ARNS {
                let arn = ARN.replace("eu-central-1", region).replace("05859e3d", &format!("{number:08}"));
                named.add(Some("111122223333"), Some(region), Some(&arn));
            }
        }
        let (policy, notes) = document(Role::Operator, &named, &BTreeSet::new());
        assert_eq!(resources(&policy).len(), 3);
        assert!(policy.to_string().len() < MOST_CHARACTERS && notes[0].contains("6144"), "{notes:?}");
    }

    #[test]
    fn roles_by_which_accounts_are_reached_may_be_assumed() {
        let roles = ["arn:aws:iam::111122223333:role/cleanup"].into();
        for role in [Role::Planner, Role::Operator, Role::Reviewer] {
            let (policy, notes) = document(role, &Named::default(), &roles);
            let statements = policy["Statement"].as_array().unwrap();
            let assume = statements.iter().find(|statement| statement["Action"] == json!([ASSUME])).unwrap();
            assert_eq!(assume["Resource"], json!(roles));
            assert!(notes.iter().any(|note| note.contains("trust policy")), "{notes:?}");
            assert!(!document(role, &Named::default(), &BTreeSet::new()).0.to_string().contains(ASSUME));
        }
    }

    #[test]
    fn only_the_operator_may_delete() {
        for role in [Role::Planner, Role::Reviewer] {
            let text = document(role, &Named::default(), &BTreeSet::new()).0.to_string();
            assert!(!text.contains("Delete"), "{text}");
        }
    }
}
