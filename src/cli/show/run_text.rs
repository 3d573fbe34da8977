//! A run as a whole, in lines for people.

use std::fmt::Write as _;

use super::super::look_for::resolved_text;
use super::super::selection::of_plan;
use super::super::when::{exactly_when, lasted, when};
use super::super::{Ui, shown};
use crate::domain::counted;
use crate::review::controlled::paused_in;
use crate::review::{RunFacts, confirmed_how};

pub(super) fn run_text(facts: &RunFacts, ui: &Ui) -> String {
    let mut out = String::new();
    let sandbox = if facts.sandbox { "SANDBOX run" } else { "run" };
    let _ = writeln!(out, "{sandbox} {}", facts.run);
    for (name, value) in &facts.facts {
        // The counts have a section of their own.
        if matches!(name.as_str(), "run_id" | "sandbox" | "rows" | "sessions") || value.is_null() || is_outcome(name) {
            continue;
        }
        let text = value.as_str().map_or_else(|| value.to_string(), shown);
        let text = match name.as_str() {
            "state" => format!("{}{}", ui.painted(&text, &text), paused(facts, &text)),
            "started_at" | "finished_at" => exactly_when(&text),
            _ => text,
        };
        let _ = writeln!(out, "  {:<16} {text}", name.replace('_', " "));
        if let Some(took) = took(facts).filter(|_| name == "finished_at") {
            let _ = writeln!(out, "  {:<16} {took}", "took");
        }
    }
    outcomes(facts, ui, &mut out);
    let _ = writeln!(
        out,
        "requests\n  {} and {}, {} throttled",
        counted(facts.deletes_sent, "delete", "deletes"),
        counted(facts.reads_sent, "read", "reads"),
        facts.throttled
    );
    plan(facts, &mut out);
    sessions(facts, &mut out);
    for lifted in &facts.overrides {
        let why = lifted.why.as_deref().map(|why| format!(": {}", shown(why))).unwrap_or_default();
        let _ = writeln!(out, "override\n  {} by {}{why}", shown(&lifted.flag()), shown(&lifted.by));
        if let Some(lost) = lifted.lost_text() {
            let _ = writeln!(out, "  {lost}");
        }
    }
    if !facts.controls.is_empty() {
        let _ = writeln!(out, "controls {}", facts.controls.len());
    }
    for told in &facts.controls {
        let _ = writeln!(out, "  {} {}", when(&told.at), shown(&told.text()));
    }
    if !facts.rates.is_empty() {
        out.push_str("rates\n");
    }
    for rate in &facts.rates {
        let _ = writeln!(
            out,
            "  {}/{}: {} per second, changed {}",
            shown(&rate.account),
            shown(&rate.region),
            shown(&rate.per_s),
            counted(rate.changes, "time", "times")
        );
    }
    not_deleted(facts, ui, &mut out);
    out
}

/// What is added to the state of a run whose session is paused.
fn paused(facts: &RunFacts, state: &str) -> String {
    let session = facts.sessions.last().filter(|session| session.closed_at.is_none() && state == "running");
    let since = session.and_then(|session| paused_in(session.number, &facts.controls));
    since.map(|since| format!(", paused since {}", when(since))).unwrap_or_default()
}

/// How long a run took, from its first session to its end.
fn took(facts: &RunFacts) -> Option<String> {
    let fact = |name: &str| facts.facts.iter().find(|(known, _)| known == name).and_then(|(_, value)| value.as_str());
    lasted(fact("started_at")?, fact("finished_at")?)
}

/// All outcomes, in the order in which the summary has them.
const OUTCOMES: [&str; 8] =
    ["deleted", "gone", "absent", "skipped", "failed", "in_doubt", "unsettled", "not_attempted"];

fn is_outcome(name: &str) -> bool {
    OUTCOMES.contains(&name)
}

fn outcomes(facts: &RunFacts, ui: &Ui, out: &mut String) {
    let counts = &facts.outcomes;
    let _ = writeln!(out, "rows {}", counts.total());
    for (name, count) in OUTCOMES.into_iter().map(|name| (name, counts.of(name))).filter(|(_, count)| *count > 0) {
        let words = format!("{:<16}", name.replace('_', " "));
        let _ = writeln!(out, "  {} {count}", ui.painted(name, &words));
    }
    out.push_str(&resolved_text(&facts.resolved));
}

fn plan(facts: &RunFacts, out: &mut String) {
    let Some(plan) = &facts.plan else { return };
    let seal = &plan.seal;
    let confirmed = match &facts.confirmed {
        Some((deletes, by)) => format!("; {deletes} confirmed {}", shown(&confirmed_how(by))),
        None => "; not confirmed".to_owned(),
    };
    let _ = writeln!(
        out,
        "plan\n  {} to delete, {} to skip, {} absent{confirmed}",
        seal.deletes(),
        seal.skips(),
        seal.absents()
    );
    if let Some(rows) = of_plan(&plan.header) {
        let _ = writeln!(out, "  only {}", shown(&rows));
    }
    for target in &plan.targets {
        let _ = writeln!(
            out,
            "  {}/{}: {} to delete of {}",
            shown(&target.account),
            shown(&target.region),
            plan.deletes_in(target),
            counted(target.key_pairs, "key pair", "key pairs")
        );
    }
}

fn sessions(facts: &RunFacts, out: &mut String) {
    let _ = writeln!(out, "sessions {}", facts.sessions.len());
    for session in &facts.sessions {
        let closed = session.closed_at.as_deref();
        let took = closed.and_then(|closed| lasted(&session.opened_at, closed));
        let took = took.map(|took| format!(", {took}")).unwrap_or_default();
        let leases = session.leases.as_ref().map(|how| format!("; {}", shown(how))).unwrap_or_default();
        let _ = writeln!(
            out,
            "  {} to {}{took}\n    {} by {}, keybatch {}{leases}",
            when(&session.opened_at),
            closed.map_or_else(|| "no end recorded".to_owned(), when),
            shown(&session.command),
            shown(&session.operator),
            shown(&session.version)
        );
    }
}

/// The worst outcomes first: some rows of each, and how many more there are.
fn not_deleted(facts: &RunFacts, ui: &Ui, out: &mut String) {
    if facts.not_deleted.is_empty() {
        return;
    }
    let _ = writeln!(out, "outcomes other than deleted");
    for (index, row) in facts.not_deleted.iter().enumerate() {
        let detail = row.detail.as_deref().map(|detail| format!(": {}", shown(detail))).unwrap_or_default();
        let outcome = ui.painted(&row.outcome, &row.outcome.replace('_', " "));
        let _ = writeln!(out, "  row {} {} {outcome}{detail}", row.row, shown(&row.key_pair_name));
        let is_last = facts.not_deleted.get(index + 1).is_none_or(|next| next.outcome != row.outcome);
        if let Some(more) = facts.not_listed.get(&row.outcome).filter(|_| is_last) {
            let export = ui.suggested(["export", &facts.run]);
            let _ = writeln!(out, "  and {more} more {outcome}: {export}");
        }
    }
}
