//! What `doctor` says of a journal's database, beside what it says of any journal.

use super::super::diagnosis::{Diagnosis, Health, diagnosis};
use crate::journal::Location;
use crate::journal::open::{self, is_held};

/// Whether a session could begin now, and what this user could do there beyond that.
pub(super) async fn findings(journal: &Location) -> Vec<Diagnosis> {
    std::iter::once(hold(journal).await).chain(powers(journal).await).collect()
}

/// Whether a session could begin now in a database.
async fn hold(journal: &Location) -> Diagnosis {
    let (health, text) = match is_held(journal).await {
        Some(false) => (Health::Good, "free"),
        Some(true) => (Health::Note, "another session holds the journal, or died less than 20 s ago"),
        None => (Health::Note, "whether a session holds the journal could not be determined"),
    };
    diagnosis("lock", health, text)
}

/// What this user can do in the database beyond what a session needs.
async fn powers(journal: &Location) -> Option<Diagnosis> {
    let finding = match open::excess(journal.address()?).await {
        Ok(powers) if powers.is_empty() => diagnosis("role", Health::Good, "this user can only append, and read"),
        Ok(powers) => {
            let powers: Vec<_> = powers.iter().map(ToString::to_string).collect();
            let text = format!(
                "this user {}; let sessions use keybatch_runner, and reviewers keybatch_reviewer (contrib/postgres/roles.sql)",
                powers.join(", ")
            );
            diagnosis("role", Health::Note, text)
        }
        // Another check says why the database cannot be used.
        Err(_) => return None,
    };
    Some(finding)
}
