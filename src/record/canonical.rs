//! Canonical JSON (RFC 8785) straight from a value: the bytes that [`by_tree`] writes, without a tree of
//! maps in between. Every entry passes through here, a million of them for a plan of a million rows.

mod by_tree;

use std::fmt;
use std::ops::Range;

use serde::ser::{self, Impossible, Serialize};

pub(super) use by_tree::by_tree;

/// The largest integer that canonical JSON (RFC 8785) carries without loss: 2^53 - 1.
pub const MAX_INTEGER: u64 = (1 << 53) - 1;

/// Writes `value`, or nothing where it holds something that is better looked at closely: a number that is no integer up
/// to 2^53, a key twice, or one whose place is not by its bytes.
pub(super) fn write(value: &impl Serialize) -> Option<String> {
    let mut out = Out { text: Vec::with_capacity(1024), ..Out::default() };
    value.serialize(&mut out).ok()?;
    String::from_utf8(out.text).ok()
}

/// The canonical form of `value`, whichever way there is one.
///
/// # Errors
/// Where there is none, with the reason.
pub(super) fn of(value: &impl Serialize) -> Result<String, String> {
    if let Some(text) = write(value) {
        return Ok(text);
    }
    by_tree(&serde_json::to_value(value).map_err(|error| error.to_string())?)
}

/// What is written so far.
#[derive(Debug, Default)]
struct Out {
    text: Vec<u8>,
    /// The members of all objects that are not complete, the innermost ones last…
    members: Vec<Member>,
    /// …and where an object is put into its order.
    spare: Vec<u8>,
}

/// Places in [`Out::text`].
#[derive(Debug)]
struct Member {
    /// The key without its quotes.
    key: Range<usize>,
    /// Key and value.
    whole: Range<usize>,
}

/// Another way must be gone.
#[derive(Debug)]
struct Unfit;

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("is written another way")
    }
}

impl std::error::Error for Unfit {}

impl ser::Error for Unfit {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

impl Out {
    fn string(&mut self, text: &str) -> Result<(), Unfit> {
        serde_json::to_writer(&mut self.text, text).map_err(|_| Unfit)
    }

    fn integer(&mut self, number: impl TryInto<u64>) -> Result<(), Unfit> {
        let number = number.try_into().ok().filter(|number| *number <= MAX_INTEGER).ok_or(Unfit)?;
        serde_json::to_writer(&mut self.text, &number).map_err(|_| Unfit)
    }

    fn object(&mut self) -> Object<'_> {
        self.text.push(b'{');
        Object { begin: self.text.len(), first: self.members.len(), key: 0..0, out: self }
    }

    fn array(&mut self) -> Array<'_> {
        self.text.push(b'[');
        Array { out: self, is_first: true }
    }
}

macro_rules! integers {
    ($($method:ident: $type:ty),*) => {
        $(fn $method(self, number: $type) -> Result<(), Unfit> {
            self.integer(number)
        })*
    };
}

macro_rules! unfit {
    ($($method:ident($($type:ty),*)),*) => {
        $(fn $method(self, $(_: $type),*) -> Result<(), Unfit> {
            Err(Unfit)
        })*
    };
}

impl<'a> ser::Serializer for &'a mut Out {
    type Ok = ();
    type Error = Unfit;
    type SerializeSeq = Array<'a>;
    type SerializeTuple = Array<'a>;
    type SerializeTupleStruct = Array<'a>;
    type SerializeTupleVariant = Impossible<(), Unfit>;
    type SerializeMap = Object<'a>;
    type SerializeStruct = Object<'a>;
    type SerializeStructVariant = Impossible<(), Unfit>;

    integers!(serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128);
    integers!(serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128);
    unfit!(serialize_f32(f32), serialize_f64(f64), serialize_bytes(&[u8]));

    fn serialize_bool(self, value: bool) -> Result<(), Unfit> {
        self.text.extend_from_slice(if value { b"true" } else { b"false" });
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), Unfit> {
        self.string(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), Unfit> {
        self.string(value)
    }

    fn serialize_none(self) -> Result<(), Unfit> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Unfit> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Unfit> {
        self.text.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Unfit> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Unfit> {
        self.string(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Unfit> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Unfit> {
        Err(Unfit)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Array<'a>, Unfit> {
        Ok(self.array())
    }

    fn serialize_tuple(self, _: usize) -> Result<Array<'a>, Unfit> {
        Ok(self.array())
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Array<'a>, Unfit> {
        Ok(self.array())
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Unfit> {
        Err(Unfit)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Object<'a>, Unfit> {
        Ok(self.object())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Object<'a>, Unfit> {
        Ok(self.object())
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Unfit> {
        Err(Unfit)
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), Unfit> {
        serde_json::Serializer::new(&mut self.text).collect_str(value).map_err(|_| Unfit)
    }
}

/// An array that is being written.
struct Array<'a> {
    out: &'a mut Out,
    is_first: bool,
}

impl Array<'_> {
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unfit> {
        if !std::mem::take(&mut self.is_first) {
            self.out.text.push(b',');
        }
        value.serialize(&mut *self.out)
    }

    fn close(self) {
        self.out.text.push(b']');
    }
}

macro_rules! array {
    ($($trait:ident $method:ident),*) => {
        $(impl ser::$trait for Array<'_> {
            type Ok = ();
            type Error = Unfit;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unfit> {
                self.item(value)
            }

            fn end(self) -> Result<(), Unfit> {
                self.close();
                Ok(())
            }
        })*
    };
}

array!(SerializeSeq serialize_element, SerializeTuple serialize_element, SerializeTupleStruct serialize_field);

/// An object that is being written.
struct Object<'a> {
    out: &'a mut Out,
    /// Where its first member begins in [`Out::text`]…
    begin: usize,
    /// …and is in [`Out::members`].
    first: usize,
    /// The key of the member that is being written.
    key: Range<usize>,
}

impl Object<'_> {
    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unfit> {
        if self.out.members.len() > self.first {
            self.out.text.push(b',');
        }
        let begin = self.out.text.len();
        key.serialize(&mut *self.out)?;
        self.key = begin + 1..self.out.text.len().saturating_sub(1);
        let [b'"', key @ .., b'"'] = self.out.text.get(begin..).unwrap_or_default() else { return Err(Unfit) };
        // Below U+E000 the order of bytes is that of UTF-16 code units, and so it is where nothing is escaped.
        if key.iter().any(|&byte| byte >= 0xee || byte == b'\\') {
            return Err(Unfit);
        }
        self.out.text.push(b':');
        Ok(())
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unfit> {
        value.serialize(&mut *self.out)?;
        let key = self.key.clone();
        let whole = key.start.saturating_sub(1)..self.out.text.len();
        self.out.members.push(Member { key, whole });
        Ok(())
    }

    /// Puts the members into order.
    fn close(self) -> Result<(), Unfit> {
        let Out { text, members, spare } = self.out;
        let own = members.get_mut(self.first..).unwrap_or_default();
        let key = |member: &Member| text.get(member.key.clone()).unwrap_or_default();
        if !own.is_sorted_by(|one, next| key(one) < key(next)) {
            own.sort_unstable_by(|one, other| key(one).cmp(key(other)));
            if !own.is_sorted_by(|one, next| key(one) < key(next)) {
                return Err(Unfit);
            }
            spare.clear();
            for member in &*own {
                if !spare.is_empty() {
                    spare.push(b',');
                }
                spare.extend_from_slice(text.get(member.whole.clone()).unwrap_or_default());
            }
            text.truncate(self.begin);
            text.extend_from_slice(spare);
        }
        text.push(b'}');
        members.truncate(self.first);
        Ok(())
    }
}

impl ser::SerializeStruct for Object<'_> {
    type Ok = ();
    type Error = Unfit;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Unfit> {
        self.key(key)?;
        self.value(value)
    }

    fn end(self) -> Result<(), Unfit> {
        self.close()
    }
}

impl ser::SerializeMap for Object<'_> {
    type Ok = ();
    type Error = Unfit;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unfit> {
        self.key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unfit> {
        self.value(value)
    }

    fn end(self) -> Result<(), Unfit> {
        self.close()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[derive(serde::Serialize)]
    struct Nothing;
    #[derive(serde::Serialize)]
    struct Whole(Part);
    #[derive(serde::Serialize)]
    struct Part {
        letter: char,
        a: Nothing,
        b: Option<(u8, bool)>,
    }
    #[derive(serde::Serialize)]
    enum Tagged {
        One(u8),
    }

    #[test]
    fn each_kind_of_value_is_written_or_left_to_the_other_way() {
        let whole = Whole(Part { letter: 'é', a: Nothing, b: Some((1, true)) });
        assert_eq!(write(&whole).as_deref(), Some(r#"{"a":null,"b":[1,true],"letter":"é"}"#));
        assert_eq!(write(&Tagged::One(1)), None);
    }

    #[test]
    fn keys_that_begin_alike_are_ordered_by_what_follows() {
        for keys in [["a", "a b", "a!"], ["a b", "a", "a#"], ["\u{e000}", "a", "\u{efff}"], ["é", "z", "e"]] {
            let value: Value =
                keys.into_iter().map(|key| (key.to_owned(), json!(1))).collect::<serde_json::Map<_, _>>().into();
            let written = write(&value).unwrap_or_else(|| by_tree(&value).unwrap());
            assert_eq!(written, serde_json_canonicalizer::to_string(&value).unwrap());
        }
    }
}
