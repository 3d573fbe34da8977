//! The section about requests: over time, by class, and how long they took.

use std::fmt::Write as _;

use super::charts;
use super::facts::Report;
use super::safe::{grouped, html};
use super::sections::unread;
use super::sentences::{place, requests};
use super::traffic::SessionTraffic;

/// How many sessions have a chart: those that sent most.
const CHARTS: usize = 6;

pub(super) fn section(report: &Report) -> String {
    let traffic = &report.traffic;
    let mut out = format!("<p>{}.</p>", requests(report));
    if report.lacks(&["traffic", "rates", "rate_cap", "targets_asked"]) {
        out += &unread();
    }
    if traffic.sessions.is_empty() {
        return out;
    }
    let cap = report.rate_cap.as_deref().and_then(per_second).map(|cap| {
        let targets = u32::try_from(report.targets_asked).unwrap_or(u32::MAX);
        cap * f64::from(targets)
    });
    // Without a plan that can be read, nobody knows in how many.
    let cap = cap.filter(|_| report.targets_asked > 0);
    let sent = |session: &SessionTraffic| session.parts.iter().map(|part| part.requests).sum::<u64>();
    let mut most: Vec<_> = traffic.sessions.iter().map(sent).collect();
    most.sort_unstable_by(|a, b| b.cmp(a));
    let least = most.get(CHARTS).map_or(0, |least| least + 1);
    for session in traffic.sessions.iter().filter(|session| sent(session) >= least) {
        let name = session.session.map_or_else(|| "unknown session".to_owned(), |number| format!("session {number}"));
        out += &charts::timeline(session, cap, &name);
    }
    out += &charts::timeline_legend(cap.is_some());
    if least > 0 {
        let _ = write!(
            out,
            "<p class=\"soft\">Of {} sessions, those that sent most are drawn.</p>",
            traffic.sessions.len()
        );
    }
    out.push_str("<h3>How long they took</h3>");
    out += &charts::latency(report);
    out.push_str("<details><summary>By class, and the rates that were learned</summary><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Requests by class\"><table><thead><tr><th scope=\"col\">Class of the answer</th><th scope=\"col\" class=\"n\">Requests</th></tr></thead><tbody>");
    for (class, count) in &traffic.classes {
        let _ =
            write!(out, "<tr><td>{}</td><td class=\"n\">{}</td></tr>", html(&class.replace('_', " ")), grouped(*count));
    }
    out.push_str("</tbody></table></div><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Rates that were learned\"><table><thead><tr><th scope=\"col\">Account/region</th><th scope=\"col\" class=\"n\">Last rate per second</th><th scope=\"col\" class=\"n\">Changes</th></tr></thead><tbody>");
    for rate in &report.rates {
        let _ = write!(
            out,
            "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            html(&place(&rate.account, &rate.region)),
            html(&rate.per_s),
            grouped(rate.changes)
        );
    }
    let cap = report.rate_cap.as_deref().unwrap_or("none: the rate is learned");
    let _ = write!(out, "</tbody></table></div><p>Cap that was asked for in each: {}</p></details>", html(cap));
    out
}

/// A cap such as `5/s`, in requests per second.
fn per_second(cap: &str) -> Option<f64> {
    let (count, unit) = cap.split_once('/')?;
    let count: f64 = count.parse().ok()?;
    Some(match unit {
        "s" => count,
        "m" => count / 60.0,
        "h" => count / 3_600.0,
        _ => return None,
    })
}
