//! A report as text for a terminal or a mail.

use std::fmt::Write as _;

use super::facts::{OUTCOMES, Report};
use super::safe::{grouped, visible};
use super::sentences::{
    INSTANCES, LISTED, NOT_RECONCILED, REHEARSAL, TO_LOOK_AT, UNREAD, asked_facts, beyond, count, coverage, gone,
    lifted, must_look, online, place, reconciliation, resolution, resolved, signature, still_used, sum, throttled,
    to_look_at, unplanned, unsound, without,
};

/// A report for people, as text.
#[must_use]
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    if report.sandbox {
        let _ = writeln!(out, "{REHEARSAL}");
    }
    let _ = writeln!(out, "run {} {}", visible(&report.run), visible(&report.state));
    if let Some(sentence) = unsound(report) {
        let _ = writeln!(out, "{}", visible(&sentence));
    }
    for gap in &report.gaps {
        let _ = writeln!(out, "NOT COMPLETE: {}", visible(gap));
    }
    let _ = writeln!(out, "{}", sum(report));
    for (outcome, human) in OUTCOMES {
        let rows = report.outcomes.of(outcome);
        if rows > 0 && unplanned(report).is_none() {
            let _ = writeln!(out, "  {human:<14} {:>12}", grouped(rows));
        }
    }
    out.push_str("asked\n");
    for (name, value) in asked_facts(report) {
        line(&mut out, &name.to_lowercase(), &value);
    }
    approvals(report, &mut out);
    requests(report, &mut out);
    looked_for(report, &mut out);
    later(report, &mut out);
    instances(report, &mut out);
    controls(report, &mut out);
    verification(report, &mut out);
    out
}

fn approvals(report: &Report, out: &mut String) {
    for one in &report.approvals {
        line(out, "approved by", &format!("{}, recorded {}", one.signer, one.at));
    }
    if report.lacks(&["approvals"]) {
        line(out, "approved by", UNREAD);
    } else if report.approvals.is_empty() {
        line(out, "approved by", "nobody");
    }
    report.signatures.iter().for_each(|one| line(out, "plan", &signature(one)));
    if report.lacks(&["signatures"]) {
        line(out, "plan signed by", UNREAD);
    }
}

/// What was said after the run had left its rows.
fn later(report: &Report, out: &mut String) {
    out.push_str("said later\n");
    if report.lacks(&["resolved", "resolutions", "reconciliations"]) {
        let _ = writeln!(out, "  {UNREAD}");
    } else if report.resolutions.is_empty() {
        out.push_str("  no row was given another outcome after the run\n");
    }
    report.resolved.iter().for_each(|one| _ = writeln!(out, "  {}", visible(&resolved(one))));
    for one in report.resolutions.iter().take(LISTED) {
        let _ = writeln!(out, "  {} {}", visible(&one.at), visible(&resolution(one)));
    }
    more(out, beyond(report.resolutions.len(), report.resolutions_not_listed));
    for one in &report.reconciliations {
        let _ = writeln!(out, "  {} {}", visible(&one.at), visible(&reconciliation(one)));
    }
    if report.reconciliations.is_empty() && !report.lacks(&["reconciliations"]) {
        let _ = writeln!(out, "  {NOT_RECONCILED}");
    }
}

fn controls(report: &Report, out: &mut String) {
    if report.lacks(&["overrides", "controls"]) {
        let _ = writeln!(out, "overrides, controls and stops\n  {UNREAD}");
    }
    for one in &report.overrides {
        let (flag, said) = lifted(one);
        let _ = writeln!(out, "override {} {}", visible(&flag), visible(&said));
    }
    for one in report.controls.iter().filter(|one| !one.is_setting()) {
        let _ = writeln!(out, "{} {}: {}", visible(&one.name), one.at, visible(&one.value));
    }
}

fn line(out: &mut String, name: &str, value: &str) {
    let _ = writeln!(out, "  {name:<20} {}", visible(value));
}

fn more(out: &mut String, more: u64) {
    if more > 0 {
        let _ = writeln!(out, "  and {} more", grouped(more));
    }
}

fn requests(report: &Report, out: &mut String) {
    out.push_str("requests\n");
    line(out, "deletes", &count(report, &["deletes_sent"], report.deletes_sent));
    line(out, "reads", &count(report, &["run"], report.reads_sent));
    line(out, "throttled", throttled(report).replacen(" throttled", "", 1).as_str());
    for (class, count) in &report.traffic.classes {
        line(out, &format!("  deletes {}", class.replace('_', " ")), &grouped(*count));
    }
    for rate in &report.rates {
        line(out, "last rate", &format!("{} per second in {}/{}", rate.per_s, rate.account, rate.region));
    }
}

fn looked_for(report: &Report, out: &mut String) {
    let _ = writeln!(out, "{}\n  {}", TO_LOOK_AT.to_lowercase(), to_look_at(report));
    if let Some(sentence) = must_look(report) {
        let _ = writeln!(out, "  {sentence}");
    }
    for sentence in gone(report) {
        let _ = writeln!(out, "  {}", visible(&sentence));
    }
    for doubt in report.doubts.iter().take(LISTED) {
        let name = doubt.story.key_pair_name.as_deref().unwrap_or_default();
        let _ = writeln!(out, "  row {} {} {}", doubt.story.row, visible(name), doubt.outcome.replace('_', " "));
        let Some(look_for) = &doubt.story.look_for else { continue };
        let event =
            format!("{} of {} in {}/{}", look_for.event_name, look_for.event_source, look_for.account, look_for.region);
        line(out, "  look for", &event);
        look_for.request_ids.iter().for_each(|id| line(out, "  request id", id));
        for (attempt, class) in look_for.attempts.iter().filter_map(|one| Some((one.attempt, one.late?))) {
            line(out, "  too late", &format!("attempt {attempt}: {}", class.as_str().replace('_', " ")));
        }
        line(out, "  user agent", &look_for.user_agent);
        line(out, "  from, until", &format!("{}, {}", look_for.from, look_for.until));
    }
    more(out, beyond(report.doubts.len(), report.doubts_not_listed));
}

fn instances(report: &Report, out: &mut String) {
    let _ = writeln!(out, "{}\n  {}", INSTANCES.to_lowercase(), visible(&still_used(report)));
    if report.in_use.is_empty() {
        return;
    }
    for one in report.in_use.iter().take(LISTED) {
        let _ = writeln!(
            out,
            "  row {} {} in {}, {}: {}",
            one.row,
            visible(&one.key_pair_name),
            visible(&place(&one.account, &one.region)),
            visible(&one.outcome),
            visible(&one.instances)
        );
        let created = one.created_at.as_deref().unwrap_or("at a time that is not known");
        let fingerprint = one.fingerprint.as_deref().unwrap_or("not known");
        let _ = writeln!(out, "    created {}, fingerprint {}", visible(created), visible(fingerprint));
    }
    more(out, beyond(report.in_use.len(), report.in_use_not_listed));
    let _ = writeln!(out, "  the instances of now: {}\n  what to do on each of these instances:", online(report));
    for todo in report.to_do {
        let _ = writeln!(out, "    - {todo}");
    }
}

fn verification(report: &Report, out: &mut String) {
    out.push_str("verification\n");
    match &report.verification {
        None => out.push_str("  the journal was not verified\n"),
        Some(verdict) => {
            line(out, "verdict", &format!("{}: {}", verdict.verdict.replace('_', " "), verdict.detail));
            for (name, value) in coverage(verdict) {
                line(out, &name.to_lowercase(), &value);
            }
            verdict.findings.iter().for_each(|finding| line(out, "also", finding));
            verdict.warnings.iter().for_each(|warning| line(out, "note", warning));
        }
    }
    let head = &report.journal;
    line(out, "head", &format!("keybatch/{} {} {}", head.id.as_deref().unwrap_or_default(), head.size, head.root));
    out.push_str("without keybatch\n");
    for (what, command) in without(report) {
        let _ = writeln!(out, "  {what}:\n    {command}");
    }
}
