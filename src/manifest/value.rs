//! What each meaningful field may hold. Nothing is trimmed, folded or repaired: a value is valid as written or it is a
//! fault, because a deletion based on it cannot be undone.

use jiff::Timestamp;

use super::kind::FaultKind;
use super::looks::{Looks, looks};
use super::meaning::Meaning;
use super::row::{CreatedAt, KeyPairArn};
use super::shape::{is_region, is_scientific};
use super::show::{Shown, is_treacherous};
use super::trouble::{AccountTrouble, ArnTrouble, FingerprintTrouble, Glyph, NameTrouble, RegionTrouble, TimeTrouble};

/// Lightsail's own limit for names. Fingerprints have the same, which is four times the longest known format.
const MAX_CHARS: usize = 255;

/// Epoch seconds below this (September 2001) are not a key pair's creation time, because Lightsail dates from 2016; they are
/// more likely something like `20240501`.
const MIN_EPOCH_S: i64 = 1_000_000_000;

/// What spreadsheets make of the days from 2016, when Lightsail began, to 2064.
const DAY_NUMBERS: std::ops::Range<i64> = 42_370..60_000;

/// Epoch seconds from this on (the year 5138) are milliseconds.
const MAX_EPOCH_S: i64 = 100_000_000_000;

/// A key pair's name: `^\w[\w\-]*\w$` in ASCII, 2 to 255 characters.
pub(super) fn name(text: &str) -> Result<String, FaultKind> {
    if is_name(text) {
        return Ok(text.to_owned());
    }
    Err(FaultKind::NamePattern { value: Shown::new(text), trouble: name_trouble(text) })
}

pub(super) fn is_name(text: &str) -> bool {
    (2..=MAX_CHARS).contains(&text.len())
        && text.bytes().all(is_name_byte)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_name_byte(byte: u8) -> bool {
    matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-')
}

/// Why `text` is not a name.
fn name_trouble(text: &str) -> NameTrouble {
    let edge = |c: char| c.is_whitespace() || is_treacherous(c);
    if let Some(c) = text.chars().next().filter(|c| edge(*c)).or_else(|| text.chars().next_back().filter(|c| edge(*c)))
    {
        return NameTrouble::Edge(Glyph(c));
    }
    if text.starts_with("arn:") {
        return NameTrouble::Arn;
    }
    if let Some(bad) = text.bytes().position(|b| !is_name_byte(b)) {
        let c = text[bad..].chars().next().unwrap_or(char::REPLACEMENT_CHARACTER);
        return NameTrouble::Character(Glyph(c), bad + 1);
    }
    match text.len() {
        0..2 => NameTrouble::TooShort,
        2..=MAX_CHARS => NameTrouble::Dash,
        long => NameTrouble::TooLong(long),
    }
}

/// A region. Only its shape is checked: new regions appear, and the endpoint decides which exist.
pub(super) fn region(text: &str) -> Result<String, FaultKind> {
    if is_region(text) {
        return Ok(text.to_owned());
    }
    let trouble = if is_region(text.trim()) {
        RegionTrouble::Space
    } else if is_region(&text.to_ascii_lowercase()) {
        RegionTrouble::Case
    } else if is_region(text.trim_end_matches(|c: char| c.is_ascii_lowercase())) {
        RegionTrouble::Zone
    } else if matches!(looks(text, "", Some(Meaning::Region)), Some(Looks::Region | Looks::Zone)) {
        RegionTrouble::Name
    } else {
        RegionTrouble::Other
    };
    Err(FaultKind::Region { value: Shown::new(text), trouble })
}

/// An account id: 12 digits.
pub(super) fn account_id(text: &str) -> Result<String, FaultKind> {
    if is_account_id(text) {
        return Ok(text.to_owned());
    }
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let separated = text.chars().all(|c| c.is_ascii_digit() || c == '-' || c.is_whitespace());
    let trouble = if digits == text && text.len() < 12 {
        AccountTrouble::LeadingZeros(text.len())
    } else if is_scientific(text) {
        AccountTrouble::Scientific
    } else if separated && is_account_id(&digits) {
        AccountTrouble::Separators
    } else {
        AccountTrouble::Other
    };
    Err(FaultKind::AccountId { value: Shown::new(text), trouble })
}

fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// A fingerprint: opaque, but of limited length and without invisible characters.
pub(super) fn fingerprint(text: &str) -> Result<String, FaultKind> {
    let bad = text.chars().find(|c| c.is_whitespace() || is_treacherous(*c));
    let chars = text.chars().count();
    let trouble = match bad {
        _ if text.starts_with(['\'', '"', '=']) || text.contains(['“', '”', '„', '‘', '’']) => {
            FingerprintTrouble::Wrapped
        }
        Some(c) => FingerprintTrouble::Character(Glyph(c)),
        None if chars > MAX_CHARS => FingerprintTrouble::TooLong(chars),
        None => return Ok(text.to_owned()),
    };
    Err(FaultKind::Fingerprint { value: Shown::new(text), trouble })
}

/// The ARN of a Lightsail key pair: `arn:<partition>:lightsail:<region>:<account>:KeyPair/<uuid>`.
pub(super) fn arn(text: &str) -> Result<KeyPairArn, FaultKind> {
    match arn_parts(text) {
        Ok((region, account_id)) => {
            Ok(KeyPairArn { text: text.to_owned(), region: region.to_owned(), account_id: account_id.to_owned() })
        }
        Err(trouble) => Err(FaultKind::Arn { value: Shown::new(text), trouble }),
    }
}

fn arn_parts(text: &str) -> Result<(&str, &str), ArnTrouble> {
    let parts: Vec<&str> = text.splitn(7, ':').collect();
    let ["arn", partition, service, region, account, resource] = parts[..] else { return Err(ArnTrouble::Shape) };
    let in_partition = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if !partition.starts_with("aws") || !partition.bytes().all(in_partition) {
        return Err(ArnTrouble::Shape);
    }
    if service != "lightsail" {
        return Err(ArnTrouble::Service);
    }
    if !is_region(region) {
        return Err(ArnTrouble::Region);
    }
    if !is_account_id(account) {
        return Err(ArnTrouble::Account);
    }
    let id = resource.strip_prefix("KeyPair/").ok_or(ArnTrouble::Resource)?;
    if is_uuid(id) { Ok((region, account)) } else { Err(ArnTrouble::Uuid) }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

/// A moment: RFC 3339 with its offset, or epoch seconds with up to nine decimals, as the API itself gives it.
pub(super) fn created_at(text: &str) -> Result<CreatedAt, FaultKind> {
    match moment(text) {
        Ok(at) => Ok(CreatedAt { text: text.to_owned(), at }),
        Err(trouble) => Err(FaultKind::CreatedAt { value: Shown::new(text), trouble }),
    }
}

fn moment(text: &str) -> Result<Timestamp, TimeTrouble> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if digits(seconds) && digits(fraction) {
        return epoch(seconds, fraction);
    }
    if is_scientific(text) {
        return Err(TimeTrouble::Scientific);
    }
    if is_local_date(text) {
        return Err(TimeTrouble::Reformatted);
    }
    if !text.is_ascii() || text.len() < 19 {
        return Err(TimeTrouble::Other);
    }
    // The parser accepts more forms of ISO 8601 than RFC 3339 has; only text that begins like RFC 3339 gets there.
    let (date, rest) = text.split_at(10);
    let dashes =
        date.bytes().enumerate().all(|(at, b)| if at == 4 || at == 7 { b == b'-' } else { b.is_ascii_digit() });
    let time = rest.strip_prefix(['T', 't', ' ']).filter(|_| dashes).ok_or(TimeTrouble::Other)?;
    if !time.bytes().all(|b| b.is_ascii_digit() || matches!(b, b':' | b'.' | b'+' | b'-' | b'Z' | b'z')) {
        return Err(TimeTrouble::Other);
    }
    let has_offset = time.ends_with(['Z', 'z']) || time.contains(['+', '-']);
    let parsed = text.parse::<Timestamp>();
    parsed.map_err(|_| if has_offset { TimeTrouble::Other } else { TimeTrouble::NoOffset })
}

/// A date as people and spreadsheets write it, in any order: `8/14/2019`, `14.08.19 10:30`, `2019/08/14`.
fn is_local_date(text: &str) -> bool {
    let date = text.split([' ', ',', '\u{202f}']).next().unwrap_or_default();
    let mut parts = date.split(['/', '.']);
    let number = |part: &str| matches!(part.len(), 1..=4) && part.bytes().all(|b| b.is_ascii_digit());
    let three = parts.by_ref().take(3).filter(|part| number(part)).count() == 3;
    three && parts.next().is_none_or(str::is_empty)
}

fn epoch(seconds: &str, fraction: &str) -> Result<Timestamp, TimeTrouble> {
    let seconds = seconds.parse::<i64>().map_err(|_| TimeTrouble::NotSeconds)?;
    if seconds < MIN_EPOCH_S {
        return Err(if DAY_NUMBERS.contains(&seconds) { TimeTrouble::DayNumber } else { TimeTrouble::Other });
    }
    if seconds >= MAX_EPOCH_S || fraction.len() > 9 {
        return Err(TimeTrouble::NotSeconds);
    }
    let nanoseconds = format!("{fraction:0<9}").parse::<i32>().map_err(|_| TimeTrouble::NotSeconds)?;
    Timestamp::new(seconds, nanoseconds).map_err(|_| TimeTrouble::Other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["ab", "a_", "__", "0-0", "Key-Pair_1", &"x".repeat(255), "LightsailDefaultKeyPair"] {
            assert_eq!(name(good).as_deref(), Ok(good));
        }
        for (bad, trouble) in [
            ("a", NameTrouble::TooShort),
            ("-", NameTrouble::TooShort),
            ("-a", NameTrouble::Dash),
            ("a-", NameTrouble::Dash),
            (" ab", NameTrouble::Edge(Glyph(' '))),
            ("ab\n", NameTrouble::Edge(Glyph('\n'))),
            ("ab\u{200b}", NameTrouble::Edge(Glyph('\u{200b}'))),
            ("a b", NameTrouble::Character(Glyph(' '), 2)),
            ("аb", NameTrouble::Character(Glyph('а'), 1)),
            ("aé", NameTrouble::Character(Glyph('é'), 2)),
            ("ab\u{661}", NameTrouble::Character(Glyph('\u{661}'), 3)),
            ("a.b", NameTrouble::Character(Glyph('.'), 2)),
            ("arn:aws:lightsail:us-east-1:111122223333:KeyPair/x", NameTrouble::Arn),
            (&"x".repeat(256), NameTrouble::TooLong(256)),
        ] {
            assert!(!is_name(bad), "{bad:?}");
            assert_eq!(name_trouble(bad), trouble, "{bad:?}");
        }
    }

    #[test]
    fn regions() {
        for good in ["us-east-1", "us-gov-west-1", "ap-southeast-12", "eusc-de-east-1", "us-isob-east-1"] {
            assert_eq!(region(good).as_deref(), Ok(good));
        }
        for (bad, expected) in [
            (" us-east-1", RegionTrouble::Space),
            ("US-East-1", RegionTrouble::Case),
            ("us-east-1a", RegionTrouble::Zone),
            ("us_east_1", RegionTrouble::Name),
            ("Frankfurt", RegionTrouble::Name),
            ("Frankfurt (eu-central-1)", RegionTrouble::Name),
            ("US East (N. Virginia)", RegionTrouble::Name),
            ("us-east-", RegionTrouble::Other),
            ("us--east-1", RegionTrouble::Other),
            ("us-1", RegionTrouble::Other),
            ("-", RegionTrouble::Other),
            ("us-east-1.evil.example", RegionTrouble::Other),
            (&format!("us-{}-1", "a".repeat(100)), RegionTrouble::Other),
        ] {
            assert!(matches!(region(bad), Err(FaultKind::Region { trouble, .. }) if trouble == expected), "{bad:?}");
        }
    }

    #[test]
    fn accounts() {
        assert_eq!(account_id("000122223333").as_deref(), Ok("000122223333"));
        for (bad, expected) in [
            ("122223333", AccountTrouble::LeadingZeros(9)),
            ("1.11122E+11", AccountTrouble::Scientific),
            ("1,11122E+11", AccountTrouble::Scientific),
            ("1111-2222-3333", AccountTrouble::Separators),
            (" 111122223333", AccountTrouble::Separators),
            ("1111222233334", AccountTrouble::Other),
            ("prod", AccountTrouble::Other),
            ("١١١١٢٢٢٢٣٣٣٣", AccountTrouble::Other),
        ] {
            assert!(
                matches!(account_id(bad), Err(FaultKind::AccountId { trouble, .. }) if trouble == expected),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn arns() {
        let good = "arn:aws:lightsail:us-east-1:111122223333:KeyPair/05859e3d-331d-48ba-9034-12345EXAMPLE";
        assert_eq!(arn_parts(good), Err(ArnTrouble::Uuid), "the placeholder of AWS's documentation is no UUID");
        let good = "arn:aws-us-gov:lightsail:us-gov-east-1:111122223333:KeyPair/05859e3d-331d-48ba-9034-0123456789ab";
        assert_eq!(arn_parts(good), Ok(("us-gov-east-1", "111122223333")));
        for (bad, trouble) in [
            ("KeyPair/x", ArnTrouble::Shape),
            ("arn:gcp:lightsail:us-east-1:111122223333:KeyPair/x", ArnTrouble::Shape),
            ("arn:aws:ec2:us-east-1:111122223333:key-pair/x", ArnTrouble::Service),
            ("arn:aws:lightsail::111122223333:KeyPair/x", ArnTrouble::Region),
            ("arn:aws:lightsail:us-east-1:22223333:KeyPair/x", ArnTrouble::Account),
            ("arn:aws:lightsail:us-east-1:111122223333:Instance/x", ArnTrouble::Resource),
            ("arn:aws:lightsail:us-east-1:111122223333:KeyPair/my-key", ArnTrouble::Uuid),
            (&format!("{good} "), ArnTrouble::Uuid),
            (&format!("{good}:x"), ArnTrouble::Shape),
        ] {
            assert_eq!(arn_parts(bad), Err(trouble), "{bad:?}");
        }
    }

    #[test]
    fn times() {
        let at = |text: &str| moment(text).map(|at| at.to_string());
        assert_eq!(at("2024-05-01T14:30:00+02:00").as_deref(), Ok("2024-05-01T12:30:00Z"));
        assert_eq!(at("2024-05-01 12:30:00.25Z").as_deref(), Ok("2024-05-01T12:30:00.25Z"));
        assert_eq!(at("1714566600").as_deref(), Ok("2024-05-01T12:30:00Z"));
        assert_eq!(at("1714566600.123").as_deref(), Ok("2024-05-01T12:30:00.123Z"));
        assert_eq!(at("1714566600.000000001").as_deref(), Ok("2024-05-01T12:30:00.000000001Z"));
        for (bad, trouble) in [
            ("2024-05-01T12:30:00", TimeTrouble::NoOffset),
            ("2024-05-01", TimeTrouble::Other),
            ("8/14/2019 10:30:00 AM", TimeTrouble::Reformatted),
            ("14.08.2019 10:30", TimeTrouble::Reformatted),
            ("14.08.19", TimeTrouble::Reformatted),
            ("2019/08/14 10:30:00", TimeTrouble::Reformatted),
            ("43691.4375", TimeTrouble::DayNumber),
            ("20240501", TimeTrouble::Other),
            ("1714566600123", TimeTrouble::NotSeconds),
            ("1714566600.0000000001", TimeTrouble::NotSeconds),
            ("99999999999999999999999", TimeTrouble::NotSeconds),
            ("1.71457E+09", TimeTrouble::Scientific),
            ("2024-13-01T12:30:00Z", TimeTrouble::Other),
            ("2024-05-01T12:30:00+02:00[Europe/Berlin]", TimeTrouble::Other),
            ("yesterday, around twelve", TimeTrouble::Other),
            ("1714566600.", TimeTrouble::Other),
            ("-1714566600", TimeTrouble::Other),
            ("", TimeTrouble::Other),
        ] {
            assert_eq!(moment(bad), Err(trouble), "{bad:?}");
        }
    }

    #[test]
    fn fingerprints() {
        assert!(fingerprint("12:ab:SHA256/+=").is_ok());
        for bad in ["a b", "ab\t", "a\u{202e}b", "'3f:9a", "“3f:9a”", "=\"3f:9a\"", &"a".repeat(256)] {
            assert!(fingerprint(bad).is_err(), "{bad:?}");
        }
    }
}
