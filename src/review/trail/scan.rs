//! Where the records in a text begin and end, without reading what is in them.
//!
//! Takes the forms in which records are handed on: log files (`{"Records":[…]}`), what `aws cloudtrail lookup-events` prints
//! (`{"Events":[…]}`), one record, lists of records, one record a line, and any sequence of these. It holds at most one record
//! that is not whole yet. What is no JSON is reported with its place; reading goes on at the next line.

/// The longest record: CloudTrail's are at most 1 MiB, and `lookup-events` prints each as a string inside of another.
pub const MOST_BYTES: usize = 4 << 20;

/// How deep a record may be nested.
const MOST_NESTED: usize = 128;

/// How many lists may stand inside one another around a record.
const MOST_LISTS: usize = 4;

/// The members of an object that hold records.
const LISTS: [&[u8]; 2] = [b"Records", b"Events"];

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scanned<'a> {
    /// An object that may be a record, from its first byte to its last.
    Object {
        /// Its place in the text, in bytes.
        at: u64,
        /// Its bytes.
        bytes: &'a [u8],
    },
    /// The look-up that it is of goes on: it has a token for the next page.
    GoesOn,
    /// Something that is none.
    Broken {
        /// Where it begins, in bytes.
        at: u64,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// Finds records in a text that is given in pieces.
#[derive(Debug)]
pub struct Scanner {
    /// How much of the text was taken before this piece.
    taken: u64,
    /// Whether each open bracket is a list's.
    nest: Vec<bool>,
    /// How many brackets are open around the elements of each list that is open.
    lists: Vec<usize>,
    /// Where the object began that is being read.
    object: Option<u64>,
    /// What earlier pieces had of it.
    held: Vec<u8>,
    in_string: bool,
    is_escaped: bool,
    /// The beginning of the last string of an object that may hold a list of records.
    word: Vec<u8>,
    /// The last byte that was not white space; strings count as their quotation mark, other values as a zero.
    before: u8,
    /// Whether the byte before was a line's end.
    at_line: bool,
    /// Whether the rest of the line is skipped.
    skips: bool,
    /// Whether what is between elements was reported already.
    is_reported: bool,
}

impl Default for Scanner {
    fn default() -> Self {
        Self {
            taken: 0,
            nest: Vec::new(),
            lists: vec![0],
            object: None,
            held: Vec::new(),
            in_string: false,
            is_escaped: false,
            word: Vec::new(),
            before: 0,
            at_line: true,
            skips: false,
            is_reported: false,
        }
    }
}

impl Scanner {
    /// Takes the next piece of the text, and hands on what is whole.
    pub fn feed(&mut self, piece: &[u8], each: &mut impl FnMut(Scanned<'_>)) {
        let mut from = 0;
        let mut place = 0;
        while place < piece.len() {
            if self.skips {
                match memchr::memchr(b'\n', &piece[place..]) {
                    Some(end) => place += end,
                    None => break,
                }
                self.skips = false;
            }
            if self.in_string {
                place = self.string(piece, place, each);
                continue;
            }
            if self.object.is_none() {
                from = place;
            }
            self.byte(piece, &mut from, place, each);
            place += 1;
        }
        if self.object.is_some() {
            self.held.extend_from_slice(&piece[from..]);
            self.check_length(each);
        }
        self.taken += piece.len() as u64;
    }

    /// Nothing follows.
    pub fn end(&mut self, each: &mut impl FnMut(Scanned<'_>)) {
        if let Some(at) = self.object {
            each(Scanned::Broken { at, why: "the text ends inside of it" });
        } else if !self.nest.is_empty() || self.in_string {
            each(Scanned::Broken { at: self.taken, why: "the text ends inside of a list" });
        }
        *self = Self::default();
    }

    /// Goes on inside of a string; returns the place behind what was read.
    fn string(&mut self, piece: &[u8], place: usize, each: &mut impl FnMut(Scanned<'_>)) -> usize {
        if self.is_escaped {
            self.is_escaped = false;
            self.spell(&piece[place..=place]);
            return place + 1;
        }
        // A line feed in a string is no JSON: the line was torn.
        let found = memchr::memchr3(b'"', b'\\', b'\n', &piece[place..]);
        let end = found.map_or(piece.len(), |found| place + found);
        self.spell(&piece[place..end]);
        match piece.get(end) {
            Some(b'"') => {
                self.in_string = false;
                self.before = b'"';
            }
            Some(b'\\') => {
                self.spell(b"\\");
                self.is_escaped = true;
            }
            Some(_) => self.broken(end, "a line ends inside of a string", each),
            None => return end,
        }
        self.at_line = piece[end] == b'\n';
        end + 1
    }

    /// Keeps the beginning of a string that may be the name of a list.
    fn spell(&mut self, bytes: &[u8]) {
        if self.nest.len() == self.elements() + 1 {
            let room = 9_usize.saturating_sub(self.word.len()).min(bytes.len());
            self.word.extend_from_slice(&bytes[..room]);
        }
    }

    /// How many brackets are open around the elements of the list that is being read.
    fn elements(&self) -> usize {
        self.lists.last().copied().unwrap_or_default()
    }

    /// Takes a byte outside of strings. `from` is where the object that is being read begins in this piece.
    fn byte(&mut self, piece: &[u8], from: &mut usize, place: usize, each: &mut impl FnMut(Scanned<'_>)) {
        let byte = piece[place];
        let at_line = std::mem::replace(&mut self.at_line, byte == b'\n');
        let between = self.nest.len() == self.elements();
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {
                self.is_reported &= byte != b'\n';
                return;
            }
            b'"' => {
                if between {
                    self.report(self.taken + place as u64, "it is no object", each);
                }
                let is_member = self.nest.len() == self.elements() + 1 && self.before == b':';
                if is_member && matches!(&*self.word, b"NextToken" | b"nextToken" | b"nexttoken") {
                    each(Scanned::GoesOn);
                }
                self.in_string = true;
                self.word.clear();
                return;
            }
            b'{' | b'[' => {
                if let Some(why) = self.misplaced(between) {
                    self.broken(place, why, each);
                    if !(at_line && byte == b'{') {
                        self.skips = true;
                        return;
                    }
                    *from = place;
                }
                self.open(byte, place, each);
            }
            b'}' | b']' => self.close(piece, *from, place, each),
            // The marks at the beginning of a text in UTF-8, commas and colons.
            0xef | 0xbb | 0xbf if between => return,
            b',' | b':' => self.is_reported &= !between,
            _ => {
                if between {
                    self.report(self.taken + place as u64, "it is no JSON object", each);
                }
                self.before = b'0';
                return;
            }
        }
        self.before = byte;
    }

    /// Why nothing can be opened here.
    fn misplaced(&self, between: bool) -> Option<&'static str> {
        let fits = match self.nest.last() {
            _ if between => true,
            Some(true) => matches!(self.before, b'[' | b','),
            Some(false) => self.before == b':',
            None => true,
        };
        (!fits).then_some("another value begins inside of it")
    }

    fn open(&mut self, byte: u8, place: usize, each: &mut impl FnMut(Scanned<'_>)) {
        let (between, depth) = (self.nest.len() == self.elements(), self.nest.len());
        let is_list = byte == b'[';
        self.nest.push(is_list);
        let named = depth == self.elements() + 1 && LISTS.contains(&&*self.word);
        if is_list && (between || named) {
            self.object = None;
            self.held.clear();
            self.lists.push(depth + 1);
            self.is_reported = false;
        } else if between && self.object.is_none() {
            self.object = Some(self.taken + place as u64);
            self.is_reported = false;
        }
        if self.nest.len() > MOST_NESTED || self.lists.len() > MOST_LISTS + 1 {
            self.broken(place, "it is nested too deeply", each);
            self.skips = true;
        }
        self.word.clear();
    }

    fn close(&mut self, piece: &[u8], from: usize, place: usize, each: &mut impl FnMut(Scanned<'_>)) {
        if self.nest.pop() != Some(piece[place] == b']') {
            self.broken(place, "a bracket closes nothing", each);
            self.skips = true;
            return;
        }
        if self.nest.len() < self.elements() {
            self.lists.pop();
            self.word.clear();
            return;
        }
        if self.nest.len() == self.elements()
            && let Some(at) = self.object.take()
        {
            let rest = &piece[from..=place];
            let bytes = if self.held.is_empty() {
                rest
            } else {
                self.held.extend_from_slice(rest);
                &self.held
            };
            if bytes.len() > MOST_BYTES {
                each(Scanned::Broken { at, why: TOO_LONG });
            } else {
                each(Scanned::Object { at, bytes });
            }
            self.held.clear();
        }
    }

    fn check_length(&mut self, each: &mut impl FnMut(Scanned<'_>)) {
        if self.held.len() > MOST_BYTES
            && let Some(at) = self.object
        {
            each(Scanned::Broken { at, why: TOO_LONG });
            self.reset();
            self.skips = true;
        }
    }

    /// Reports what stands between elements, once until the next element or line.
    fn report(&mut self, at: u64, why: &'static str, each: &mut impl FnMut(Scanned<'_>)) {
        if !std::mem::replace(&mut self.is_reported, true) {
            each(Scanned::Broken { at, why });
        }
    }

    /// Reports that what is being read is no JSON, and begins anew.
    fn broken(&mut self, place: usize, why: &'static str, each: &mut impl FnMut(Scanned<'_>)) {
        let at = self.object.unwrap_or(self.taken + place as u64);
        self.report(at, why, each);
        self.reset();
    }

    fn reset(&mut self) {
        *self = Self { taken: self.taken, ..Self::default() };
    }
}

const TOO_LONG: &str = "it is too long for a record";

#[cfg(test)]
mod tests;
