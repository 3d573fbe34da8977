//! What is looked at in every record, by a search for bytes: when and where it was, and whether it can be a delete of a key pair.

use memchr::memmem::Finder;

/// How far behind its name a value is looked for.
const NEAR: usize = 24;

/// Looks at records.
#[derive(Debug)]
pub struct Glancer {
    delete: Finder<'static>,
    escape: Finder<'static>,
    time: [Finder<'static>; 2],
    region: [Finder<'static>; 2],
    account: [Finder<'static>; 2],
    name: [Finder<'static>; 2],
}

/// What a look shows. Nothing of it is certain: members of a record's members can have the same names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glance<'a> {
    /// Whether it may be a DeleteKeyPair: where not, it is none.
    pub may_be_delete: bool,
    /// When it was (`2024-08-18T10:31:59Z`).
    pub time: Option<&'a str>,
    /// The region.
    pub region: Option<&'a str>,
    /// The account that received it.
    pub account: Option<&'a str>,
    /// Whether it has the name of an event, as each record does, or may have.
    pub is_record: bool,
}

impl Default for Glancer {
    fn default() -> Self {
        let both = |name: &'static str, lower: &'static str| [Finder::new(name), Finder::new(lower)];
        Self {
            delete: Finder::new("DeleteKeyPair"),
            escape: Finder::new("\\u00"),
            // Athena's column names are in lower case.
            time: both("eventTime", "eventtime"),
            region: both("awsRegion", "awsregion"),
            account: both("recipientAccountId", "recipientaccountid"),
            name: both("eventName", "eventname"),
        }
    }
}

impl Glancer {
    /// Looks at a record.
    #[must_use]
    pub fn glance<'a>(&self, record: &'a [u8]) -> Glance<'a> {
        let name = value(&self.name, record);
        // Letters can be spelled as escapes, also in the names of members.
        let is_spelled = self.escape.find(record).is_some();
        let time = value(&self.time, record).filter(|text| text.len() == 20 && text.ends_with('Z'));
        Glance {
            may_be_delete: is_spelled || self.delete.find(record).is_some(),
            time,
            region: value(&self.region, record),
            account: value(&self.account, record),
            is_record: name.is_some() || is_spelled,
        }
    }
}

/// The text that follows the name of a member; records inside of strings have backslashes before quotation marks.
fn value<'a>(names: &[Finder<'_>; 2], record: &'a [u8]) -> Option<&'a str> {
    names.iter().find_map(|name| {
        let place = name.find(record)? + name.needle().len();
        let rest = &record[place..];
        let colon = rest.iter().take(NEAR).position(|byte| *byte == b':')?;
        let text = &rest[colon + 1..];
        let begin = text.iter().take(NEAR).position(|byte| *byte == b'"')? + 1;
        let text = &text[begin..];
        let end = memchr::memchr(b'"', text)?;
        let text = text[..end].strip_suffix(b"\\").unwrap_or(&text[..end]);
        std::str::from_utf8(text).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_shows_time_and_place_in_each_spelling() {
        let record = r#"{"eventTime": "2024-08-18T10:31:59Z","eventName":"DeleteKeyPair","awsRegion":"eu-central-1","recipientAccountId":"111122223333"}"#;
        let expected = Glance {
            may_be_delete: true,
            time: Some("2024-08-18T10:31:59Z"),
            region: Some("eu-central-1"),
            account: Some("111122223333"),
            is_record: true,
        };
        let inside = format!("{{\"CloudTrailEvent\":{}}}", serde_json::to_string(record).unwrap());
        for text in [record, &inside, &record.to_lowercase().replace("10:31:59z", "10:31:59Z").replace("t10", "T10")] {
            let look = Glancer::default().glance(text.as_bytes());
            let may_be_delete = text.contains("DeleteKeyPair");
            assert_eq!(look, Glance { may_be_delete, ..expected }, "{text}");
        }
        let spelled = Glancer::default().glance(br#"{"eventName":"Delete\u004beyPair"}"#);
        assert!(spelled.may_be_delete && spelled.is_record);
        let other = Glancer::default().glance(br#"{"eventName":"GetKeyPairs","eventTime":17}"#);
        assert_eq!((other.may_be_delete, other.time, other.is_record), (false, None, true));
        assert!(!Glancer::default().glance(b"{}").is_record);
    }
}
