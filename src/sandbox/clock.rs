//! The only place where the sandbox reads the clock.
//!
//! A world runs in real time: it throttles and delays real requests. All other files take the time as a
//! number of microseconds since 1970, which makes a record replayable.

use jiff::Timestamp;

/// Microseconds since 1970.
pub(super) type Micros = u64;

/// Now.
#[expect(clippy::disallowed_methods, reason = "the one place where the sandbox reads the clock")]
pub(super) fn now() -> Micros {
    from_timestamp(Timestamp::now())
}

/// No key pair was created before 1970; earlier times become 1970.
pub(super) fn from_timestamp(at: Timestamp) -> Micros {
    u64::try_from(at.as_microsecond()).unwrap_or(0)
}

/// RFC 3339 in UTC with microseconds, as in the record.
pub(super) fn rfc3339(at: Micros) -> String {
    let at = i64::try_from(at).ok().and_then(|at| Timestamp::from_microsecond(at).ok()).unwrap_or(Timestamp::MAX);
    format!("{at:.6}")
}

/// The same with whole seconds, as STS writes times.
pub(super) fn rfc3339_seconds(at: Micros) -> String {
    let text = rfc3339(at);
    text.get(..19).map_or_else(|| text.clone(), |seconds| format!("{seconds}Z"))
}

/// The epoch seconds in one of the two number forms in which the service writes them: `1.603389001E9` or
/// `1603389001.123`.
pub(super) fn epoch_number(at: Micros, scientific: bool) -> String {
    let fraction = format!("{:06}", at % 1_000_000);
    let fraction = fraction.trim_end_matches('0');
    let seconds = (at / 1_000_000).to_string();
    if scientific {
        let (first, rest) = seconds.split_at(1);
        let digits = format!("{rest}{fraction}");
        let digits = digits.trim_end_matches('0');
        let digits = if digits.is_empty() { "0" } else { digits };
        format!("{first}.{digits}E{}", rest.len())
    } else if fraction.is_empty() {
        seconds
    } else {
        format!("{seconds}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_number_forms_are_the_same_number() {
        assert_eq!(epoch_number(1_603_389_001_000_000, true), "1.603389001E9");
        assert_eq!(epoch_number(1_603_389_001_123_000, true), "1.603389001123E9");
        assert_eq!(epoch_number(1_603_389_001_123_000, false), "1603389001.123");
        assert_eq!(epoch_number(1_603_389_001_000_000, false), "1603389001");
        assert_eq!(epoch_number(1_600_000_000_000_000, true), "1.6E9");
        for at in [0, 1, 999_999, 1_000_000, 10_000_000, 1_603_389_001_123_456, 1_600_000_000_000_000] {
            let plain: f64 = epoch_number(at, false).parse().unwrap();
            let scientific: f64 = epoch_number(at, true).parse().unwrap();
            assert!((plain - scientific).abs() < 1e-9, "{at}: {plain} {scientific}");
        }
    }

    #[test]
    fn times_are_written_with_microseconds() {
        assert_eq!(rfc3339(1_603_389_001_123_000), "2020-10-22T17:50:01.123000Z");
        assert_eq!(rfc3339_seconds(1_603_389_001_123_000), "2020-10-22T17:50:01Z");
    }
}
