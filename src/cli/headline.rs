//! The first lines about what was verified.

use std::fmt::Write as _;

use super::{Ui, shown};
use crate::verify::Verdict;

/// The verdict, where it rests, and what should be there and is.
pub(super) fn headline(
    ui: &Ui,
    verdict: Verdict,
    detail: &str,
    first_bad: Option<u64>,
    hashes: [(&str, &Option<String>); 2],
) -> String {
    let word = verdict.as_str().replace('_', " ").to_uppercase();
    let mut out = format!("{}: {}\n", ui.painted(verdict.as_str(), &word), shown(detail));
    if let Some(seq) = first_bad {
        let _ = writeln!(out, "first bad entry: {seq}");
    }
    for (label, value) in hashes {
        let Some(value) = value else { continue };
        let mut lines = value.lines();
        let _ = writeln!(out, "{label}: {}", shown(lines.next().unwrap_or_default()));
        for line in lines {
            let _ = writeln!(out, "  {}", shown(line));
        }
    }
    out
}
