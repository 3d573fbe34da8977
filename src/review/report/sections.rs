//! The sections of the page, as HTML.

use std::fmt::Write as _;

use super::charts;
use super::facts::{OUTCOMES, Report};
use super::safe::{grouped, html};
use super::sentences::{
    REHEARSAL, UNREAD, asked_facts, count, coverage, lifted, online, place, signature, still_used, sum, unplanned,
    without,
};
use crate::domain::{counted, parse_time};

pub(super) fn header(report: &Report) -> String {
    let rehearsal =
        if report.sandbox { format!("<p class=\"rehearsal\">{}</p>", html(REHEARSAL)) } else { String::new() };
    let state = match report.state.as_str() {
        "finished" => "good",
        "stopped" | "interrupted" | "running" => "warn",
        _ => "plain",
    };
    let verdict = report.verification.as_ref().map_or_else(String::new, |verdict| {
        let class = match verdict.verdict.as_str() {
            "verified" => "good",
            "self_consistent" => "plain",
            _ => "bad",
        };
        format!("<span class=\"badge {class}\">journal: {}</span>", html(&verdict.verdict.replace('_', " ")))
    });
    let kind = if report.sandbox { "<span class=\"badge warn\">rehearsal</span>" } else { "" };
    format!(
        "{rehearsal}<h1>Deletion of Lightsail key pairs</h1><p class=\"mono\">run {}</p>\
         <p><span class=\"badge {state}\">{}</span>{kind}{verdict}</p>",
        html(&report.run),
        html(&report.state)
    )
}

/// What could not be read, in a box.
pub(super) fn gaps(report: &Report) -> String {
    let all: Vec<_> = report.gaps.iter().map(|gap| format!("<li>{}</li>", html(gap))).collect();
    if all.is_empty() {
        return String::new();
    }
    format!(
        "<div class=\"notice bad\" id=\"gaps\"><p><b>This report is not complete.</b> Part of the journal could not be read:</p><ul>{}</ul></div>",
        all.concat()
    )
}

pub(super) fn summary(report: &Report) -> String {
    let counts = &report.outcomes;
    let of_rows = |rows: u64| count(report, &["outcomes"], rows);
    let cards = [
        (
            count(report, &["run"], report.rows),
            if unplanned(report).is_none() { "rows asked for" } else { "rows in the manifest" },
        ),
        (of_rows(counts.deleted), "deleted"),
        (of_rows(counts.in_doubt + counts.unsettled), "in doubt or unsettled"),
        (of_rows(counts.failed), "failed"),
        (count(report, &["deletes_sent"], report.deletes_sent), "delete requests"),
        (count(report, &["deletes_sent"], report.throttled), "requests throttled"),
    ];
    let cards: Vec<_> =
        cards.iter().map(|(number, what)| format!("<li><b>{number}</b><span>{what}</span></li>")).collect();
    let is_known = !report.lacks(&["outcomes"]) && unplanned(report).is_none();
    let chart = if is_known { charts::outcomes(counts) } else { String::new() };
    let mut out = format!("<ul class=\"cards\">{}</ul>{chart}", cards.concat());
    let _ = write!(out, "<p class=\"sum\" id=\"sum\">{}</p>", html(&sum(report)));
    if report.targets.len() > 1 || report.evidence.len() > 1 {
        out += &by_target(report);
        out += &by_evidence(report);
    }
    out
}

fn by_target(report: &Report) -> String {
    let used: Vec<_> = OUTCOMES.into_iter().filter(|(outcome, _)| report.outcomes.of(outcome) > 0).collect();
    let mut out = String::from(
        "<details><summary>By account and region</summary><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Rows by account and region\"><table><thead><tr><th scope=\"col\">Account/region</th>",
    );
    for (_, human) in &used {
        let _ = write!(out, "<th scope=\"col\" class=\"n\">{human}</th>");
    }
    out.push_str("<th scope=\"col\" class=\"n\">rows</th></tr></thead><tbody>");
    for target in &report.targets {
        let _ = write!(out, "<tr><th scope=\"row\">{}</th>", html(&place(&target.account, &target.region)));
        for (outcome, _) in &used {
            let _ = write!(out, "<td class=\"n\">{}</td>", grouped(target.outcomes.of(outcome)));
        }
        let _ = write!(out, "<td class=\"n\">{}</td></tr>", grouped(target.outcomes.total()));
    }
    out.push_str("</tbody></table></div></details>");
    out
}

fn by_evidence(report: &Report) -> String {
    let lines = report.evidence.iter().map(|one| {
        format!(
            "<tr><td>{}</td><td>{}</td><td class=\"n\">{}</td></tr>",
            html(&one.outcome.replace('_', " ")),
            html(one.evidence.as_deref().unwrap_or("none yet")),
            grouped(one.rows)
        )
    });
    format!(
        "<details><summary>By outcome and evidence</summary><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Rows by outcome and evidence\"><table><thead><tr><th scope=\"col\">Outcome</th>\
         <th scope=\"col\">Evidence</th><th scope=\"col\" class=\"n\">Rows</th></tr></thead><tbody>{}</tbody></table></div></details>",
        lines.collect::<String>()
    )
}

pub(super) fn asked(report: &Report) -> String {
    let mut out = String::from("<dl>");
    for (name, value) in asked_facts(report) {
        let _ = write!(out, "<dt>{name}</dt><dd><bdi>{}</bdi></dd>", html(&value));
    }
    out.push_str("</dl><h3>Approved by</h3>");
    if report.lacks(&["approvals"]) {
        out += &unread();
    } else if report.approvals.is_empty() {
        out.push_str("<p>Nobody: the journal has no approval of this plan.</p>");
    } else {
        out.push_str("<ul>");
        for one in &report.approvals {
            let _ = write!(out, "<li>{}, recorded {}</li>", html(&one.signer), html(&one.at));
        }
        out.push_str("</ul><p class=\"soft\">Whether they may approve, only your own list of signers says: keybatch verify --require-approvals.</p>");
    }
    out += &signed(report);
    out.push_str(
        "<h3>Sessions</h3><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Sessions\"><table><thead><tr><th scope=\"col\" class=\"n\">Session</th><th scope=\"col\">Opened</th><th scope=\"col\">Closed</th>\
         <th scope=\"col\">Command</th><th scope=\"col\">Operator</th><th scope=\"col\">keybatch</th></tr></thead><tbody>",
    );
    for session in &report.sessions {
        let closed = session.closed_at.as_deref().unwrap_or("no end recorded");
        let cells = [&session.opened_at, closed, &session.command, &session.operator, &session.version];
        let cells: Vec<_> = cells.iter().map(|cell| format!("<td>{}</td>", html(cell))).collect();
        let _ = write!(out, "<tr><td class=\"n\">{}</td>{}</tr>", session.number, cells.concat());
    }
    out.push_str("</tbody></table></div>");
    out
}

/// Says that something could not be read.
pub(super) fn unread() -> String {
    format!("<div class=\"notice bad\"><p>{UNREAD}</p></div>")
}

/// The signatures under the plan.
fn signed(report: &Report) -> String {
    let mut out = String::from("<h3>Plan signed by</h3>");
    if report.lacks(&["signatures"]) {
        return out + &unread();
    }
    if report.signatures.is_empty() {
        return out + "<p>Nobody: neither who made it nor who ran it.</p>";
    }
    out.push_str("<ul>");
    report.signatures.iter().for_each(|one| _ = write!(out, "<li>{}</li>", html(&signature(one))));
    out.push_str("</ul><p class=\"soft\">Whose keys these are, only your own list of signers says: keybatch verify --four-eyes.</p>");
    out
}

pub(super) fn instances(report: &Report) -> String {
    if report.lacks(&["in_use"]) {
        return unread();
    }
    let mut out = format!("<p>{}</p>", html(&still_used(report)));
    if report.in_use.is_empty() {
        return out;
    }
    out.push_str(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Key pairs that instances named\"><table><thead><tr><th scope=\"col\" class=\"n\">Row</th><th scope=\"col\">Key pair</th>\
         <th scope=\"col\">Created</th><th scope=\"col\">Account/region</th><th scope=\"col\">Outcome</th>\
         <th scope=\"col\">Instances</th><th scope=\"col\">Fingerprint</th></tr></thead><tbody>",
    );
    for one in &report.in_use {
        let _ = write!(
            out,
            "<tr><td class=\"n\">{}</td><td class=\"long\"><bdi>{}</bdi></td><td>{}</td><td>{}</td><td>{}</td>\
             <td class=\"long\"><bdi>{}</bdi></td><td class=\"long mono\">{}</td></tr>",
            one.row,
            html(&one.key_pair_name),
            html(one.created_at.as_deref().unwrap_or("not known")),
            html(&place(&one.account, &one.region)),
            html(&one.outcome.replace('_', " ")),
            html(&one.instances),
            html(one.fingerprint.as_deref().unwrap_or("not known"))
        );
    }
    out.push_str("</tbody></table></div>");
    if report.in_use_not_listed > 0 {
        let more = counted(report.in_use_not_listed, "more row", "more rows");
        let _ = write!(
            out,
            "<p>And {more}: <code>keybatch query --name deleted-but-in-use --param run={}</code></p>",
            html(&report.run)
        );
    }
    let _ = write!(out, "<p>The instances of now: <code>{}</code></p>", html(&online(report)));
    let to_do: Vec<_> = report.to_do.iter().map(|line| format!("<li>{}</li>", html(line))).collect();
    let _ = write!(out, "<h3>What to do on each of these instances</h3><ul>{}</ul>", to_do.concat());
    out
}

pub(super) fn controls(report: &Report) -> String {
    let mut out = String::from("<h3>Overrides</h3>");
    if report.lacks(&["overrides"]) {
        out += &unread();
    } else if report.overrides.is_empty() {
        out.push_str("<p>None: no safety rule was lifted.</p>");
    }
    for one in &report.overrides {
        let (flag, said) = lifted(one);
        let _ = write!(out, "<div class=\"notice\"><p><code>{}</code> {}</p></div>", html(&flag), html(&said));
    }
    out.push_str("<h3>Controls and stops</h3>");
    let stops: Vec<_> = report.controls.iter().filter(|one| !one.is_setting()).collect();
    if report.lacks(&["controls"]) {
        out += &unread();
    } else if stops.is_empty() {
        out.push_str("<p>None.</p>");
    }
    for one in &stops {
        let _ = write!(out, "<p>{} {}: {}</p>", html(&one.at), html(&one.name), html(&one.value));
    }
    out.push_str("<details><summary>Settings of each session</summary><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Settings of each session\"><table><thead><tr><th scope=\"col\">Session opened</th><th scope=\"col\">Setting</th><th scope=\"col\">Value</th></tr></thead><tbody>");
    for one in report.controls.iter().filter(|one| one.is_setting()) {
        let _ = write!(
            out,
            "<tr><td>{}</td><td>{}</td><td class=\"long\"><bdi>{}</bdi></td></tr>",
            html(&one.at),
            html(&one.name),
            html(&one.value)
        );
    }
    out.push_str("</tbody></table></div></details>");
    out
}

pub(super) fn verification(report: &Report) -> String {
    let mut out = String::new();
    match &report.verification {
        None => out.push_str("<div class=\"notice\"><p>The journal was not verified for this report.</p></div>"),
        Some(verdict) => {
            let class = match verdict.verdict.as_str() {
                "verified" => "good",
                "self_consistent" => "warn",
                _ => "bad",
            };
            let word = html(&verdict.verdict.replace('_', " "));
            let _ = write!(
                out,
                "<div class=\"notice {class}\" id=\"verdict\"><p><b>{word}</b>: {}</p></div><dl>",
                html(&verdict.detail)
            );
            for (name, value) in coverage(verdict) {
                let _ = write!(out, "<dt>{name}</dt><dd>{}</dd>", html(&value));
            }
            out.push_str("</dl>");
            for line in verdict.findings.iter().chain(&verdict.warnings) {
                let _ = write!(out, "<p>Note: {}</p>", html(line));
            }
        }
    }
    out.push_str("<h3>The head of the journal</h3>");
    if report.lacks(&["journal", "checkpoints"]) {
        out += &unread();
    }
    let id = report.journal.id.as_deref().unwrap_or_default();
    let _ = write!(out, "<pre>keybatch/{}\n{}\n{}</pre>", html(id), report.journal.size, html(&report.journal.root));
    let kept = &report.checkpoints;
    let last = kept.made_at.as_deref().map(|at| format!(", the last one made {at}")).unwrap_or_default();
    let _ = write!(
        out,
        "<p>The journal has {}{}. A copy in the journal proves nothing; one that is kept elsewhere shows whether entries are missing or \
         were rewritten.</p>",
        counted(kept.count, "checkpoint", "checkpoints"),
        html(&last)
    );
    out.push_str("<h3>How to verify without keybatch</h3><p>This page shows what the journal says. It is not evidence by itself, so compare it with the journal:</p>");
    for (what, command) in without(report) {
        let _ = write!(out, "<p>{what}:</p><pre>{}</pre>", html(&command));
    }
    out
}

pub(super) fn footer(report: &Report) -> String {
    let at = report.fact("finished_at").or(report.fact("started_at")).and_then(parse_time);
    let word = if report.fact("finished_at").is_some() { "ended" } else { "began" };
    let when = at.map(|at| format!("; the run {word} {}", html(&at.to_string()))).unwrap_or_default();
    format!(
        "<p>Made by keybatch {} from {} of the journal{when}. The same journal gives the same file. Times are UTC.</p>",
        html(report.version),
        if report.lacks(&["journal"]) {
            "what can be read".to_owned()
        } else {
            format!("entries 0 to {}", report.journal.size.saturating_sub(1))
        },
    )
}
