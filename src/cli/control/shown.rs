//! A control that was used, and how far a session is, for people.

use std::fmt::Write as _;

use super::wire::Word;
use crate::cli::shown;
use crate::cli::when::when;
use crate::domain::{RunId, counted};
use crate::record::control_used::{ControlUsed, Controlled};
use crate::review::{Given, Suggested};
use crate::session::status::{Bearing, SessionStatus, Status, TargetStatus};

/// What the session's own terminal says of it.
pub(in crate::cli) fn controlled(run: RunId, used: &ControlUsed, given: &Given) -> String {
    let by = shown(&used.who());
    match used.what {
        Controlled::Pause => {
            let go_on = Suggested::new(["control".to_owned(), run.to_string(), "continue".to_owned()]).line(given);
            format!(
                "paused by {by}: keybatch deletes nothing more, and settles the requests in flight; to go on: {go_on}"
            )
        }
        Controlled::Continue => format!("continued by {by}"),
        Controlled::Rate => {
            let per_s = used.per_s.as_deref().unwrap_or_default();
            format!("rate set by {by}: at most {per_s} requests per second to each target")
        }
        Controlled::Stop => {
            format!("told to stop by {by}: keybatch sends nothing new and settles the requests in flight")
        }
    }
}

/// What the command says that told it.
pub(super) fn done(what: Word, status: &Status) -> Option<String> {
    let flight = counted(status.in_flight, "request is", "requests are");
    match what {
        Word::Status => None,
        Word::Pause if status.in_flight == 0 => Some("paused: nothing is in flight".to_owned()),
        Word::Pause => Some(format!("paused: {flight} still in flight, and will be settled")),
        Word::Continue => Some("continued".to_owned()),
        Word::Rate => Some("the rate was set".to_owned()),
        Word::Stop => Some(format!("stopping: {flight} still in flight, and will be settled")),
    }
}

/// How far a session is.
pub(super) fn status_text(status: &Status) -> String {
    let mut text = String::new();
    let label = if status.sandbox { "sandbox run" } else { "run" };
    let bearing = match (status.state, &status.since, &status.stopped_by) {
        (Bearing::Paused, Some(since), _) => format!("paused since {}", when(since)),
        (Bearing::Stopping, _, Some(why)) => format!("stopping: {}", shown(why)),
        (bearing, _, _) => bearing.as_str().to_owned(),
    };
    let outcomes = serde_json::to_value(status.outcomes).unwrap_or_default();
    let counts: Vec<_> = outcomes.as_object().into_iter().flatten().collect();
    let counts: Vec<_> = counts
        .into_iter()
        .filter(|(_, count)| count.as_u64() != Some(0))
        .map(|(outcome, count)| format!("{count} {}", outcome.replace('_', " ")))
        .collect();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{label} {}: {bearing}", shown(&status.run));
    let _ = writeln!(text, "rows       {}: {}", status.rows, counts.join(", "));
    let _ = writeln!(text, "in flight  {}", status.in_flight);
    for target in &status.targets {
        let _ = writeln!(text, "target     {}", target_text(target));
    }
    let sessions = if status.sessions.is_empty() { std::slice::from_ref(&status.session) } else { &status.sessions };
    for session in sessions {
        session_text(session, &mut text);
    }
    text
}

fn session_text(session: &SessionStatus, text: &mut String) {
    let requests = &session.requests;
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "session    process {} of {}, since {}: {}, {}, {} throttled",
        session.pid,
        shown(&session.operator),
        when(&session.started_at),
        counted(requests.delete, "delete", "deletes"),
        counted(requests.read, "read", "reads"),
        requests.throttled,
    );
}

fn target_text(target: &TargetStatus) -> String {
    let named = format!("{}/{}", shown(&target.account), shown(&target.region));
    if let Some(why) = &target.stopped {
        return format!("{named}: stopped, {}", shown(why));
    }
    let permitted = target.permitted_per_s.map_or_else(|| "unlimited".to_owned(), |rate| rate.to_string());
    let cap = target.cap_per_s.map(|cap| format!(", at most {cap}")).unwrap_or_default();
    format!("{named}: {:.1} requests per second lately, {permitted} permitted{cap}", target.rate_per_s)
}
