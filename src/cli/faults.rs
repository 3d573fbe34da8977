//! How the faults of a manifest are shown: some of each kind in full, the others in a line each, and the count last.

use std::fmt::Write as _;

use super::Context;
use crate::manifest::Faults;

/// Lines for faults that are not shown in full: two screens. The error object has more of them.
const MAX_LINES: usize = 100;

/// The whole report on the faults, for a terminal. Their text is already defused.
pub(super) fn report(context: &Context, faults: &Faults) -> String {
    let mut report = String::new();
    let handler = miette::GraphicalReportHandler::new_themed(context.ui.theme()).with_width(context.ui.width());
    // Writing to a String cannot fail.
    let _ = handler.render_report(&mut report, faults);
    let brief: Vec<_> = faults.in_brief().collect();
    if brief.is_empty() {
        return report;
    }
    report.push('\n');
    for fault in brief.iter().take(MAX_LINES) {
        let _ = writeln!(report, "  {}", fault.one_line());
    }
    let listed = faults.in_full().count() + brief.len().min(MAX_LINES);
    let more = faults.total() - listed as u64;
    if more > 0 {
        let _ = writeln!(report, "  … and {more} more");
    }
    let _ = writeln!(report, "\n  {}", faults.summary());
    report
}
