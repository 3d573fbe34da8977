//! The section about rows in doubt: what happened, and exactly what to look for.

use std::fmt::Write as _;

use super::facts::{Doubt, Report};
use super::safe::html;
use super::sections::unread;
use super::sentences::{NOT_RECONCILED, gone, must_look, reconciliation, resolution, resolved};
use crate::domain::counted;
use crate::review::look_for::LookFor;

pub(super) fn section(report: &Report) -> String {
    let mut out = match must_look(report) {
        _ if report.lacks(&["outcomes", "doubts"]) => unread(),
        None => "<div class=\"notice good\"><p>Nothing is open: no row is in doubt or unsettled.</p></div>".to_owned(),
        Some(sentence) => format!("<div class=\"notice bad\"><p>{}</p></div>", html(&sentence)),
    };
    gone(report).iter().for_each(|sentence| out.push_str(&format!("<p>{}</p>", html(sentence))));
    for (index, doubt) in report.doubts.iter().enumerate() {
        out += &one_doubt(doubt, index == 0, report.sandbox);
    }
    if report.doubts_not_listed > 0 {
        let more = counted(report.doubts_not_listed, "more row", "more rows");
        let _ = write!(out, "<p>And {more}: <code>keybatch query --name in-doubt</code> lists all.</p>");
    }
    out + &later(report)
}

/// What was said after the run had left its rows.
fn later(report: &Report) -> String {
    let mut out = String::from("<h3 id=\"later\">Said after the run</h3>");
    if report.lacks(&["resolved", "resolutions"]) {
        out += &unread();
    } else if report.resolutions.is_empty() {
        out.push_str("<p>No row was given another outcome.</p>");
    }
    let mut list = |lines: Vec<String>| {
        if !lines.is_empty() {
            let items: String = lines.iter().map(|line| format!("<li><bdi>{}</bdi></li>", html(line))).collect();
            let _ = write!(out, "<ul>{items}</ul>");
        }
    };
    list(report.resolved.iter().map(resolved).collect());
    list(report.resolutions.iter().map(|one| format!("{} {}", one.at, resolution(one))).collect());
    if report.resolutions_not_listed > 0 {
        let more = counted(report.resolutions_not_listed, "more time", "more times");
        let run = html(&report.run);
        let _ = write!(out, "<p>And {more}: <code>keybatch log {run} --kind row_resolved</code></p>");
    }
    out.push_str("<h3>Compared with CloudTrail</h3>");
    if report.lacks(&["reconciliations"]) {
        out += &unread();
    } else if report.reconciliations.is_empty() {
        let _ = write!(out, "<p>{}</p>", html(NOT_RECONCILED));
    }
    let times = report.reconciliations.iter();
    let items: String =
        times.map(|one| format!("<li><bdi>{} {}</bdi></li>", html(&one.at), html(&reconciliation(one)))).collect();
    if !items.is_empty() {
        let _ = write!(out, "<ul>{items}</ul>");
    }
    out
}

fn one_doubt(doubt: &Doubt, is_first: bool, sandbox: bool) -> String {
    let story = &doubt.story;
    let name = html(story.key_pair_name.as_deref().unwrap_or_default());
    let open = if is_first && doubt.outcome != "gone" { " open" } else { "" };
    let mut out = format!(
        "<details{open}><summary>Row {}: <bdi>{name}</bdi>, {}</summary>",
        story.row,
        html(&doubt.outcome.replace('_', " "))
    );
    if let Some(detail) = &doubt.detail {
        let _ = write!(out, "<p>{}</p>", html(detail));
    }
    out.push_str("<h3>What happened</h3><ol class=\"story\">");
    for chapter in &story.chapters {
        let at = chapter.at.as_deref().unwrap_or_default();
        let _ = write!(out, "<li><time>{}</time>{}</li>", html(at), html(&chapter.gist));
    }
    out.push_str("</ol>");
    if let Some(look_for) = &story.look_for {
        out += &look(look_for, sandbox);
    }
    out.push_str("</details>");
    out
}

fn look(look_for: &LookFor, sandbox: bool) -> String {
    let mut out = String::from("<h3>What to look for</h3>");
    if sandbox {
        out.push_str("<p>This was a rehearsal: CloudTrail has nothing of it. Of a real run it has this.</p>");
    }
    out.push_str("<dl>");
    let mut fact = |name: &str, value: &str| {
        let _ = write!(out, "<dt>{name}</dt><dd><bdi>{}</bdi></dd>", html(value));
    };
    fact("Where", look_for.place);
    fact("Account and region", &format!("{}/{}", look_for.account, look_for.region));
    fact("Event", &format!("{} of {}", look_for.event_name, look_for.event_source));
    fact("Key pair", &look_for.key_pair_name);
    look_for.request_ids.iter().for_each(|id| fact("Request id", id));
    look_for.operation_ids.iter().for_each(|id| fact("Operation", id));
    for (attempt, class) in look_for.attempts.iter().filter_map(|one| Some((one.attempt, one.late?))) {
        fact("Answered too late", &format!("attempt {attempt}: {}", class.as_str().replace('_', " ")));
    }
    fact("User agent contains", &look_for.user_agent);
    fact("From", &look_for.from);
    fact("Until", &look_for.until);
    fact(
        "Records",
        &format!("appear up to {} minutes late, stay for {} days", look_for.late_minutes, look_for.kept_days),
    );
    out.push_str("</dl>");
    for one in &look_for.commands {
        let _ = write!(out, "<p>{}:</p><pre>{}</pre>", html(&one.shows), html(&one.command));
    }
    out.push_str("<h3>Then say what you found</h3>");
    for one in &look_for.findings {
        let command = one.command.as_deref().map(|command| format!("<pre>{}</pre>", html(command)));
        let _ = write!(out, "<p>{}:</p>{}", html(&one.found), command.unwrap_or_default());
    }
    out
}
