//! JSON that all readers read alike: Rust, Python, `SQLite`, `DuckDB` and PostgreSQL.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// How deeply objects and lists may be nested. The service's answers have 3 levels.
const DEEPEST: u32 = 32;

/// Whether `text` is one JSON object without anything that readers disagree about: duplicate keys, U+0000, lone surrogates,
/// numbers that no double can hold, or more than 32 levels.
#[must_use]
pub fn is_plain_object(text: &str) -> bool {
    if !text.trim_ascii_start().starts_with('{') {
        return false;
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    Plain(DEEPEST).deserialize(&mut reader).is_ok() && reader.end().is_ok()
}

/// A value that may nest this many levels more.
#[derive(Clone, Copy)]
struct Plain(u32);

impl Plain {
    fn inside<E: Error>(self) -> Result<Self, E> {
        self.0.checked_sub(1).map(Self).ok_or_else(|| E::custom("too deep"))
    }
}

impl<'de> DeserializeSeed<'de> for Plain {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Plain {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("plain JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        if text.contains('\0') { Err(E::custom("U+0000")) } else { Ok(()) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inside = self.inside()?;
        while items.next_element_seed(inside)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let inside = self.inside()?;
        let mut keys = Keys::default();
        while let Some(key) = fields.next_key_seed(Key)? {
            if key.contains('\0') || !keys.insert(key) {
                return Err(A::Error::custom("a key twice, or with U+0000"));
            }
            fields.next_value_seed(inside)?;
        }
        Ok(())
    }
}

/// The keys of one object. Few are compared one by one: this runs for every answer that is written, and every one that is
/// verified.
#[derive(Default)]
struct Keys<'de> {
    few: Vec<Cow<'de, str>>,
    many: HashSet<Cow<'de, str>>,
}

impl<'de> Keys<'de> {
    /// The service's answers have at most 13 keys in an object.
    const FEW: usize = 16;

    /// Whether the key is a new one.
    fn insert(&mut self, key: Cow<'de, str>) -> bool {
        if self.few.contains(&key) {
            return false;
        }
        if self.few.len() == Self::FEW {
            return self.many.insert(key);
        }
        self.few.push(key);
        true
    }
}

/// A key, which is copied only where it has escapes.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // SEMANTICS: P21
    #[test]
    fn only_what_all_readers_read_alike_is_plain() {
        for plain in [
            "{}",
            " {\"a\": [1, -2.5e3, null, true, \"\\ud83d\\ude00\"]}\n",
            r#"{"a":{"b":1},"b":{"b":2}}"#,
            r#"{"a":12345678901234567890}"#,
        ] {
            assert!(is_plain_object(plain), "{plain}");
        }
        for other in [
            "",
            "[]",
            "1",
            "{} {}",
            "{",
            "{'a':1}",
            r#"{"a":1,"a":1}"#,
            r#"{"a":{"b":1,"b":1}}"#,
            r#"{"a":1,"\u0061":1}"#,
            r#"{"a":"\u0000"}"#,
            r#"{"\u0000":1}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"a":"\udc00"}"#,
            r#"{"a":1e999}"#,
            "{\"a\":\"\u{0}\"}",
            "\u{feff}{}",
        ] {
            assert!(!is_plain_object(other), "{other}");
        }
        let many = |last: usize| {
            let keys: Vec<_> = (0..40).chain([last]).map(|key| format!("\"{key}\":1")).collect();
            format!("{{{}}}", keys.join(","))
        };
        assert!(is_plain_object(&many(40)));
        assert!([0, 15, 16, 39].into_iter().all(|again| !is_plain_object(&many(again))));
        let nested = |levels: usize| format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
        assert!(is_plain_object(&nested(32)) && !is_plain_object(&nested(33)));
        assert!(!is_plain_object(&format!("{{\"a\":{}{}}}", "[".repeat(32), "]".repeat(32))));
    }
}
