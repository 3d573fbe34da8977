//! Numbers and durations as people type them. Every message says what to type; the parser of the command line puts the
//! option's name before it.

use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;

use crate::session::order::MaxFailures;

const DAY_S: f64 = 86_400.0;

/// The longest duration: a year.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// The greatest age: a hundred years.
const OLDEST: Duration = Duration::from_secs(36_525 * 24 * 3600);

/// A whole number; its digits may be in groups of three, as they are shown: `2499`, `2,499`, `2_499`.
pub(super) fn whole_number(text: &str) -> Option<u64> {
    let text = text.trim();
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if all_digits(text) {
        return text.parse().ok();
    }
    // A dot is not accepted, because it could be a decimal point.
    let separator = text.chars().find(|c| matches!(c, ',' | '_' | '\'' | '’' | ' ' | '\u{a0}' | '\u{202f}'))?;
    let mut groups = text.split(separator);
    let first = groups.next()?;
    let is_grouped = (1..=3).contains(&first.len()) && !first.starts_with('0') && all_digits(first);
    let mut digits = first.to_owned();
    for group in groups {
        if group.len() != 3 || !all_digits(group) {
            return None;
        }
        digits += group;
    }
    digits.parse().ok().filter(|_| is_grouped)
}

/// A number of key pairs, rows or the like, for an option.
pub(super) fn count(text: &str) -> Result<u64, String> {
    whole_number(text)
        .ok_or_else(|| format!("{text:?} is not a whole number: write 2499, or in groups of three 2,499 or 2_499"))
}

/// As [`count`], between two bounds.
pub(super) fn count_between(text: &str, least: u32, most: u32) -> Result<u32, String> {
    let number = count(text)?;
    let fits = u32::try_from(number).ok().filter(|number| (least..=most).contains(number));
    fits.ok_or_else(|| format!("{text:?} is out of range: write a whole number from {least} to {most}"))
}

impl FromStr for MaxFailures {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let rows = || whole_number(text).map(Self::Rows);
        let percent = || {
            let percent = text.trim().strip_suffix('%')?.trim().parse::<f64>().ok()?;
            (0.0..=100.0).contains(&percent).then_some(Self::Percent(percent))
        };
        rows().or_else(percent).ok_or_else(|| {
            format!(
                "{text:?} is neither a number of rows (3, or in groups of three 1,000) nor a percentage from 0% to 100% (2.5%)"
            )
        })
    }
}

/// The forms of a duration.
const DURATIONS: &str = "write a number with a unit (ms, s, m, h or d), such as 500ms, 15s, 5m, 1h30m or 1d";

/// A duration such as `500ms`, `15s`, `5m`, `1h30m` or `1d`: from a millisecond to a year.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let duration = any_duration(text)?;
    if duration < Duration::from_millis(1) || duration > LONGEST {
        return Err(format!("{text:?} is out of range: a duration is between 1ms and 366d; {DURATIONS}"));
    }
    Ok(duration)
}

/// As [`duration`]; `0` means none.
pub(super) fn duration_or_none(text: &str) -> Result<Duration, String> {
    if any_duration(text).is_ok_and(|duration| duration.is_zero()) {
        return Ok(Duration::ZERO);
    }
    duration(text).map_err(|why| format!("{why}; 0 means none"))
}

/// How old something is: as [`duration`], and up to a hundred years.
pub(super) fn age(text: &str) -> Result<Duration, String> {
    let age = any_duration(text)?;
    if age.is_zero() || age > OLDEST {
        return Err(format!("{text:?} is out of range: an age is between 1ms and 36525d; {DURATIONS}"));
    }
    Ok(age)
}

fn any_duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    match bare_number(text) {
        Some(0.0) => Ok(Duration::ZERO),
        Some(_) => {
            Err(format!("{text:?} has no unit: write {text}s, {text}m or {text}h; the units are ms, s, m, h and d"))
        }
        None => parse_duration(text).ok_or_else(|| format!("{text:?} is not a duration: {DURATIONS}")),
    }
}

/// A number without a unit.
pub(super) fn bare_number(text: &str) -> Option<f64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse().ok().filter(|_| is_plain)
}

fn parse_duration(text: &str) -> Option<Duration> {
    let (days, rest) = days(text);
    let days = Duration::try_from_secs_f64(days * DAY_S).ok()?;
    if rest.is_empty() {
        return Some(days);
    }
    let rest: SignedDuration = rest.parse().ok()?;
    days.checked_add(Duration::try_from(rest).ok()?)
}

/// The days at the beginning of a duration, which jiff does not parse, and the rest.
fn days(text: &str) -> (f64, &str) {
    let number = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let unit = number.trim_start();
    let after = ["days", "day", "d"].into_iter().find_map(|day| unit.strip_prefix(day));
    // `d` may also begin another word.
    let after = after.filter(|rest| !rest.starts_with(|c: char| c.is_alphabetic()));
    let days = text[..text.len() - number.len()].parse::<f64>();
    match (days, after) {
        (Ok(days), Some(rest)) => (days, rest.trim_start()),
        _ => (0.0, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, seconds) in [
            ("15s", 15),
            ("1h30m", 5400),
            ("90m", 5400),
            ("1d", 86_400),
            ("1d12h", 129_600),
            ("2 days", 172_800),
            ("1 day 1h", 90_000),
            ("0.5d", 43_200),
            ("366d", 366 * 86_400),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        for wrong in ["0", "", "soon", "-5s", "-1d", "1d-2h", "0s", "0d", "1000000h", "367d", "d", "1dd", "1decade"] {
            let why = duration(wrong).unwrap_err();
            assert!(why.contains("500ms, 15s, 5m, 1h30m or 1d"), "{wrong}: {why}");
        }
        for (bare, forms) in [("15", "write 15s, 15m or 15h"), ("0.5", "write 0.5s, 0.5m or 0.5h")] {
            assert!(duration(bare).unwrap_err().contains(forms));
        }
        assert_eq!(age("1000d"), Ok(Duration::from_secs(86_400_000)));
        for wrong in ["0d", "36526d", "5", "old"] {
            assert!(age(wrong).is_err(), "{wrong}");
        }
        for none in ["0", "0s", "0ms", "0d", "0h0m"] {
            assert_eq!(duration_or_none(none), Ok(Duration::ZERO), "{none}");
        }
        assert_eq!(duration_or_none("5m"), Ok(Duration::from_secs(300)));
        assert!(duration_or_none("5").is_err() && duration_or_none("-1s").is_err());
    }

    #[test]
    fn numbers_are_read_in_groups_of_three() {
        for (text, number) in [
            ("0", 0),
            ("2499", 2499),
            ("2,499", 2499),
            ("2_499", 2499),
            ("2'499", 2499),
            ("2 499", 2499),
            ("1,000,000", 1_000_000),
            ("100,000", 100_000),
        ] {
            assert_eq!(count(text), Ok(number), "{text}");
        }
        for wrong in [
            "",
            "2.499",
            "2,49",
            "24,99",
            "2,4990",
            ",499",
            "2,499,",
            "2,,499",
            "2,499_000",
            "0,499",
            "2499,000",
            "-1",
            "+1",
            "1e3",
            "x",
            "18446744073709551616",
        ] {
            let why = count(wrong).unwrap_err();
            assert!(why.contains("2,499 or 2_499"), "{wrong}: {why}");
        }
        assert_eq!(count_between("1,024", 1, 1024), Ok(1024));
        assert!(count_between("0", 1, 1024).unwrap_err().contains("from 1 to 1024"));
    }

    // SEMANTICS: P38
    #[test]
    fn failures_are_a_number_or_a_share() {
        assert_eq!("3".parse(), Ok(MaxFailures::Rows(3)));
        assert_eq!("1,000".parse(), Ok(MaxFailures::Rows(1000)));
        assert_eq!("2.5%".parse(), Ok(MaxFailures::Percent(2.5)));
        for wrong in ["150%", "-1", "x", "%", "2,5%", "NaN%"] {
            assert!(wrong.parse::<MaxFailures>().is_err(), "{wrong}");
        }
    }
}
