//! What a value looks like if its column has no meaning: its author may believe that it is a condition.
//!
//! Each test is cheap, because it runs on every annotation of a million rows. It prefers false alarms: a value mistaken
//! for a guard costs an `--annotation`; a guard that is missed may cost a key pair.

use super::meaning::Meaning;
use super::places::{AREAS, CITIES};
use super::shape::{is_region, is_scientific};

/// The longest value that is examined: an ARN has about 100 bytes, the console's longest name of a zone 60.
const MAX_BYTES: usize = 200;

/// What a value seems to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looks {
    /// A region, by its code or its name.
    Region,
    /// An availability zone.
    Zone,
    /// The ARN of something in Lightsail.
    LightsailArn,
    /// Another ARN, in a column whose name says ARN.
    Arn,
    /// A fingerprint.
    Fingerprint,
    /// An account id, in a column whose name says account.
    AccountId,
    /// A time, in a column whose name speaks of creation.
    Time,
}

impl Looks {
    /// The column that it belongs in.
    #[must_use]
    pub fn meaning(self) -> Meaning {
        match self {
            Self::Region | Self::Zone => Meaning::Region,
            Self::LightsailArn | Self::Arn => Meaning::Arn,
            Self::Fingerprint => Meaning::ExpectedFingerprint,
            Self::AccountId => Meaning::AccountId,
            Self::Time => Meaning::CreatedAt,
        }
    }

    /// With its article.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Region => "a region",
            Self::Zone => "an availability zone",
            Self::LightsailArn => "an ARN of Lightsail",
            Self::Arn => "an ARN",
            Self::Fingerprint => "a fingerprint",
            Self::AccountId => "an account id",
            Self::Time => "a creation time",
        }
    }
}

/// What `value` looks like, in a column called `header` whose name hints at `hinted`.
pub(super) fn looks(value: &str, header: &str, hinted: Option<Meaning>) -> Option<Looks> {
    // Exporters wrap values: Excel's text marks, JSON lists and strings.
    let value =
        value.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '[' | ']' | '=' | '“' | '”'));
    if value.len() < 2 || value.len() > MAX_BYTES {
        return None;
    }
    by_value(value, header).or_else(|| by_parts(value)).or_else(|| by_header(value, hinted?))
}

/// What an object or a list in one cell contains: exporters write `location` as JSON, as a Python dictionary, or as a
/// hash table of PowerShell. Text that merely mentions a region is neither.
fn by_parts(value: &str) -> Option<Looks> {
    if value.starts_with(['{', '@', '(', '<']) {
        let mut parts = value.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_')).filter_map(code);
        let first = parts.next()?;
        return Some(if parts.any(|part| part == Looks::Region) { Looks::Region } else { first });
    }
    let mut parts = value.split([';', ',', '|', ' ']).filter(|part| !part.is_empty());
    let all = parts.next().and_then(code).filter(|_| parts.all(|part| code(part).is_some()));
    all.or_else(|| beside_another(value)).or_else(|| in_address(value))
}

/// A region or zone with its name or a key beside it: `Frankfurt/eu-central-1`, `region=eu-central-1`, `eu-central-1|all`,
/// `Frankfurt [eu-central-1]`.
fn beside_another(value: &str) -> Option<Looks> {
    if value.len() > 64 {
        return None;
    }
    // The closing bracket is trimmed together with the exporters' marks.
    if let Some((_, inner)) = value.rsplit_once('[') {
        return code(inner.trim());
    }
    let mut parts = value.split(['/', '=', '|', ':']);
    let (one, other) = (parts.next()?, parts.next()?);
    let found = code(one.trim()).or_else(|| code(other.trim()));
    // A path, or an ARN of another service, has more.
    found.filter(|_| parts.next().is_none())
}

/// The region in an address of the service or of its console.
fn in_address(value: &str) -> Option<Looks> {
    const OF_AWS: [&str; 3] = [".amazonaws.com", ".aws.amazon.com", ".api.aws"];
    let lower = value.to_ascii_lowercase();
    let of_aws = value.len() <= 2_048
        && lower.contains("lightsail")
        && !lower.contains(' ')
        && OF_AWS.iter().any(|host| lower.contains(host));
    let mut parts = lower.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').filter(|_| of_aws);
    parts.find_map(code)
}

fn by_value(value: &str, header: &str) -> Option<Looks> {
    match value.as_bytes()[0] {
        b'a' | b'A' if begins(value, "arn:aws") => {
            return value.get(3..)?.to_ascii_lowercase().contains(":lightsail:").then_some(Looks::LightsailArn);
        }
        // The end of an ARN.
        b'K' if value.strip_prefix("KeyPair/").is_some_and(|id| id.len() == 36 && id.split('-').count() == 5) => {
            return Some(Looks::LightsailArn);
        }
        first if !first.is_ascii_alphanumeric() => return None,
        _ => {}
    }
    region_or_zone(value).or_else(|| is_fingerprint(value, header).then_some(Looks::Fingerprint))
}

fn begins(value: &str, with: &str) -> bool {
    value.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with))
}

/// A region or a zone: its code alone, or with the name that the console shows before or after it.
fn region_or_zone(value: &str) -> Option<Looks> {
    if value.len() > 64 {
        return None;
    }
    if !value.contains([' ', '(', '|']) {
        return code(value);
    }
    // `Frankfurt (eu-central-1)`, `Virginia, Zone A (us-east-1a)`.
    if let Some((_, inner)) = value.strip_suffix(')').and_then(|value| value.rsplit_once('('))
        && let Some(found) = code(inner.trim())
    {
        return Some(found);
    }
    // `eu-central-1 (Frankfurt)`, `eu-central-1 | Frankfurt`.
    let (first, rest) = value.split_once([' ', '|'])?;
    if rest.trim_start().starts_with(['(', '|', '-'])
        && let Some(found) = code(first)
    {
        return Some(found);
    }
    (value.ends_with(')') && AREAS.iter().any(|area| begins(value, area))).then_some(Looks::Region)
}

/// The code of a region (`us-gov-east-1`), of a zone in it (`us-east-1a`, `us-west-2-lax-1a`), or a zone's id (`use1-az1`).
fn code(value: &str) -> Option<Looks> {
    let digits = value.bytes().any(|b| b.is_ascii_digit());
    if !(7..=40).contains(&value.len()) || !digits || !value.contains(['-', '_']) {
        return None;
    }
    let lower = value.to_ascii_lowercase().replace('_', "-");
    let mut parts = lower.split('-');
    let area = parts.next()?;
    if let Some(number) = lower.split_once("-az").map(|(_, number)| number)
        && !number.is_empty()
        && number.bytes().all(|b| b.is_ascii_digit())
        && area.len() <= 6
        && area.ends_with(|c: char| c.is_ascii_digit())
    {
        return Some(Looks::Zone);
    }
    if !(area.len() == 2 || area == "eusc") || !area.bytes().all(|b| b.is_ascii_lowercase()) {
        return None;
    }
    let mut direction = parts.next()?;
    if !is_direction(direction) {
        // `us-gov-`, `us-isob-`, `eusc-de-`.
        if !(2..=4).contains(&direction.len()) {
            return None;
        }
        direction = parts.next()?;
    }
    if !is_direction(direction) {
        return None;
    }
    let number = parts.next()?;
    let digits = number.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 || digits > 2 {
        return None;
    }
    match (&number[digits..], parts.next()) {
        ("", None) => Some(Looks::Region),
        (letter, None) if letter.len() == 1 => Some(Looks::Zone),
        ("", Some(_)) => Some(Looks::Zone),
        _ => None,
    }
}

fn is_direction(word: &str) -> bool {
    matches!(
        word,
        "north" | "south" | "east" | "west" | "central" | "northeast" | "northwest" | "southeast" | "southwest"
    )
}

/// A fingerprint of 16, 20 or 32 bytes in any of the usual forms.
fn is_fingerprint(value: &str, header: &str) -> bool {
    if value.len() < 32 {
        return false;
    }
    // The output of `ssh-keygen -l`: the bits, the fingerprint, a comment.
    if let Some((bits, rest)) = value.split_once(' ')
        && !bits.is_empty()
        && bits.len() <= 5
        && bits.bytes().all(|b| b.is_ascii_digit())
        && rest.len() >= 32
    {
        return is_fingerprint(rest.split(' ').next().unwrap_or_default(), header);
    }
    for algorithm in ["MD5:", "SHA1:", "SHA-1:", "SHA256:", "SHA-256:"] {
        if begins(value, algorithm) {
            let rest = &value[algorithm.len()..];
            return pairs(rest).is_some() || rest.len() >= 27 && rest.bytes().all(is_base64);
        }
    }
    if let Some(pairs) = pairs(value) {
        return matches!(pairs, 16 | 20 | 32);
    }
    // Commits, traces and objects have bare hexadecimal ids, too.
    matches!(value.len(), 32 | 40 | 64) && value.bytes().all(|b| b.is_ascii_hexdigit()) && !names_other_hashes(header)
}

/// How many pairs of hexadecimal digits there are, with one separator between any two.
fn pairs(value: &str) -> Option<usize> {
    let bytes = value.as_bytes();
    let separator = *bytes.get(2)?;
    let sound = bytes.len() % 3 == 2
        && matches!(separator, b':' | b'-' | b' ')
        && bytes.iter().enumerate().all(|(at, b)| if at % 3 == 2 { *b == separator } else { b.is_ascii_hexdigit() });
    sound.then_some(bytes.len().div_ceil(3))
}

fn is_base64(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=')
}

fn names_other_hashes(header: &str) -> bool {
    let header = header.to_ascii_lowercase();
    let other = ["commit", "git", "revision", "trace", "request", "etag", "token", "uuid", "guid", "version"];
    header.trim().ends_with("id") || other.iter().any(|word| header.contains(word))
}

/// What the value is, given what its column's name says.
fn by_header(value: &str, hinted: Meaning) -> Option<Looks> {
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let found = match hinted {
        Meaning::Region => {
            let lower = value.to_ascii_lowercase().replace(['_', ' '], "-");
            // PowerShell 5 writes an object's type and loses what it holds.
            let lost = begins(value, "Amazon.Lightsail.Model.") || begins(value, "System.");
            if lost || CITIES.contains(&value.to_ascii_lowercase().as_str()) || is_region(&lower) {
                Looks::Region
            } else {
                let zone = lower.strip_suffix(|c: char| c.is_ascii_lowercase())?;
                return is_region(zone).then_some(Looks::Zone);
            }
        }
        Meaning::AccountId => {
            let sound = value.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b' '));
            if !(sound && (9..=12).contains(&digits) || is_scientific(value)) {
                return None;
            }
            Looks::AccountId
        }
        Meaning::CreatedAt => {
            let separated = value.contains(['-', '/', '.', ':']) && digits >= 4;
            if !(separated || digits == value.len() && digits >= 8) {
                return None;
            }
            Looks::Time
        }
        Meaning::Arn => begins(value, "arn:").then_some(Looks::Arn)?,
        Meaning::ExpectedFingerprint => {
            let hex = value.bytes().all(|b| b.is_ascii_hexdigit()) && value.len() >= 16;
            let long = value.len() >= 27 && value.bytes().all(is_base64);
            if !(pairs(value).is_some_and(|pairs| pairs >= 2) || hex || long) {
                return None;
            }
            Looks::Fingerprint
        }
        Meaning::Name | Meaning::Reason | Meaning::Ticket => return None,
    };
    Some(found)
}

#[cfg(test)]
mod tests;
