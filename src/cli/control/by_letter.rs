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
        all.outcomes = one.outcomes;
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

fn is_same(one: &TargetStatus, other: &TargetStatus) -> bool {
    one.account == other.account && one.region == other.region
}

/// What another session sends to the same target, whose rate they share.
fn add(known: &mut TargetStatus, other: TargetStatus) {
    known.rate_per_s += other.rate_per_s;
    known.stopped = known.stopped.take().filter(|_| other.stopped.is_some());
}
