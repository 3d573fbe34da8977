//! How two policies combine: whatever they say, both together forbid what each of them forbids.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use super::*;
use crate::domain::Target;
use crate::policy::StagedRow;
use crate::policy::finding::{TargetSum, Whole, findings, without_approvals};
use crate::policy::glob::Glob;
use crate::policy::guard::{self, Facts};
use crate::policy::in_use::IfInUse;
use crate::policy::limits::{Allowed, Percent, Rate, TagGlob, TargetGlob};
use crate::policy::recreated::IfRecreated;
use crate::record::plan::{PlanObservation, Severity};

/// Few words, so that policies meet.
fn glob() -> impl Strategy<Value = Glob> {
    prop::sample::select(vec!["a", "b", "a*", "*b", "*", "aws", "sandbox"]).prop_map(Glob::new)
}

fn globs() -> impl Strategy<Value = BTreeSet<Glob>> {
    btree_set(glob(), 0..3)
}

fn allowed() -> impl Strategy<Value = Allowed> {
    btree_set(globs(), 0..3).prop_map(Allowed)
}

fn limits() -> impl Strategy<Value = Limits> {
    let tags = prop::sample::select(vec!["a", "a=b", "*=b", "b=*"]).prop_map(TagGlob::new);
    let rates =
        (glob(), glob(), 1_u64..5).prop_map(|(account, region, rate)| (TargetGlob { account, region }, Rate(rate)));
    let lists = (allowed(), allowed(), allowed(), globs(), btree_set(tags, 0..3));
    let numbers = (prop::option::of(0_u64..5), prop::option::of(0_u64..5), prop::option::of(0_u32..10_000));
    let columns = prop::collection::btree_map(
        prop::sample::select(vec!["ticket".to_owned(), "owner".to_owned()]),
        allowed(),
        0..3,
    );
    let words = prop::sample::select(vec![IfInUse::Warn, IfInUse::Skip, IfInUse::Refuse]);
    let people = (0_u32..3, btree_set("/[ab]", 0..2), any::<bool>());
    (lists, numbers, columns, words, people, vec(rates, 0..3)).prop_map(
        |(lists, numbers, columns, if_in_use, people, rates)| Limits {
            accounts: lists.0,
            regions: lists.1,
            endpoints: lists.2,
            protected_names: lists.3,
            protected_tags: lists.4,
            minimum_age: numbers.0.map(Duration::from_secs),
            maximum_deletes: numbers.1,
            maximum_percent: numbers.2.map(Percent),
            required_columns: columns,
            if_in_use,
            approvals: people.0,
            signers: people.1,
            four_eyes: people.2,
            rates: rates.into_iter().collect(),
        },
    )
}

fn policies() -> impl Strategy<Value = Rules> {
    (limits(), limits()).prop_map(|(firm, liftable)| Rules { firm, liftable })
}

fn lifted() -> impl Strategy<Value = BTreeSet<Rule>> {
    btree_set(prop::sample::select(Rule::ALL.to_vec()), 0..4)
}

/// A row, its key pair and the plan that it is in.
#[derive(Debug, Clone)]
struct World {
    staged: StagedRow,
    name: String,
    target: Target,
    seen: Option<PlanObservation>,
    endpoint: String,
    deletes: u64,
    key_pairs: u64,
}

fn worlds() -> impl Strategy<Value = World> {
    let word = || "[ab]{1,2}";
    let cells = (prop::option::of(word()), prop::option::of(word()));
    let tags = prop::collection::btree_map(word(), word(), 0..2);
    let seen = prop::option::of((prop::option::of(0_i64..5), tags));
    let endpoint = prop::sample::select(vec!["sandbox:b", "https://lightsail.{region}.amazonaws.com", "a", "ab"]);
    (word(), word(), word(), cells, seen, endpoint, 0_u64..6, 6_u64..9).prop_map(
        |(name, account, region, (ticket, owner), seen, endpoint, deletes, key_pairs)| World {
            staged: StagedRow {
                ticket,
                annotations: owner.map(|owner| ("Owner".to_owned(), owner)).into_iter().collect(),
                ..StagedRow::default()
            },
            name,
            target: Target { account, region },
            seen: seen.map(|(created, tags): (Option<i64>, BTreeMap<_, _>)| PlanObservation {
                arn: Some("arn".into()),
                created_at: created.map(|second| format!("1970-01-01T00:00:0{second}.000Z")),
                fingerprint: None,
                tags,
            }),
            endpoint: endpoint.to_owned(),
            deletes,
            key_pairs,
        },
    )
}

impl World {
    /// Each kind of note with its greatest severity.
    fn noted(&self, limits: &Limits) -> BTreeMap<String, Severity> {
        let facts = Facts {
            row: 1,
            first: 1,
            name: &self.name,
            region: &self.target.region,
            account: &self.target.account,
            seen: self.seen.as_ref(),
            ambiguous: false,
            used: Some((1, "web".into())),
            if_in_use: limits.if_in_use,
            known: &[],
            if_recreated: IfRecreated::Warn,
            limits,
            judged_at: Timestamp::from_second(5).unwrap(),
        };
        let mut kinds: BTreeMap<_, Severity> = BTreeMap::new();
        for note in guard::notes(&self.staged, &facts) {
            let known = kinds.entry(note.kind).or_insert(note.severity);
            *known = (*known).max(note.severity);
        }
        kinds
    }

    /// The rules that refuse the whole plan.
    fn refused(&self, limits: &Limits) -> BTreeSet<Rule> {
        let sum = TargetSum { target: self.target.clone(), deletes: self.deletes, key_pairs: self.key_pairs };
        let found = findings(limits, &Whole { endpoint: &self.endpoint, targets: &[sum] });
        found.iter().chain(&without_approvals(limits)).map(crate::policy::finding::Finding::rule).collect()
    }

    /// Whether what `strict` forbids here includes what `lax` forbids.
    fn is_at_least_as_strict(&self, strict: &Limits, lax: &Limits) -> bool {
        let (strict_notes, lax_notes) = (self.noted(strict), self.noted(lax));
        let notes = lax_notes.iter().all(|(kind, severity)| strict_notes.get(kind).is_some_and(|own| own >= severity));
        let rate = |limits: &Limits| limits.rate_per_s(&self.target).unwrap_or(f64::INFINITY);
        notes
            && self.refused(strict).is_superset(&self.refused(lax))
            && rate(strict) <= rate(lax)
            && strict.approvals >= lax.approvals
            && strict.four_eyes >= lax.four_eyes
            && strict.signers.is_superset(&lax.signers)
    }
}

proptest! {
    #[test]
    fn combining_has_no_order_and_nothing_counts_twice(a in policies(), b in policies(), c in policies()) {
        prop_assert_eq!(a.join(&b), b.join(&a));
        prop_assert_eq!(a.join(&b).join(&c), a.join(&b.join(&c)));
        prop_assert_eq!(&a.join(&a), &a);
        prop_assert_eq!(&a.join(&Rules::default()), &a);
    }

    #[test]
    fn both_together_are_never_looser_than_either(a in policies(), b in policies(), rules in lifted(), world in worlds()) {
        let both = a.join(&b).in_force(&rules);
        for one in [&a, &b] {
            prop_assert!(world.is_at_least_as_strict(&both, &one.in_force(&rules)));
            // Whatever is lifted: what a policy insists on holds.
            prop_assert!(world.is_at_least_as_strict(&both, &one.firm));
        }
        // And nothing is forbidden that neither forbids.
        let each = [a.in_force(&rules), b.in_force(&rules)];
        let refused: BTreeSet<_> = each.iter().flat_map(|limits| world.refused(limits)).collect();
        prop_assert_eq!(world.refused(&both), refused);
        let noted: BTreeSet<_> = each.iter().flat_map(|limits| world.noted(limits).into_keys()).collect();
        prop_assert_eq!(world.noted(&both).into_keys().collect::<BTreeSet<_>>(), noted);
    }

    #[test]
    fn lifting_touches_nothing_but_the_rules_that_are_lifted(a in policies(), rules in lifted()) {
        let (all, rest) = (a.in_force(&BTreeSet::new()), a.in_force(&rules));
        for rule in Rule::ALL {
            if !rules.contains(rule) {
                let others = |limits: &Limits| Rule::ALL.iter().filter(|other| *other != rule).fold(limits.clone(), |rest, other| rest.without(*other));
                prop_assert_eq!(others(&all), others(&rest), "{}", rule);
            }
        }
    }
}

#[test]
fn what_can_be_lifted_depends_on_every_policy() {
    let deletes = |most| Limits { maximum_deletes: Some(most), ..Limits::default() };
    let own = Rules { liftable: deletes(100), ..Rules::default() };
    let system = Rules { firm: deletes(500), ..Rules::default() };
    let rule = Rule::MaximumDeletes;
    assert_eq!(own.liftable(rule), Liftable::Yes);
    assert_eq!(system.liftable(rule), Liftable::No);
    assert_eq!(own.liftable(Rule::Rates), Liftable::NoRule);
    let both = own.join(&system);
    assert_eq!(both.liftable(rule), Liftable::InPart);
    assert_eq!(both.in_force(&BTreeSet::new()).maximum_deletes, Some(100));
    assert_eq!(both.in_force(&[rule].into()).maximum_deletes, Some(500));
}
