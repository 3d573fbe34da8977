//! Asks all sessions that work on a run, on whichever machines, through the journal's database.

use super::failed::{nobody, refused, unknown};
use super::wire::{Answer, Letter, PATIENCE_FOR_AN_ANSWER, VERSION, Why, Word};
use crate::cli::operator::user;
use crate::cli::{CliError, Context};
use crate::domain::counted;
use crate::journal::{Reader, Replies, RunRecord, open};
use crate::session::status::{Bearing, Status, TargetStatus};

pub(super) async fn tell(
    (what, per_s): (Word, Option<f64>),
    context: &Context,
    reader: &Reader,
    record: &RunRecord,
) -> Result<Status, CliError> {
    let by = format!("{}@{}", user(), context.environment.host());
    let letter = serde_json::to_string(&Letter { v: VERSION, what, per_s, by }).unwrap_or_default();
    let asked = open::ask(&context.journal, record.run_no, (what.as_str(), &letter), PATIENCE_FOR_AN_ANSWER).await;
    let Some(replies) = asked else { return Err(nobody(record, reader, context).await) };
    let Replies { asked_of, words, silent } = replies?;
    let answers: Vec<Answer> = words.iter().filter_map(|words| serde_json::from_str(words).ok()).collect();
    let (mut done, mut not_done) = (Vec::new(), Vec::new());
    for Answer { status, refused, .. } in answers {
        done.extend(status.filter(|_| refused.is_none()));
        not_done.extend(refused);
    }
    // One that ends has nothing more to do.
    if !done.is_empty() {
        not_done.retain(|why| why.why != Why::Ended);
    }
    let of_all = |count: usize| format!("{count} of {}", counted(asked_of, "session", "sessions"));
    match (together(done), not_done.first()) {
        _ if silent > 0 && what != Word::Status => Err(unknown(
            &format!("{} did not answer in time", of_all(usize::try_from(silent).unwrap_or(usize::MAX))),
            record,
        )),
        (None, Some(why)) => Err(refused(why)),
        (None, None) if silent > 0 => Err(unknown("no session answered in time", record)),
        (None, None) => Err(nobody(record, reader, context).await),
        (Some(_), Some(why)) => {
            let mut error = refused(why);
            error.message = format!("{} did not do that: {}", of_all(not_done.len()), error.message);
            Err(error)
        }
        (Some(status), None) => {
            if silent > 0 {
                context.ui.say(&format!(
                    "{} did not answer in time, and are not shown",
                    of_all(usize::try_from(silent).unwrap_or(usize::MAX))
                ));
            }
            Ok(status)
        }
    }
}

/// How far all of them are together; nothing of none.
fn together(statuses: Vec<Status>) -> Option<Status> {
    let mut statuses = statuses.into_iter();
    let mut all = statuses.next()?;
    let mut sessions = vec![all.session.clone()];
    for one in statuses {
        // Each looked at a moment of its own; rows only ever get outcomes.
        if open_rows(&one) < open_rows(&all) {
            all.outcomes = one.outcomes;
        }
        if one.state != all.state {
            // Whoever deletes counts for more than those who wait.
            let rank = |bearing: Bearing| match bearing {
                Bearing::Running => 0,
                Bearing::Paused => 1,
                Bearing::Stopping => 2,
            };
            if rank(one.state) < rank(all.state) {
                (all.state, all.since, all.stopped_by) = (one.state, one.since, one.stopped_by);
            }
        } else if one.since < all.since {
            all.since = one.since;
        }
        all.in_flight += one.in_flight;
        for target in one.targets {
            match all.targets.iter_mut().find(|known| is_same(known, &target)) {
                Some(known) => add(known, target),
                None => all.targets.push(target),
            }
        }
        sessions.push(one.session);
    }
    if sessions.len() > 1 {
        all.sessions = sessions;
    }
    Some(all)
}

fn open_rows(status: &Status) -> u64 {
    status.outcomes.not_attempted + status.outcomes.unsettled
}

fn is_same(one: &TargetStatus, other: &TargetStatus) -> bool {
    one.account == other.account && one.region == other.region
}

/// What another session sends to the same target, whose rate they share.
fn add(known: &mut TargetStatus, other: TargetStatus) {
    known.rate_per_s += other.rate_per_s;
    known.stopped = known.stopped.take().filter(|_| other.stopped.is_some());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::OutcomeCounts;
    use crate::record::event::Requests;
    use crate::session::status::SessionStatus;

    fn status(pid: u32, state: Bearing, since: Option<&str>, deleted: u64) -> Status {
        let target = TargetStatus {
            account: "1".into(),
            region: "r".into(),
            rate_per_s: 2.0,
            permitted_per_s: Some(4.0),
            cap_per_s: None,
            learned_per_s: None,
            stopped: (pid == 2).then(|| "refused".into()),
        };
        Status {
            schema: Status::SCHEMA.into(),
            run: "r".into(),
            state,
            since: since.map(str::to_owned),
            stopped_by: None,
            sandbox: false,
            rows: 9,
            outcomes: OutcomeCounts { deleted, not_attempted: 9 - deleted, ..OutcomeCounts::default() },
            in_flight: 1,
            targets: vec![target],
            session: SessionStatus {
                operator: "u@h".into(),
                pid,
                started_at: String::new(),
                seconds: 0.0,
                requests: Requests::default(),
                journal: String::new(),
            },
            sessions: Vec::new(),
        }
    }

    #[test]
    fn sessions_that_share_a_run_are_shown_together() {
        assert_eq!(together(Vec::new()), None);
        let alone = status(1, Bearing::Running, None, 3);
        assert_eq!(together(vec![alone.clone()]), Some(alone), "one is shown as it is");
        let paused = [("b", 3), ("a", 5), ("c", 4)].map(|(since, deleted)| (Some(since), deleted));
        let paused = (1..).zip(paused).map(|(pid, (since, deleted))| status(pid, Bearing::Paused, since, deleted));
        let paused: Vec<_> = paused.collect();
        let all = together(paused.clone()).unwrap();
        assert_eq!((all.state, all.since.as_deref(), all.in_flight), (Bearing::Paused, Some("a"), 3));
        assert_eq!(all.outcomes.deleted, 5, "the newest look");
        assert_eq!(all.sessions.iter().map(|one| one.pid).collect::<Vec<_>>(), [1, 2, 3]);
        let [target] = &all.targets[..] else { panic!("one target: {all:?}") };
        assert_eq!((target.rate_per_s, target.permitted_per_s, &target.stopped), (6.0, Some(4.0), &None));
        let one_runs = [paused[0].clone(), status(2, Bearing::Stopping, None, 1), status(3, Bearing::Running, None, 1)];
        let all = together(one_runs.into()).unwrap();
        assert_eq!((all.state, all.since), (Bearing::Running, None), "as long as one deletes");
    }
}
