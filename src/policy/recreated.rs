//! Names that are used again: whether the key pair that has a name now is another one than earlier runs of this journal dealt
//! with under it (I4).

use std::time::Duration;

use jiff::Timestamp;

use super::staged::{StagedRow, same_moment};
use crate::domain::{Identity, Known, parse_time};
use crate::record::plan::{Note, Severity};

/// The note of a row whose name an earlier run knows under another identity.
pub const RECREATED: &str = "recreated";

/// How far this machine's clock and the service's are thought to differ at most. The SDK corrects signatures for a wrong clock,
/// so that the service's refusals do not bound it; a clock set to local time instead of UTC is wrong by up to 14 hours.
const CLOCKS_DIFFER: Duration = Duration::from_secs(24 * 60 * 60);

/// What to do about key pairs that were re-created since an earlier run, in a plan of another manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum IfRecreated {
    /// Warn and continue.
    #[default]
    Warn,
    /// Skip them.
    Skip,
    /// Refuse the whole plan.
    Refuse,
}

/// Whether the key pair that is there, `now`, is another one than earlier runs dealt with under its name; and what
/// follows.
///
/// A name is re-created where runs dealt with it, and none of them with the key pair that has it now. Runs of the same
/// manifest count for themselves: what another manifest was written for says nothing about this one. A manifest that
/// found no key pair under a name does not mean one that was created later, either.
pub(super) fn note(staged: &StagedRow, now: &Identity, known: &[Known], rule: IfRecreated) -> Option<Note> {
    let before = otherwise(now, known)?;
    let is_again = known.iter().any(|known| known.same_manifest);
    let by_rule = match rule {
        IfRecreated::Warn => Severity::Warn,
        IfRecreated::Skip => Severity::Skip,
        IfRecreated::Refuse => Severity::Refuse,
    };
    let severity = if is_again && !is_named(staged, now) { by_rule.max(Severity::Skip) } else { by_rule };
    let run = &before.run;
    let text = match &before.identity {
        Some(then) => {
            let (then, now) = differing(then, now);
            format!("{now}; run {run} dealt with another key pair of this name, {then}")
        }
        None => format!("{}; run {run} found no key pair of this name", differing(now, now).0),
    };
    Some(Note { severity, kind: RECREATED.to_owned(), text })
}

/// Whether the key pair that is there, `now`, is another one than that of the row in the run whose row it is. Then it is never deleted,
/// whatever other runs know of it, unless the row itself names it.
pub(super) fn since(staged: &StagedRow, now: &Identity) -> Option<Note> {
    let before = staged.before.as_deref()?;
    let is_same = before.identity.as_ref().is_some_and(|then| then.same_as(now) == Some(true));
    if is_same || is_named(staged, now) {
        return None;
    }
    let run = &before.run;
    let text = match &before.identity {
        Some(then) => {
            let (then, now) = differing(then, now);
            format!("{now}; in run {run} the row was about another key pair of this name, {then}")
        }
        None => format!("{}; run {run} found no key pair of this name", differing(now, now).0),
    };
    Some(Note { severity: Severity::Skip, kind: RECREATED.to_owned(), text })
}

/// The run that knows this name under another identity, if no run dealt with the key pair that has it `now`.
fn otherwise<'a>(now: &Identity, known: &'a [Known]) -> Option<&'a Known> {
    let is_now = |known: &Known| known.identity.as_ref().is_some_and(|then| then.same_as(now) == Some(true));
    let same = || known.iter().filter(|known| known.same_manifest);
    if same().any(is_now) {
        return None;
    }
    let found_none = |known: &&Known| known.identity.is_none() && is_younger(now, known.began_at);
    let by_same = latest(same()).or_else(|| same().find(found_none));
    by_same.or_else(|| if known.iter().any(is_now) { None } else { latest(known.iter()) })
}

/// The latest of these runs that dealt with a key pair.
fn latest<'a>(known: impl Iterator<Item = &'a Known>) -> Option<&'a Known> {
    let dealt = known.filter(|known| known.identity.as_ref().is_some_and(Identity::is_known));
    dealt.max_by_key(|known| known.began_at)
}

/// Whether the row itself names the key pair that is there. Another one than it names is drift.
fn is_named(staged: &StagedRow, now: &Identity) -> bool {
    let by_arn = staged.arn.is_some() && staged.arn == now.arn;
    let created = now.created_at.as_deref().and_then(parse_time);
    by_arn || staged.created_at.zip(created).is_some_and(|(written, seen)| same_moment(written, seen))
}

/// Whether the key pair may have been created after this machine's clock showed `at`. The service's clock says when it was
/// created, and the two differ; only one that is older by more than [`CLOCKS_DIFFER`] is known to have been there before.
fn is_younger(now: &Identity, at: Timestamp) -> bool {
    let created = now.created_at.as_deref().and_then(parse_time);
    created.is_some_and(|created| created.saturating_add(CLOCKS_DIFFER).is_ok_and(|latest| latest > at))
}

/// How two key pairs of one name differ, for people: by their creation times, else by their arns.
fn differing(one: &Identity, other: &Identity) -> (String, String) {
    match (&one.created_at, &other.created_at) {
        (Some(first), Some(second)) if first != second || one.arn == other.arn => {
            (format!("created {first}"), format!("created {second}"))
        }
        _ => {
            let arn = |identity: &Identity| identity.arn.clone().unwrap_or_else(|| "without an arn".to_owned());
            (arn(one), arn(other))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::staged::Before;
    use super::*;

    fn pair(which: u32) -> Identity {
        Identity {
            arn: Some(format!("arn:aws:lightsail:us-east-1:123456789012:KeyPair/{which}")),
            created_at: Some(format!("2026-01-0{which}T00:00:00.000Z")),
            fingerprint: Some(format!("0{which}:aa")),
        }
    }

    /// What a run that began on that day of January found.
    fn found(day: u32, same_manifest: bool, which: Option<u32>) -> Known {
        let began_at = format!("2026-01-0{day}T12:00:00Z").parse().unwrap();
        Known { same_manifest, identity: which.map(pair), run: format!("run-{day}"), began_at }
    }

    fn severity(known: &[Known], now: u32, rule: IfRecreated) -> Option<Severity> {
        note(&StagedRow::default(), &pair(now), known, rule).map(|note| note.severity)
    }

    // SEMANTICS: P59
    #[test]
    fn a_name_is_re_created_where_no_run_dealt_with_the_key_pair_that_has_it_now() {
        use Severity::{Refuse, Skip, Warn};
        let (same, other) = (true, false);
        for (known, now, expected) in [
            // Nobody knows it, or as what it is.
            (vec![], 1, None),
            (vec![found(1, same, Some(1))], 1, None),
            (vec![found(1, other, Some(1))], 1, None),
            // The same manifest again: never what was made since.
            (vec![found(1, same, Some(1))], 2, Some([Skip, Skip, Refuse])),
            (vec![found(1, same, Some(1)), found(2, same, Some(1))], 2, Some([Skip, Skip, Refuse])),
            // In another one a name may be used again.
            (vec![found(1, other, Some(1))], 2, Some([Warn, Skip, Refuse])),
            // A chain: the first two were dealt with, the third was not.
            (vec![found(1, other, Some(1)), found(2, other, Some(2))], 3, Some([Warn, Skip, Refuse])),
            (vec![found(1, other, Some(1)), found(2, other, Some(2))], 2, None),
            (vec![found(1, other, Some(1)), found(2, other, Some(2))], 1, None),
            // What another manifest was written for says nothing about this one.
            (vec![found(1, same, Some(1)), found(2, other, Some(2))], 2, Some([Skip, Skip, Refuse])),
            // This one dealt with the second alone, and tries again.
            (vec![found(1, other, Some(1)), found(2, same, Some(2))], 2, None),
            (vec![found(1, other, Some(1)), found(2, same, None)], 2, Some([Skip, Skip, Refuse])),
            // Nothing was there when this manifest was run, and it was created later, or had been missed then.
            (vec![found(1, same, None)], 2, Some([Skip, Skip, Refuse])),
            (vec![found(3, same, None)], 2, None),
            // Twelve hours older, by two clocks that need not agree.
            (vec![found(2, same, None)], 2, Some([Skip, Skip, Refuse])),
            (vec![found(1, other, None)], 2, None),
        ] {
            for (place, rule) in [IfRecreated::Warn, IfRecreated::Skip, IfRecreated::Refuse].into_iter().enumerate() {
                let expected = expected.map(|severities| severities[place]);
                assert_eq!(severity(&known, now, rule), expected, "{known:?} {now} {rule:?}");
            }
        }
    }

    // SEMANTICS: P59
    #[test]
    fn a_row_that_names_the_new_key_pair_means_it() {
        let known = [found(1, true, Some(1))];
        let by = |staged: StagedRow| note(&staged, &pair(2), &known, IfRecreated::Warn).map(|note| note.severity);
        let arn = |which| StagedRow { arn: pair(which).arn, ..StagedRow::default() };
        let created = |at: &str| StagedRow { created_at: Some(at.parse().unwrap()), ..StagedRow::default() };
        let conditions = [("expected_fingerprint".to_owned(), pair(2).fingerprint.unwrap())].into();
        let printed = StagedRow { conditions, ..StagedRow::default() };
        assert_eq!(by(arn(2)), Some(Severity::Warn));
        assert_eq!(by(created("2026-01-02T00:00:00Z")), Some(Severity::Warn));
        assert_eq!(by(arn(1)), Some(Severity::Skip));
        assert_eq!(by(created("2026-01-01T00:00:00Z")), Some(Severity::Skip));
        // Key material may be imported twice.
        assert_eq!(by(printed), Some(Severity::Skip));
    }

    // SEMANTICS: P119
    #[test]
    fn a_row_of_an_earlier_run_means_the_key_pair_of_that_run() {
        let before = |identity| Some(Box::new(Before { run: "run-1".into(), identity }));
        let noted = |staged: &StagedRow, now| since(staged, &pair(now)).map(|note| note.severity);
        let of = |which: Option<u32>| StagedRow { before: before(which.map(pair)), ..StagedRow::default() };
        assert_eq!(noted(&StagedRow::default(), 2), None, "a row of no earlier run");
        assert_eq!(noted(&of(Some(1)), 1), None);
        assert_eq!(noted(&of(Some(1)), 2), Some(Severity::Skip));
        // Whenever it was created: nobody has looked at it.
        assert_eq!(noted(&of(None), 2), Some(Severity::Skip));
        assert_eq!(
            noted(&StagedRow { before: before(Some(Identity::default())), ..of(None) }, 2),
            Some(Severity::Skip)
        );
        assert_eq!(noted(&StagedRow { arn: pair(2).arn, ..of(Some(1)) }, 2), None, "it names the new one");
        assert_eq!(noted(&StagedRow { arn: pair(1).arn, ..of(Some(1)) }, 2), Some(Severity::Skip));
    }

    #[test]
    fn what_a_run_could_not_name_it_does_not_know() {
        let nameless = Known { identity: Some(Identity::default()), ..found(1, true, None) };
        assert_eq!(severity(&[nameless], 2, IfRecreated::Warn), None);
        // With its creation time alone it can be told from another one.
        let aged = Identity { arn: None, ..pair(1) };
        let aged = Known { identity: Some(aged), ..found(1, true, None) };
        assert_eq!(severity(std::slice::from_ref(&aged), 1, IfRecreated::Warn), None);
        assert_eq!(severity(&[aged], 2, IfRecreated::Warn), Some(Severity::Skip));
    }
}
