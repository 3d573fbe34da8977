//! What lives went through, and the least that many lives go through: what no life meets is not tested.

use keybatch::domain::OutcomeCounts;

use super::controls::Used;

/// Counters by name, and how often each counts up in a thousand lives at least.
macro_rules! tally {
    ($($(#[$doc:meta])* $name:ident: $least:literal,)*) => {
        /// What a life went through.
        #[derive(Debug, Clone, Default)]
        pub(crate) struct Tally {
            $($(#[$doc])* pub(crate) $name: u64,)*
            pub(crate) outcomes: OutcomeCounts,
        }

        impl Tally {
            pub(crate) fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
                let (sum, more) = (&mut self.outcomes, &other.outcomes);
                sum.deleted += more.deleted;
                sum.gone += more.gone;
                sum.absent += more.absent;
                sum.skipped += more.skipped;
                sum.failed += more.failed;
                sum.in_doubt += more.in_doubt;
            }

            /// What so many lives met too rarely.
            pub(crate) fn too_rare(&self, lives: u64) -> Vec<String> {
                let counters = [$((stringify!($name), self.$name, $least)),*];
                let rare = |(name, met, least): (&str, u64, u64)| {
                    (met * 1_000 < least * lives).then(|| format!("{name}: {met} in {lives} lives"))
                };
                counters.into_iter().filter_map(rare).collect()
            }
        }
    };
}

tally! {
    /// Runs after the first.
    runs: 150,
    /// Runs that were given up.
    given_up: 20,
    /// Older copies of the journal that were put back.
    restored: 80,
    /// Sessions in which one of several regions, or of several accounts, refused everybody or was not reached.
    alone: 150,
    /// Requests that were delivered after they had to be dead.
    ghosts: 4,
    /// Sessions that stopped for a look.
    looks: 20,
    /// Lives with several accounts.
    accounts: 150,
    /// Sessions in which the credentials of one account expired, while others went on.
    expiring: 60,
    /// Sessions that did not reach one account.
    unreached: 60,
    /// Plans that were written to files.
    plans: 250,
    /// Runs that executed one, with how many rows that had lost since.
    executed: 200,
    vanished: 90,
    appeared: 15,
    drifted: 100,
    /// Plans that had expired when they were to be executed.
    expired: 12,
    /// Runs that were refused because rows had changed.
    refused_drift: 25,
    /// Orders that had to be refused: a plan that was edited, or used before; for want of approvals; for another account.
    edited: 25,
    used: 60,
    unapproved: 20,
    strays: 25,
    /// Runs whose plan was approved.
    approved: 80,
    /// Rows of which a person said what became of them, and what could not be said.
    resolved: 120,
    unresolvable: 400,
    /// Pauses, rates and stops that a session was told, and rates that it was refused.
    pauses: 100,
    rates: 70,
    told_stops: 40,
    refused_rates: 5,
    /// Several sessions at once, and what came of it: rows that were taken over, appends that were refused to those who were fenced off, answers
    /// that came too late for the row, rows that another session settled than the one that asked, sessions that found the journal taken.
    crowds: 12,
    taken_over: 40,
    fenced: 1,
    late: 0,
    adopted: 4,
    locked: 1,
    sessions: 2_000,
    deaths: 300,
    failed_commits: 200,
    deletes: 2_500,
    reads: 10_000,
    entries: 30_000,
    gaps: 40,
}

impl Tally {
    /// Adds what a session was told.
    pub(crate) fn control(&mut self, used: &Used) {
        self.pauses += used.pauses;
        self.rates += used.rates;
        self.told_stops += used.stops;
        self.refused_rates += used.refused;
    }
}
