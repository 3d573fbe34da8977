//! Charts as inline SVG. Each has a text beside it that says the same: a chart is never the only place of a number.

use std::fmt::Write as _;

use super::facts::{OUTCOMES, Report};
use super::safe::grouped;
use super::traffic::{Part, SessionTraffic};
use crate::domain::OutcomeCounts;

/// The width of the bar of outcomes, in its own units.
const WIDTH: u64 = 1_000;

/// A part of the bar is at least this wide: one row in doubt among a million must not disappear.
const NARROWEST: u64 = 8;

/// The patterns that tell outcomes apart where colours do not: hatched the one way, the other way, or dotted.
const PATTERNS: &str = "<defs>\
<pattern id=\"hatch\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\"><path class=\"hatch\" d=\"M0 8L8 0\"/></pattern>\
<pattern id=\"back\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\"><path class=\"hatch\" d=\"M0 0L8 8\"/></pattern>\
<pattern id=\"dots\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\"><circle class=\"dot\" cx=\"3\" cy=\"3\" r=\"1.4\"/></pattern>\
</defs>";

/// The pattern over the colour of an outcome.
fn pattern(outcome: &str) -> Option<&'static str> {
    match outcome {
        "gone" | "unsettled" => Some("dots"),
        "failed" | "skipped" => Some("hatch"),
        "in_doubt" | "not_attempted" => Some("back"),
        _ => None,
    }
}

/// All rows as one bar, and a legend with the numbers.
pub(super) fn outcomes(counts: &OutcomeCounts) -> String {
    let parts: Vec<_> = OUTCOMES
        .into_iter()
        .map(|(outcome, human)| (outcome, human, counts.of(outcome)))
        .filter(|(_, _, rows)| *rows > 0)
        .collect();
    let total = counts.total().max(1);
    let fixed = parts.len() as u64 * NARROWEST;
    let width = |rows: u64| {
        NARROWEST + u64::try_from(u128::from(rows) * u128::from(WIDTH - fixed) / u128::from(total)).unwrap_or_default()
    };
    let label: Vec<_> = parts.iter().map(|(_, human, rows)| format!("{} {human}", grouped(*rows))).collect();
    let mut out = String::from("<figure>");
    let _ = write!(
        out,
        "<svg class=\"bar\" viewBox=\"0 0 {WIDTH} 38\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"Rows by outcome: {}\">{PATTERNS}",
        label.join(", ")
    );
    let mut x = 0;
    for (index, (outcome, _, rows)) in parts.iter().enumerate() {
        // What was lost by rounding belongs to the last.
        let wide = if index + 1 == parts.len() { WIDTH - x } else { width(*rows) };
        let _ = write!(out, "<rect class=\"{outcome}\" x=\"{x}\" y=\"0\" width=\"{wide}\" height=\"38\"/>");
        if let Some(pattern) = pattern(outcome) {
            let _ = write!(out, "<rect fill=\"url(#{pattern})\" x=\"{x}\" y=\"0\" width=\"{wide}\" height=\"38\"/>");
        }
        x += wide;
    }
    out.push_str("</svg><ul class=\"legend\">");
    for (outcome, human, rows) in &parts {
        let over =
            pattern(outcome).map(|pattern| format!("<rect fill=\"url(#{pattern})\" width=\"16\" height=\"16\"/>"));
        let _ = write!(
            out,
            "<li><svg viewBox=\"0 0 16 16\" aria-hidden=\"true\"><rect class=\"{outcome}\" width=\"16\" height=\"16\"/>{}</svg>\
             <b>{}</b> {human}</li>",
            over.unwrap_or_default(),
            grouped(*rows)
        );
    }
    out.push_str("</ul></figure>");
    out
}

/// The requests of a session over time: bars of requests per second, the permitted rate as a line, a cap as a dashed one.
pub(super) fn timeline(session: &SessionTraffic, cap: Option<f64>, name: &str) -> String {
    let per_s = |requests: u64| as_float(requests) / as_float(session.part_s.max(1));
    let most = session.parts.iter().map(|part| per_s(part.requests)).fold(0.0_f64, f64::max);
    let permitted = session.parts.iter().filter_map(|part| part.permitted_per_s).fold(0.0_f64, f64::max);
    // A rate that is permitted and far from used would flatten everything else.
    let top = most.max(permitted.min(most * 3.0)).max(cap.unwrap_or_default().min(most * 3.0)).max(0.1) * 1.05;
    let y = |value: f64| 200.0 - (value / top * 200.0).clamp(0.0, 200.0);
    let step = 1_000.0 / as_float(session.parts.len().max(1) as u64);
    let mut plot = String::new();
    for (index, part) in (0_u32..).zip(&session.parts).filter(|(_, part)| part.requests > 0) {
        let x = f64::from(index) * step;
        for (class, count) in [("requests", part.requests), ("throttled", part.throttled)] {
            if count > 0 {
                let top = y(per_s(count));
                let _ = write!(
                    plot,
                    "<rect class=\"{class}\" x=\"{x:.2}\" y=\"{top:.2}\" width=\"{:.2}\" height=\"{:.2}\"/>",
                    step * 0.92,
                    200.0 - top
                );
            }
        }
    }
    let _ = write!(plot, "<path class=\"rate\" d=\"{}\"/>", line(&session.parts, step, y));
    if let Some(cap) = cap {
        let _ = write!(plot, "<path class=\"cap\" d=\"M0 {0:.2}H1000\"/>", y(cap));
    }
    let requests: u64 = session.parts.iter().map(|part| part.requests).sum();
    let throttled: u64 = session.parts.iter().map(|part| part.throttled).sum();
    let ends = |part: Option<&Part>| part.map(|part| clock(&part.at)).unwrap_or_default();
    format!(
        "<figure><figcaption>{name}: {} delete requests, {} throttled; parts of {} s, the highest {most:.1} a second</figcaption>\
         <div class=\"axis\"><span>{top:.0} a second</span></div>\
         <svg class=\"plot\" viewBox=\"0 0 1000 200\" preserveAspectRatio=\"none\" role=\"img\" \
         aria-label=\"Delete requests a second over time, with the permitted rate; the numbers are in the table below\">{plot}</svg>\
         <div class=\"axis\"><span>{} UTC</span><span>{}</span></div></figure>",
        grouped(requests),
        grouped(throttled),
        session.part_s,
        ends(session.parts.first()),
        ends(session.parts.last()),
    )
}

fn line(parts: &[Part], step: f64, y: impl Fn(f64) -> f64) -> String {
    let (mut path, mut is_drawn) = (String::new(), false);
    for (index, part) in (0_u32..).zip(parts) {
        let x = f64::from(index) * step;
        match part.permitted_per_s {
            Some(rate) => {
                let _ = write!(path, "{}{x:.2} {:.2}H{:.2}", if is_drawn { "L" } else { "M" }, y(rate), x + step);
                is_drawn = true;
            }
            None => is_drawn = false,
        }
    }
    path
}

/// The lines and bars of the timeline, named.
pub(super) fn timeline_legend(has_cap: bool) -> String {
    let swatch = |shape: &str| format!("<svg viewBox=\"0 0 16 16\" aria-hidden=\"true\">{shape}</svg>");
    let cap = if has_cap {
        format!(
            "<li>{}the cap that was asked for (--rate), in all targets</li>",
            swatch("<path class=\"cap\" d=\"M0 8H16\"/>")
        )
    } else {
        String::new()
    };
    format!(
        "<ul class=\"legend\"><li>{}delete requests</li><li>{}of these, throttled</li><li>{}permitted rate as learned, in all targets \
         (reads share it)</li>{cap}</ul>",
        swatch("<rect class=\"requests\" width=\"16\" height=\"16\"/>"),
        swatch("<rect class=\"throttled\" width=\"16\" height=\"16\"/>"),
        swatch("<path class=\"rate\" d=\"M0 8H16\"/>"),
    )
}

/// How long requests took, as a table with bars.
pub(super) fn latency(report: &Report) -> String {
    let parts = &report.traffic.latency;
    let first = parts.iter().position(|part| part.requests > 0);
    let last = parts.iter().rposition(|part| part.requests > 0);
    let (Some(first), Some(last)) = (first, last) else { return "<p>No request has an end.</p>".to_owned() };
    let most = parts.iter().map(|part| part.requests).max().unwrap_or_default().max(1);
    let mut out = String::from(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"How long requests took\"><table><caption>From the record of the start to that of the end</caption>\
         <thead><tr><th scope=\"col\">Milliseconds</th><th scope=\"col\" class=\"n\">Requests</th><th scope=\"col\">Share</th></tr></thead><tbody>",
    );
    for part in &parts[first..=last] {
        let range = match part.up_to_ms {
            Some(up_to) => format!("over {} to {}", grouped(part.over_ms), grouped(up_to)),
            None => format!("over {}", grouped(part.over_ms)),
        };
        let range = range.replace("over 0 to", "up to");
        let wide = as_float(part.requests) / as_float(most) * 100.0;
        let _ = write!(
            out,
            "<tr><th scope=\"row\">{range}</th><td class=\"n\">{}</td><td class=\"wide\">\
             <svg class=\"mini\" viewBox=\"0 0 100 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\
             <rect class=\"requests\" width=\"{wide:.2}\" height=\"10\"/></svg></td></tr>",
            grouped(part.requests)
        );
    }
    out.push_str("</tbody></table></div>");
    out
}

/// The time of day of a time, to the second.
fn clock(at: &str) -> String {
    format!("{} {}", at.get(..10).unwrap_or(at), at.get(11..19).unwrap_or_default())
}

#[expect(clippy::cast_precision_loss, reason = "drawn, not counted")]
fn as_float(number: u64) -> f64 {
    number as f64
}
