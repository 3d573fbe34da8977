//! Journals that were archived one after the other: each names the head of the one before it.

use super::report::{Report, Verdict};
use crate::record::event::Previous;

/// That one journal continues another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Which of the reports is of the journal that continues.
    pub journal: usize,
    /// What it says of the one before it.
    pub previous: Previous,
    /// Which of the reports is of that, if one is.
    pub found: Option<usize>,
    /// Whether that one is what was archived, entry by entry; nothing where it was not given.
    pub holds: Option<bool>,
}

/// Compares the journals of `reports` with what their successors say of them. A journal whose head is named by a successor that an
/// outside checkpoint covers is covered whole: its report says so from now on.
pub fn links(reports: &mut [Report]) -> Vec<Link> {
    let mut links = Vec::new();
    for (journal, report) in reports.iter().enumerate() {
        let Some(previous) = report.previous.clone() else { continue };
        let is_it = |other: &Report| other.journal_id.as_deref() == Some(previous.id.as_str());
        let found = reports.iter().position(is_it);
        let holds = found.and_then(|found| reports.get(found)).map(|found| {
            // The root was computed over the bodies.
            found.entries == previous.size && found.root == previous.root
        });
        links.push(Link { journal, previous, found, holds });
    }
    // The newest journal first; each link is needed at most once, and a circle ends.
    for _ in 0..links.len() {
        for link in &links {
            let (Some(found), Some(true)) = (link.found, link.holds) else { continue };
            let is_covered = reports.get(link.journal).is_some_and(|report| {
                report.verdict == Verdict::Verified && report.proved_up_to.is_some_and(|size| size > 0)
            });
            if let Some(report) = reports.get_mut(found).filter(|_| is_covered) {
                report.covered_by_successor();
            }
        }
    }
    links
}
