//! Canonical JSON (RFC 8785) as entries use it, checked in one pass over the text, with the fields of the outermost
//! object on the way.
//!
//! Stricter than JSON: no white space, keys ascending by their UTF-16 code units and never twice, the shortest escapes,
//! no other numbers than integers from 0 to 2^53 - 1. A text that passes is, byte for byte, what the canonicalizer would
//! write again. Nothing is copied: `verify` reads millions of these.

use std::cmp::Ordering;

use crate::record::MAX_INTEGER;

/// How deeply values may be nested: entries need six levels, and a hostile one must not exhaust the stack.
const DEEPEST: usize = 32;

/// The bytes at which the plain part of a text ends: controls, the quote and the backslash.
const ENDS_PLAIN: [bool; 256] = {
    let mut ends = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        ends[byte] = true;
        byte += 1;
    }
    ends[b'"' as usize] = true;
    ends[b'\\' as usize] = true;
    ends
};

/// A text that is not canonical.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not canonical JSON at byte {at}: {why}")]
pub(super) struct NotCanonical {
    /// Where.
    pub(super) at: usize,
    /// What was found there.
    pub(super) why: &'static str,
}

/// Checks `text`, and puts the outermost object's fields into `fields`: the key without its quotes, and the value's
/// text.
pub(super) fn read<'a>(text: &'a str, fields: &mut Vec<(&'a str, &'a str)>) -> Result<(), NotCanonical> {
    fields.clear();
    let mut scan = Scan { text, bytes: text.as_bytes(), at: 0 };
    if scan.peek() != Some(b'{') {
        return Err(scan.wrong("an entry is an object"));
    }
    scan.object(0, Some(fields))?;
    if scan.at == text.len() { Ok(()) } else { Err(scan.wrong("something follows the object")) }
}

struct Scan<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    fn wrong(&self, why: &'static str) -> NotCanonical {
        NotCanonical { at: self.at, why }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8, why: &'static str) -> Result<(), NotCanonical> {
        if self.peek() != Some(byte) {
            return Err(self.wrong(why));
        }
        self.at += 1;
        Ok(())
    }

    fn object(&mut self, depth: usize, mut fields: Option<&mut Vec<(&'a str, &'a str)>>) -> Result<(), NotCanonical> {
        self.at += 1;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        let mut last: Option<Key<'a>> = None;
        loop {
            let begin = self.at;
            let key = self.key()?;
            if last.is_some_and(|last| last.order(key) != Ordering::Less) {
                return Err(NotCanonical { at: begin, why: "the keys are not in order, or one is there twice" });
            }
            last = Some(key);
            self.take(b':', "a key and its value are not parted by a colon alone")?;
            let begin = self.at;
            self.value(depth + 1)?;
            if let Some(fields) = fields.as_deref_mut() {
                fields.push((key.raw, &self.text[begin..self.at]));
            }
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(self.wrong("a comma or the end of an object is missing")),
            }
        }
        self.at += 1;
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<(), NotCanonical> {
        self.at += 1;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(self.wrong("a comma or the end of an array is missing")),
            }
        }
        self.at += 1;
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<(), NotCanonical> {
        if depth > DEEPEST {
            return Err(self.wrong("it is nested too deeply"));
        }
        match self.peek() {
            Some(b'"') => self.string().map(drop),
            Some(b'{') => self.object(depth, None),
            Some(b'[') => self.array(depth),
            Some(b'0'..=b'9') => self.integer(),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            _ => Err(self.wrong("this is no value")),
        }
    }

    fn word(&mut self, word: &str) -> Result<(), NotCanonical> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.wrong("this is no value"));
        }
        self.at += word.len();
        Ok(())
    }

    fn integer(&mut self) -> Result<(), NotCanonical> {
        let begin = self.at;
        let mut number: u64 = 0;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            if self.at > begin && number == 0 {
                return Err(self.wrong("a number begins with a zero"));
            }
            number = number * 10 + u64::from(digit - b'0');
            if number > MAX_INTEGER {
                return Err(NotCanonical { at: begin, why: "an integer is beyond 2^53 - 1" });
            }
            self.at += 1;
        }
        Ok(())
    }

    /// A key: almost always a few letters.
    fn key(&mut self) -> Result<Key<'a>, NotCanonical> {
        let inner = self.bytes.get(self.at + 1..).unwrap_or_default();
        let length = inner.iter().take_while(|byte| byte.is_ascii_lowercase() || **byte == b'_').count();
        let plain = self.peek() == Some(b'"') && inner.get(length) == Some(&b'"');
        if !plain {
            return self.string().map(|raw| Key { raw, plain });
        }
        let begin = self.at + 1;
        self.at = begin + length + 1;
        Ok(Key { raw: &self.text[begin..begin + length], plain })
    }

    /// The text between the quotes, escapes as they stand.
    fn string(&mut self) -> Result<&'a str, NotCanonical> {
        self.take(b'"', "a text is missing here")?;
        let begin = self.at;
        loop {
            // Most of a body is the inside of texts.
            let plain = self.bytes[self.at..].iter().position(|byte| ENDS_PLAIN[usize::from(*byte)]);
            self.at += plain.ok_or_else(|| self.wrong("a text does not end"))?;
            match self.bytes[self.at] {
                b'"' => break,
                b'\\' => self.escape()?,
                _ => return Err(self.wrong("a control character is not escaped")),
            }
        }
        let text = &self.text[begin..self.at];
        self.at += 1;
        Ok(text)
    }

    /// The one spelling that each escaped character has.
    fn escape(&mut self) -> Result<(), NotCanonical> {
        let rest = &self.bytes[self.at + 1..];
        let length = match rest {
            [b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
            [b'u', b'0', b'0', high @ b'0'..=b'1', low @ (b'0'..=b'9' | b'a'..=b'f'), ..] => {
                // Those that have a shorter spelling: \b \t \n \f \r.
                if *high == b'0' && matches!(low, b'8' | b'9' | b'a' | b'c' | b'd') {
                    return Err(self.wrong("an escape is not the shortest one"));
                }
                6
            }
            _ => return Err(self.wrong("an escape that is not needed, or none at all")),
        };
        self.at += length;
        Ok(())
    }
}

/// A key as it stands in the text.
#[derive(Clone, Copy)]
struct Key<'a> {
    raw: &'a str,
    /// Whether it consists of small letters and underscores alone.
    plain: bool,
}

impl Key<'_> {
    /// The order of keys: by UTF-16 code units of what they mean.
    fn order(self, other: Key<'_>) -> Ordering {
        if self.plain && other.plain {
            return self.raw.cmp(other.raw);
        }
        meant(self.raw).encode_utf16().cmp(meant(other.raw).encode_utf16())
    }
}

/// A text without its escapes.
pub(super) fn meant(raw: &str) -> String {
    if !raw.contains('\\') {
        return raw.to_owned();
    }
    serde_json::from_str(&format!("\"{raw}\"")).unwrap_or_else(|_| raw.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;
    use crate::record::any_json;

    fn is_canonical(text: &str) -> bool {
        read(text, &mut Vec::new()).is_ok()
    }

    proptest! {
        #[test]
        fn what_the_canonicalizer_writes_passes(value in any_json()) {
            let text = serde_json_canonicalizer::to_string(&Value::Object(Map::from_iter([("k".into(), value)]))).unwrap();
            prop_assert_eq!(read(&text, &mut Vec::new()), Ok(()));
        }

        #[test]
        fn what_passes_is_what_the_canonicalizer_writes(text in r#"\{("[ab"\\/u01\x01é]{0,3}":("[a\\n\tu0é]{0,4}"|[0-9]{1,17}|true|\[\]| ),?){0,3}\}"#) {
            if is_canonical(&text) {
                let value: Value = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(serde_json_canonicalizer::to_string(&value).unwrap(), text);
            }
        }
    }

    #[test]
    fn fields_are_given_as_they_stand() {
        let mut fields = Vec::new();
        read(r#"{"a":[1,{"b":2}],"c":"x\n"}"#, &mut fields).unwrap();
        assert_eq!(fields, [("a", r#"[1,{"b":2}]"#), ("c", r#""x\n""#)]);
    }

    #[test]
    fn every_other_spelling_is_refused() {
        for text in [
            r#""#,
            r#"[]"#,
            r#"{} "#,
            r#" {}"#,
            r#"{"b":1,"a":2}"#,
            r#"{"a":1,"a":2}"#,
            r#"{"a": 1}"#,
            r#"{"a":01}"#,
            r#"{"a":-1}"#,
            r#"{"a":1.0}"#,
            r#"{"a":1e3}"#,
            r#"{"a":9007199254740992}"#,
            r#"{"a":"\/"}"#,
            r#"{"a":"\u0041"}"#,
            r#"{"a":"\u001F"}"#,
            r#"{"a":"\u000a"}"#,
            r#"{"a":"\u0008"}"#,
            r#"{"a":"\u0009"}"#,
            r#"{"a":"\u000c"}"#,
            r#"{"a":"\u000d"}"#,
            r#"{a":1}"#,
            r#"{"a":tru}"#,
            r#"{"a":1,}"#,
            r#"{"a":"x"#,
            r#"{"a""#,
            r#"{"a":[1,]}"#,
            "{\"a\":\"\n\"}",
        ] {
            assert!(!is_canonical(text), "{text}");
        }
    }

    #[test]
    fn depth_and_numbers_end_where_they_should() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            for (depth, passes) in [(DEEPEST - 1, true), (DEEPEST, false), (1_000, false)] {
                let deep = format!("{{\"a\":{}0{}}}", open.repeat(depth), close.repeat(depth));
                assert_eq!(is_canonical(&deep), passes, "{depth} of {open}");
            }
        }
        assert!(is_canonical(r#"{"a":9007199254740991}"#));
    }

    #[test]
    fn keys_are_ordered_by_utf_16() {
        // U+1F600 is written with surrogates, which sort before U+FB33.
        assert!(is_canonical("{\"\u{1f600}\":1,\"\u{fb33}\":2}"));
        assert!(!is_canonical("{\"\u{fb33}\":1,\"\u{1f600}\":2}"));
    }
}
