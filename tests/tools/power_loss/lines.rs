//! The text of a trace: lines of interleaved threads, put together into system calls with their arguments.

use std::collections::HashMap;

/// A system call as it was traced: one that blocked has its end elsewhere than its beginning.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) args: Vec<Arg>,
    /// What it returned; negative where it failed.
    pub(crate) result: i64,
    /// What the result is the descriptor of, where it is one.
    pub(crate) opened: Option<String>,
    /// The place of its beginning and of its end among all beginnings and ends.
    pub(crate) begin: usize,
    pub(crate) end: usize,
}

/// One argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Arg {
    /// A descriptor and what it stands for.
    Fd(i64, String),
    Bytes(Vec<u8>),
    Number(i64),
    /// The parts of an array or a structure.
    List(Vec<Arg>),
    /// Anything else: flags, NULL.
    Word(String),
}

impl Arg {
    pub(crate) fn number(&self) -> i64 {
        if let Self::Number(number) = self { *number } else { panic!("no number: {self:?}") }
    }

    pub(crate) fn text(&self) -> String {
        match self {
            Self::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Self::Word(word) => word.clone(),
            other => panic!("no text: {other:?}"),
        }
    }

    /// What a descriptor stands for.
    pub(crate) fn target(&self) -> &str {
        if let Self::Fd(_, target) = self { target } else { "" }
    }

    /// All bytes in it, in order: of a buffer, or of the buffers of an I/O vector.
    pub(crate) fn all_bytes(&self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::List(parts) => parts.iter().flat_map(Self::all_bytes).collect(),
            _ => Vec::new(),
        }
    }
}

/// What a trace of one process holds.
#[derive(Debug)]
pub(crate) struct Lines {
    pub(crate) calls: Vec<Call>,
    /// Whether the process was killed by SIGKILL.
    pub(crate) killed: bool,
    /// What was begun and never returned: whether it had its effect cannot be told.
    pub(crate) open: Vec<String>,
}

/// Reads a whole trace.
pub(crate) fn read(text: &str) -> Lines {
    let mut open: HashMap<&str, (usize, &str)> = HashMap::new();
    let (mut calls, mut cut_off) = (Vec::new(), Vec::new());
    let mut killed = false;
    // A call that the kill cut off is either left without an end, or ends with a question mark.
    let mut take = |text: &str, begin, end| match text.strip_suffix("= ?") {
        Some(begun) => cut_off.push(begun.to_owned()),
        None => calls.extend(call(text, begin, end)),
    };
    for (place, line) in text.lines().enumerate() {
        let (thread, rest) = line.split_once(' ').expect("a line begins with a thread's id");
        let rest = rest.trim_start();
        if rest.starts_with("+++") || rest.starts_with("---") {
            killed |= rest.contains("killed by SIGKILL");
            continue;
        }
        if let Some(begun) = rest.strip_suffix(" <unfinished ...>") {
            open.insert(thread, (place, begun));
        } else if let Some(resumed) = rest.strip_prefix("<... ") {
            let (_, end) = resumed.split_once(" resumed>").expect("a call that is resumed");
            let Some((begin, begun)) = open.remove(thread) else { panic!("resumed, but never begun: {line:.200}") };
            take(&format!("{begun}{end}"), begin, place);
        } else {
            take(rest, place, place);
        }
    }
    calls.sort_by_key(|call| call.end);
    cut_off.extend(open.into_values().map(|(_, begun)| begun.to_owned()));
    Lines { calls, killed, open: cut_off }
}

/// A whole call: `name(arguments) = result`.
fn call(text: &str, begin: usize, end: usize) -> Option<Call> {
    let (name, rest) = text.split_once('(')?;
    let mut parser = Parser { text: rest.as_bytes(), at: 0 };
    let args = parser.list(b')');
    let tail = String::from_utf8_lossy(&parser.text[parser.at..]).into_owned();
    let result = tail.trim_start().strip_prefix('=')?.trim_start();
    let digits: String = result.chars().take_while(|sign| sign.is_ascii_digit() || *sign == '-').collect();
    let opened = result[digits.len()..].starts_with('<').then(|| {
        let mut parser = Parser { text: result.as_bytes(), at: digits.len() + 1 };
        parser.until(b'>')
    });
    Some(Call { name: name.to_owned(), args, result: digits.parse().unwrap_or(-1), opened, begin, end })
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    /// The arguments up to the closing sign, which is consumed.
    fn list(&mut self, close: u8) -> Vec<Arg> {
        let mut args = Vec::new();
        loop {
            match self.peek() {
                b' ' | b',' => self.at += 1,
                0 => return args,
                sign if sign == close => {
                    self.at += 1;
                    return args;
                }
                _ => args.push(self.arg()),
            }
        }
    }

    fn arg(&mut self) -> Arg {
        match self.peek() {
            b'"' => {
                self.at += 1;
                let bytes = self.quoted(b'"');
                assert!(!self.text[self.at..].starts_with(b"..."), "the trace cut a buffer short");
                Arg::Bytes(bytes)
            }
            b'[' => {
                self.at += 1;
                Arg::List(self.list(b']'))
            }
            b'{' => {
                self.at += 1;
                Arg::List(self.list(b'}'))
            }
            _ => self.word(),
        }
    }

    /// A number, a descriptor, or flags; the name of a structure's field is left out.
    fn word(&mut self) -> Arg {
        let begin = self.at;
        while !matches!(self.peek(), 0 | b',' | b')' | b']' | b'}' | b'<' | b'=' | b'"' | b'(') {
            self.at += 1;
        }
        let word = String::from_utf8_lossy(&self.text[begin..self.at]).trim().to_owned();
        match self.peek() {
            b'=' => {
                self.at += 1;
                self.arg()
            }
            b'<' => {
                self.at += 1;
                let target = self.until(b'>');
                Arg::Fd(word.parse().unwrap_or(-100), target)
            }
            b'(' => {
                self.at += 1;
                Arg::List(self.list(b')'))
            }
            b'"' => self.arg(),
            _ => word.parse().map_or(Arg::Word(word), Arg::Number),
        }
    }

    fn until(&mut self, close: u8) -> String {
        String::from_utf8_lossy(&self.quoted(close)).into_owned()
    }

    /// Bytes up to the closing sign, with `\xNN` and the usual escapes read.
    fn quoted(&mut self, close: u8) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            let sign = self.peek();
            self.at += 1;
            match sign {
                0 => return bytes,
                _ if sign == close => return bytes,
                b'\\' if self.peek() == b'x' => {
                    let digit = |sign: u8| char::from(sign).to_digit(16).expect("a hexadecimal digit");
                    let value = digit(self.text[self.at + 1]) * 16 + digit(self.text[self.at + 2]);
                    bytes.push(u8::try_from(value).expect("two digits are a byte"));
                    self.at += 3;
                }
                b'\\' => {
                    bytes.push(match self.peek() {
                        b'n' => b'\n',
                        b't' => b'\t',
                        other => other,
                    });
                    self.at += 1;
                }
                _ => bytes.push(sign),
            }
        }
    }
}

fn lines_of_threads_are_put_together() {
    let text = "11 pwrite64(3<\\x2f\\x61>, \"\\x41\\x42\", 2, 7 <unfinished ...>\n12 fsync(4</b>) = 0\n\
                11 <... pwrite64 resumed>) = 2\n12 writev(5<socket:[9]>, [{iov_base=\"\\x43\", iov_len=1}], 1) = 1\n\
                11 openat(AT_FDCWD</tmp>, \"\\x2f\\x78\", O_RDWR|O_CREAT, 0600) = 8</x>\n13 sendto(5<socket:[9]>, \"\\x44\", 1, 0, NULL, 0 <unfinished ...>) = ?\n11 +++ killed by SIGKILL +++\n";
    let lines = read(text);
    assert!(lines.killed);
    assert!(lines.open.len() == 1 && lines.open[0].starts_with("sendto("), "{:?}", lines.open);
    let names: Vec<&str> = lines.calls.iter().map(|call| call.name.as_str()).collect();
    assert_eq!(names, ["fsync", "pwrite64", "writev", "openat"]);
    let write = &lines.calls[1];
    assert_eq!((write.begin, write.end, write.result), (0, 2, 2));
    assert_eq!(write.args, [Arg::Fd(3, "/a".into()), Arg::Bytes(b"AB".into()), Arg::Number(2), Arg::Number(7)]);
    assert_eq!(lines.calls[2].args[1].all_bytes(), b"C");
    assert_eq!(lines.calls[3].opened.as_deref(), Some("/x"));
    assert_eq!(lines.calls[3].args[1].text(), "/x");
}

crate::harness::tests![lines_of_threads_are_put_together];
