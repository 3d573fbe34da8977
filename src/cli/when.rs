//! Times for people: in UTC as the journal has them, with the clock of this place beside them, and how long something took. Data never
//! has anything but UTC.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::domain::parse_time;

/// A time of the journal to the second, with the local time beside it.
pub(super) fn when(at: &str) -> String {
    with_local(at, to_the_second(at))
}

/// The same with all digits of the second.
pub(super) fn exactly_when(at: &str) -> String {
    with_local(at, at.to_owned())
}

/// A time of the journal without fractions of a second.
fn to_the_second(at: &str) -> String {
    match at.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => at.to_owned(),
    }
}

fn with_local(at: &str, shown: String) -> String {
    // A zone that is not known, as `TZ` may name one, is no reason to show no time.
    let zone = TimeZone::try_system().ok();
    let local = parse_time(at).zip(zone).and_then(|(at, zone)| local(at, zone));
    local.map_or_else(|| shown.clone(), |local| format!("{shown} ({local})"))
}

/// What clocks in this zone show; none where they show UTC. The date only where it is another one.
fn local(at: Timestamp, zone: TimeZone) -> Option<String> {
    let local = at.to_zoned_datetime(zone);
    if local.offset().is_zero() {
        return None;
    }
    let is_same_day = local.date() == at.to_zoned_datetime(TimeZone::UTC).date();
    let form = if is_same_day { "%H:%M:%S %:z" } else { "%Y-%m-%d %H:%M:%S %:z" };
    Some(local.strftime(form).to_string())
}

/// The time from one moment to another, in words.
pub(super) fn lasted(from: &str, to: &str) -> Option<String> {
    let duration = parse_time(to)?.duration_since(parse_time(from)?);
    let seconds = duration.as_secs();
    Some(match seconds {
        0 if duration.as_millis() > 0 => format!("{} ms", duration.as_millis()),
        ..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_local_time_stands_beside_utc_where_it_differs() {
        let at: Timestamp = "2026-11-29T23:30:00.000001Z".parse().unwrap();
        let zone = |posix: &str| TimeZone::posix(posix).unwrap();
        assert_eq!(local(at, zone("UTC0")), None);
        assert_eq!(local(at, zone("EST5")).unwrap(), "18:30:00 -05:00");
        assert_eq!(local(at, zone("<+0545>-5:45")).unwrap(), "2026-11-30 05:15:00 +05:45");
        assert_eq!(to_the_second("2026-11-29T23:30:00.000001Z"), "2026-11-29T23:30:00Z");
        assert_eq!(when("no time"), "no time");
    }

    #[test]
    fn a_duration_is_in_words() {
        let lasted = |to: &str| lasted("2026-11-29T00:00:00.000000Z", to).unwrap();
        assert_eq!(lasted("2026-11-29T00:00:00.000000Z"), "0 s");
        assert_eq!(lasted("2026-11-29T00:00:00.012000Z"), "12 ms");
        assert_eq!(lasted("2026-11-29T00:00:59.900000Z"), "59 s");
        assert_eq!(lasted("2026-11-29T00:02:05.000000Z"), "2 min 5 s");
        assert_eq!(lasted("2026-11-30T01:01:00.000000Z"), "25 h 1 min");
    }
}
