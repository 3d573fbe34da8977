//! What runners that share a run say of its rows, in words.

use crate::domain::counted;
use crate::record::lease::{AnswerLate, LeaseEnd, LeaseEnded, LeaseTaken};

/// How many stretches of rows a line names.
const NAMED: usize = 3;

/// Rows that a runner took: how many, of which target, and the first of them.
pub(super) fn taken(taken: &LeaseTaken) -> String {
    let count = taken.rows.iter().map(|(first, last)| last.saturating_sub(*first).saturating_add(1));
    let count = count.fold(0_u64, u64::saturating_add);
    let stretch =
        |(first, last): &(u64, u64)| if first == last { first.to_string() } else { format!("{first}-{last}") };
    let mut named: Vec<_> = taken.rows.iter().take(NAMED).map(stretch).collect();
    if taken.rows.len() > NAMED {
        named.push("…".to_owned());
    }
    let rows = counted(count, "row", "rows");
    format!(
        "{rows} of {}/{} ({}), for {} ms unless renewed",
        taken.account,
        taken.region,
        named.join(", "),
        taken.lasts_ms
    )
}

/// How a runner's leases ended: as an entry of a list.
pub(super) fn ended(ended: &LeaseEnded) -> String {
    match ended.why {
        LeaseEnd::Left => format!("the runner of session {} {}", ended.of, how_ended(ended)),
        LeaseEnd::Lapsed => format!("the leases of session {} lapsed: others have its rows", ended.of),
    }
}

/// The same, where it is clear whose they were.
pub(super) fn how_ended(ended: &LeaseEnded) -> String {
    if ended.why == LeaseEnd::Lapsed {
        return "lapsed".to_owned();
    }
    let why = ended.stopped.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let detail = ended.detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default();
    let targets: Vec<_> = ended.targets.iter().map(|target| format!("{} ({})", target.region, target.why)).collect();
    let targets = if targets.is_empty() { String::new() } else { format!("; alone: {}", targets.join(", ")) };
    format!("left{why}{detail}{targets}")
}

/// An answer that came when others had the row, or could have it.
pub(super) fn heard(late: &AnswerLate) -> String {
    let status = late.exchange.http_status.map(|status| format!(", HTTP {status}")).unwrap_or_default();
    let error = late.error().map(|error| format!(", {}", error.summary())).unwrap_or_default();
    format!("attempt {}: {}{status}{error}; too late, so it decides nothing", late.attempt, late.class.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_the_first_rows_and_counts_all() {
        let of = |rows: &[(u64, u64)]| {
            let rows = rows.to_vec();
            taken(&LeaseTaken { account: "1".into(), region: "r".into(), rows, lasts_ms: 10_000, skew_ms: None })
        };
        assert_eq!(of(&[(7, 7)]), "1 row of 1/r (7), for 10000 ms unless renewed");
        let four = of(&[(1, 3), (5, 5), (7, 8), (10, 19)]);
        assert_eq!(four, "16 rows of 1/r (1-3, 5, 7-8, …), for 10000 ms unless renewed");
        let forged = of(&[(3, 1), (0, u64::MAX)]);
        assert!(forged.starts_with("18446744073709551615 rows"), "{forged}");
    }

    #[test]
    fn an_end_says_whose_and_why() {
        let of = |why, stopped: Option<&str>, detail: Option<&str>| LeaseEnded {
            of: 17,
            why,
            stopped: stopped.map(Into::into),
            detail: detail.map(str::to_owned),
            targets: Vec::new(),
        };
        let signal = of(LeaseEnd::Left, Some("signal"), Some("SIGTERM"));
        assert_eq!(ended(&signal), "the runner of session 17 left: signal (SIGTERM)");
        assert_eq!(ended(&of(LeaseEnd::Left, None, None)), "the runner of session 17 left");
        assert_eq!(how_ended(&of(LeaseEnd::Lapsed, None, None)), "lapsed");
    }
}
