//! A report as one HTML file that needs nothing else.

use std::fmt::Write as _;
use std::io::{self, Read, Write};

use super::facts::Report;
use super::rows::{RowBlocks, Standing};
use super::safe::{self, grouped};
use super::sentences::unplanned;
use super::{doubtful, page, sections, sent};
use crate::domain::parse_time;

/// Writes the page. `spool` is what [`super::rows`] wrote.
///
/// # Errors
/// If `spool` cannot be read, or `out` does not take it.
pub fn html<W: Write>(report: &Report, blocks: &RowBlocks, spool: &mut impl Read, out: &mut W) -> io::Result<()> {
    page::write(out, |place, out| {
        let text = match place {
            "title" => {
                let rehearsal = if report.sandbox { "REHEARSAL, " } else { "" };
                safe::html(&format!("{rehearsal}keybatch run {}", report.run))
            }
            "header" => sections::header(report),
            "gaps" => sections::gaps(report),
            "summary" => sections::summary(report),
            "asked" => sections::asked(report),
            "doubts" => doubtful::section(report),
            "instances" => sections::instances(report),
            "requests" => sent::section(report),
            "rows" => rows(report, blocks),
            "controls" => sections::controls(report),
            "verification" => sections::verification(report),
            "footer" => sections::footer(report),
            "data" => {
                let base = report.fact("started_at").and_then(parse_time).map_or(0, |at| at.as_millisecond());
                let run = safe::json(&report.run);
                let script = "<script type=\"application/json\"";
                writeln!(out, "{script} id=\"meta\">{{\"base\":{base},\"run\":{run},\"of\":{}}}</script>", blocks.of)?;
                writeln!(out, "{script} id=\"words\">{}</script>", blocks.words.array())?;
                io::copy(spool, out)?;
                return Ok(());
            }
            _ => String::new(),
        };
        out.write_all(text.as_bytes())
    })
}

/// The columns of the table: the place of their values in a row, the name, and the class that says on which screens they are shown.
const COLUMNS: [(u32, &str, &str); 7] = [
    (0, "Row", ""),
    (1, "Key pair", ""),
    (2, "Account/region", "opt"),
    (3, "Outcome", ""),
    (4, "Evidence", "opt big"),
    (5, "Detail", "opt"),
    (18, "Requests", "opt big"),
];

fn rows(report: &Report, blocks: &RowBlocks) -> String {
    let mut out = String::new();
    // Without rows there is nothing to search.
    if blocks.stand.is_empty() {
        return standing(report, blocks);
    }
    if let Some(why) = &blocks.why {
        let _ = write!(
            out,
            "<div class=\"notice\" id=\"samples\"><p>These are {} of {} rows: this page does not hold the whole run, because {why}. \
             The counts above are of all rows; <code>keybatch export {}</code> lists every row.</p></div>",
            grouped(blocks.shown),
            grouped(blocks.of),
            safe::html(&report.run)
        );
    }
    out.push_str(
        "<div class=\"tools\"><label class=\"grow\">Search<input type=\"search\" id=\"search\" autocomplete=\"off\" \
         placeholder=\"name, region, reason, request id…\"></label>\
         <label>Outcome<select id=\"outcome\"><option value=\"\">all</option></select></label>\
         <label>Account and region<select id=\"target\"><option value=\"\">all</option></select></label>\
         <p id=\"count\" role=\"status\" class=\"soft\"></p></div>\
         <div id=\"grid\" role=\"grid\" tabindex=\"0\" aria-label=\"Rows. Arrow keys move, Enter opens a row's story.\" aria-readonly=\"true\" \
         aria-colcount=\"7\"><div role=\"rowgroup\"><div class=\"r head\" role=\"row\" aria-rowindex=\"1\">",
    );
    for (place, name, class) in COLUMNS {
        let (sort, arrow) = if place == 0 { ("ascending", " \u{2191}") } else { ("none", "") };
        let _ = write!(
            out,
            "<div role=\"columnheader\" class=\"{class}\" aria-sort=\"{sort}\"><button type=\"button\" data-by=\"{place}\" data-name=\"{name}\">{name}{arrow}</button></div>"
        );
    }
    out.push_str("</div></div><div id=\"space\" role=\"rowgroup\"></div></div>");
    out += &standing(report, blocks);
    out
}

/// The rows that are shown without a script, and in print.
fn standing(report: &Report, blocks: &RowBlocks) -> String {
    let mut out = String::from("<div id=\"standing\">");
    if blocks.stand.is_empty() && (blocks.gap.is_some() || report.lacks(&["run"])) {
        return out + &sections::unread() + "</div>";
    }
    if blocks.stand.is_empty() {
        let why = unplanned(report).unwrap_or("The run has no rows.");
        let _ = write!(out, "<p>{why}</p></div>");
        return out;
    }
    if (blocks.stand.len() as u64) < blocks.of {
        let _ = write!(
            out,
            "<p class=\"soft\">Without a script and in print, this table holds {} of {} rows: the first ones, and then those that are not \
             deleted.</p>",
            grouped(blocks.stand.len() as u64),
            grouped(blocks.of)
        );
    }
    out.push_str(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"The first rows\"><table><thead><tr><th scope=\"col\" class=\"n\">Row</th><th scope=\"col\">Key pair</th>\
         <th scope=\"col\">Account/region</th><th scope=\"col\">Outcome</th><th scope=\"col\">Evidence</th><th scope=\"col\">Detail</th>\
         </tr></thead><tbody>\n",
    );
    blocks.stand.iter().for_each(|row| out += &standing_row(row));
    out.push_str("</tbody></table></div></div>");
    out
}

fn standing_row(row: &Standing) -> String {
    let Standing { row, name, target, outcome, evidence, detail } = row;
    format!(
        "<tr><td class=\"n\">{row}</td><td class=\"long\"><bdi>{}</bdi></td><td class=\"place\">{}</td><td>{}</td><td>{}</td><td class=\"long\"><bdi>{}</bdi></td></tr>\n",
        safe::html(name),
        safe::html(target),
        safe::html(&outcome.replace('_', " ")),
        safe::html(evidence),
        safe::html(detail)
    )
}
