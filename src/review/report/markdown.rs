//! A report as Markdown: for tickets, and for the step summaries of pipelines.

use std::fmt::Write as _;

use super::facts::{OUTCOMES, Report};
use super::safe::{code, grouped, markdown as plain};
use super::sentences::{
    INSTANCES, LISTED, NOT_RECONCILED, REHEARSAL, TO_LOOK_AT, UNREAD, asked_facts, beyond, coverage, gone, lifted,
    must_look, online, place, reconciliation, requests, resolution, resolved, signature, still_used, sum, to_look_at,
    unplanned, unsound, without,
};
use crate::domain::OutcomeCounts;

/// A report as Markdown.
#[must_use]
pub fn markdown(report: &Report) -> String {
    let mut out = String::from("# Deletion of Lightsail key pairs\n\n");
    let verdict =
        report.verification.as_ref().map(|verdict| format!(", journal {}", verdict.verdict.replace('_', " ")));
    let _ = writeln!(
        out,
        "run {}: **{}**{}\n",
        code(&report.run),
        plain(&report.state),
        plain(&verdict.unwrap_or_default())
    );
    if report.sandbox {
        let _ = writeln!(out, "> **{REHEARSAL}**\n");
    }
    if let Some(sentence) = unsound(report) {
        let _ = writeln!(out, "> **{}**\n", plain(&sentence));
    }
    for gap in &report.gaps {
        let _ = writeln!(out, "> **Not complete:** {}\n", plain(gap));
    }
    if !report.lacks(&["outcomes"]) && unplanned(report).is_none() {
        outcomes(&mut out, &report.outcomes);
    }
    let _ = writeln!(out, "{}\n", plain(&sum(report)));
    out.push_str("## What was asked\n\n| | |\n|---|---|\n");
    for (name, value) in asked_facts(report) {
        let _ = writeln!(out, "| {name} | {} |", plain(&value));
    }
    approvals(report, &mut out);
    doubts(report, &mut out);
    later(report, &mut out);
    instances(report, &mut out);
    let _ = writeln!(out, "## Requests\n\n{}.\n", requests(report));
    controls(report, &mut out);
    verification(report, &mut out);
    out
}

/// The table of outcomes.
fn outcomes(out: &mut String, counts: &OutcomeCounts) {
    out.push_str("| outcome | rows |\n|---|---:|\n");
    for (outcome, human) in OUTCOMES {
        if counts.of(outcome) > 0 {
            let _ = writeln!(out, "| {human} | {} |", grouped(counts.of(outcome)));
        }
    }
    let _ = writeln!(out, "| **all** | **{}** |\n", grouped(counts.total()));
}

/// What a session leaves, for a pipeline's summary: a few lines about its run. `line` says how it ended, `next` what to do.
#[must_use]
pub fn of_session(
    line: &str,
    counts: &OutcomeCounts,
    facts: &[(&str, String)],
    next: &[String],
    sandbox: bool,
) -> String {
    let mut out = format!("## keybatch\n\n{}\n\n", plain(line));
    if sandbox {
        let _ = writeln!(out, "> **{REHEARSAL}**\n");
    }
    if counts.total() > 0 {
        outcomes(&mut out, counts);
    }
    if !facts.is_empty() {
        out.push_str("| | |\n|---|---|\n");
        for (name, value) in facts {
            let _ = writeln!(out, "| {name} | {} |", plain(value));
        }
        out.push('\n');
    }
    for one in next {
        let _ = writeln!(out, "{}\n", plain(one));
    }
    out
}

fn approvals(report: &Report, out: &mut String) {
    let by: Vec<_> = report.approvals.iter().map(|one| plain(&one.signer)).collect();
    let by = match by.is_empty() {
        _ if report.lacks(&["approvals"]) => UNREAD.to_owned(),
        true => "nobody".to_owned(),
        false => by.join(", "),
    };
    let _ = writeln!(out, "| Approved by | {by} |");
    for one in &report.signatures {
        let _ = writeln!(out, "| Plan | {} |", plain(&signature(one)));
    }
    if report.lacks(&["signatures"]) {
        let _ = writeln!(out, "| Plan signed by | {UNREAD} |");
    }
    out.push('\n');
}

/// What was said after the run had left its rows.
fn later(report: &Report, out: &mut String) {
    out.push_str("## Said later\n\n");
    if report.lacks(&["resolved", "resolutions", "reconciliations"]) {
        let _ = writeln!(out, "{UNREAD}\n");
    } else if report.resolutions.is_empty() {
        out.push_str("No row was given another outcome after the run.\n\n");
    }
    report.resolved.iter().for_each(|one| _ = writeln!(out, "- {}", plain(&resolved(one))));
    for one in report.resolutions.iter().take(LISTED) {
        let _ = writeln!(out, "- {} {}", plain(&one.at), plain(&resolution(one)));
    }
    let more = beyond(report.resolutions.len(), report.resolutions_not_listed);
    if more > 0 {
        let _ = writeln!(out, "- and {} more", grouped(more));
    }
    for one in &report.reconciliations {
        let _ = writeln!(out, "- {} {}", plain(&one.at), plain(&reconciliation(one)));
    }
    if report.reconciliations.is_empty() && !report.lacks(&["reconciliations"]) {
        let _ = write!(out, "\n{NOT_RECONCILED}\n");
    }
    out.push('\n');
}

fn doubts(report: &Report, out: &mut String) {
    let _ = writeln!(out, "## {TO_LOOK_AT}\n\n{}\n", plain(&to_look_at(report)));
    if let Some(sentence) = must_look(report) {
        let _ = writeln!(out, "{}\n", plain(&sentence));
    }
    for sentence in gone(report) {
        let _ = writeln!(out, "{}\n", plain(&sentence));
    }
    if report.doubts.is_empty() {
        return;
    }
    out.push_str(
        "| row | key pair | account/region | outcome | look for | from | until |\n|---:|---|---|---|---|---|---|\n",
    );
    for doubt in report.doubts.iter().take(LISTED) {
        let name = doubt.story.key_pair_name.as_deref().unwrap_or_default();
        let (place, ids, from, until) = doubt.story.look_for.as_ref().map_or_else(Default::default, |look| {
            let ids = look.request_ids.join(" ");
            let ids = if ids.is_empty() { look.user_agent.clone() } else { ids };
            (self::place(&look.account, &look.region), ids, look.from.clone(), look.until.clone())
        });
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} |",
            doubt.story.row,
            code(name),
            plain(&place),
            plain(&doubt.outcome.replace('_', " ")),
            code(&ids),
            plain(&from),
            plain(&until)
        );
    }
    let more = beyond(report.doubts.len(), report.doubts_not_listed);
    if more > 0 {
        let _ = writeln!(out, "\nAnd {} more.", grouped(more));
    }
    out.push('\n');
}

fn instances(report: &Report, out: &mut String) {
    let _ = writeln!(out, "## {INSTANCES}\n\n{}\n", plain(&still_used(report)));
    if report.in_use.is_empty() {
        return;
    }
    out.push_str("| row | key pair | created | account/region | outcome | instances | fingerprint |\n|---:|---|---|---|---|---|---|\n");
    for one in report.in_use.iter().take(LISTED) {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} |",
            one.row,
            code(&one.key_pair_name),
            plain(one.created_at.as_deref().unwrap_or("not known")),
            plain(&place(&one.account, &one.region)),
            plain(&one.outcome.replace('_', " ")),
            plain(&one.instances),
            one.fingerprint.as_deref().map_or_else(|| "not known".to_owned(), code)
        );
    }
    let more = beyond(report.in_use.len(), report.in_use_not_listed);
    if more > 0 {
        let _ = writeln!(out, "\nAnd {} more.", grouped(more));
    }
    let _ = writeln!(out, "\nThe instances of now: {}. What to do on each:\n", code(&online(report)));
    for line in report.to_do {
        let _ = writeln!(out, "- {}", plain(line));
    }
    out.push('\n');
}

fn controls(report: &Report, out: &mut String) {
    out.push_str("## Overrides and controls\n\n");
    if report.lacks(&["overrides", "controls"]) {
        let _ = writeln!(out, "{UNREAD}");
    } else if report.overrides.is_empty() {
        out.push_str("No safety rule was lifted.\n");
    }
    for one in &report.overrides {
        let (flag, said) = lifted(one);
        let _ = writeln!(out, "- {} {}", code(&flag), plain(&said));
    }
    for one in report.controls.iter().filter(|one| !one.is_setting()) {
        let _ = writeln!(out, "- {} {}: {}", plain(&one.at), plain(&one.name), plain(&one.value));
    }
    out.push('\n');
}

fn verification(report: &Report, out: &mut String) {
    out.push_str("## Verification\n\n");
    if report.verification.is_none() {
        out.push_str("The journal was not verified.\n\n");
    }
    if let Some(verdict) = &report.verification {
        let _ = writeln!(
            out,
            "**{}**: {}\n\n| | |\n|---|---|",
            plain(&verdict.verdict.replace('_', " ")),
            plain(&verdict.detail)
        );
        for (name, value) in coverage(verdict) {
            let _ = writeln!(out, "| {name} | {} |", plain(&value));
        }
        out.push('\n');
    }
    let head = &report.journal;
    let id = head.id.as_deref().unwrap_or_default();
    let _ = writeln!(
        out,
        "Head of the journal:\n\n    keybatch/{id}\n    {}\n    {}\n\nWithout keybatch:\n",
        head.size, head.root
    );
    for (what, command) in without(report) {
        let _ = writeln!(out, "{what}:\n\n    {}\n", command);
    }
}
