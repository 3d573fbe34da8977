//! What a traced process did to the files of one directory, and what it sent, received and said, in order.

use std::collections::HashMap;
use std::path::Path;

use super::lines::{Arg, Call};

/// An operation and its place in the trace: a change has its place where its call ended, everything that tells others
/// something has it where its call began.
#[derive(Debug, Clone)]
pub(crate) struct Op {
    pub(crate) place: usize,
    pub(crate) what: What,
}

/// Paths are relative to the traced directory, which itself is `""`. Files are numbered as they were made.
#[derive(Debug, Clone)]
pub(crate) enum What {
    MakeDir(String),
    Create {
        path: String,
        file: usize,
    },
    Unlink(String),
    Write {
        file: usize,
        offset: usize,
        bytes: Vec<u8>,
    },
    Resize {
        file: usize,
        size: usize,
    },
    /// Everything that ended before `begun` is on the disk.
    SyncFile {
        file: usize,
        begun: usize,
    },
    SyncDir {
        path: String,
        begun: usize,
    },
    /// A DeleteKeyPair of that name began to leave.
    Sent(String),
    /// The answer to it, or the end of its connection, arrived.
    Answered(String),
    /// Text on standard output or standard error.
    Said(String),
}

/// The names of all files that were ever made, by their number.
pub(crate) type Files = Vec<String>;

/// Turns the calls of several processes, one after the other, into operations.
#[derive(Debug)]
pub(crate) struct Reader {
    root: String,
    names: HashMap<String, usize>,
    sizes: Vec<usize>,
    pub(crate) files: Files,
    pub(crate) ops: Vec<Op>,
    /// What is on its way on each connection, and the name that was asked for last.
    sockets: HashMap<String, (Vec<u8>, usize, Option<String>)>,
}

impl Reader {
    pub(crate) fn new(root: &Path) -> Self {
        let root = root.canonicalize().expect("the traced directory is there").display().to_string();
        let (names, sockets) = (HashMap::new(), HashMap::new());
        Self { root, names, sizes: Vec::new(), files: Vec::new(), ops: Vec::new(), sockets }
    }

    /// Adds the calls of the next process.
    pub(crate) fn read(&mut self, calls: Vec<Call>) {
        let base = self.ops.iter().map(|op| op.place + 1).max().unwrap_or(0);
        for mut call in calls {
            (call.begin, call.end) = (call.begin + base, call.end + base);
            self.call(&call);
        }
        self.sockets.clear();
        self.ops.sort_by_key(|op| op.place);
    }

    /// Whether a call changes one of the files, or may have sent something: for those whose end is missing.
    pub(crate) fn concerns(&self, text: &str) -> bool {
        let hex: String = self.root.bytes().map(|byte| format!("\\x{byte:02x}")).collect();
        let sends = ["sendto(", "sendmsg(", "write(", "writev("].iter().any(|call| text.starts_with(call));
        sends || text.contains(&hex) || text.contains(&self.root)
    }

    /// The path below the directory; none for what lies elsewhere and for what no power loss leaves anything of use of:
    /// the shared memory of the write-ahead log, and a plan's scratch file.
    fn inside(&self, path: &str) -> Option<String> {
        let path = path.strip_suffix(" (deleted)").unwrap_or(path);
        let rest = path.strip_prefix(&self.root)?;
        let below = rest.strip_prefix('/').or(rest.is_empty().then_some(""))?;
        (!below.ends_with("-shm") && !below.ends_with(".stage") && !below.contains(".stage-")).then(|| below.to_owned())
    }

    fn push(&mut self, place: usize, what: What) {
        self.ops.push(Op { place, what });
    }

    fn file_of(&self, arg: &Arg) -> Option<usize> {
        let path = self.inside(arg.target())?;
        self.names.get(&path).copied()
    }

    fn call(&mut self, call: &Call) {
        let failed = call.result < 0;
        match call.name.as_str() {
            "sendto" | "sendmsg" | "write" | "writev" if call.args[0].target().contains("socket:") => self.sent(call),
            "recvfrom" | "recvmsg" | "read" if call.args[0].target().contains("socket:") => self.received(call),
            "write" | "writev" if matches!(call.args[0], Arg::Fd(1 | 2, _)) => {
                let text = String::from_utf8_lossy(&call.args[1].all_bytes()).into_owned();
                self.push(call.begin, What::Said(text));
            }
            _ if failed => {}
            "openat" | "open" | "creat" => self.opened(call),
            "mkdir" | "mkdirat" => {
                let path = call.args.iter().find(|arg| matches!(arg, Arg::Bytes(_))).expect("a path").text();
                if let Some(path) = self.inside(&path) {
                    self.push(call.end, What::MakeDir(path));
                }
            }
            "unlink" | "unlinkat" => {
                let path = call.args.iter().find(|arg| matches!(arg, Arg::Bytes(_))).expect("a path").text();
                if let Some(path) = self.inside(&path) {
                    self.push(call.end, What::Unlink(path.clone()));
                    self.names.remove(&path);
                }
            }
            "fsync" | "fdatasync" => self.synced(call),
            "close" | "recvfrom" | "read" | "connect" | "sendto" | "sendmsg" | "recvmsg" => {}
            "mmap" => {
                let shared = call.args[3].text().contains("MAP_SHARED") && call.args[2].text().contains("PROT_WRITE");
                assert!(!shared || self.file_of(&call.args[4]).is_none(), "a file is written through memory: {call:?}");
            }
            _ => self.changed(call),
        }
    }

    fn opened(&mut self, call: &Call) {
        let Some(path) = call.opened.as_deref().and_then(|path| self.inside(path)) else { return };
        let flags = call.args.iter().find_map(|arg| match arg {
            Arg::Word(word) if word.starts_with("O_") => Some(word.clone()),
            _ => None,
        });
        let flags = flags.unwrap_or_default();
        if path.is_empty() || flags.contains("O_DIRECTORY") {
            return;
        }
        if flags.contains("O_CREAT") && !self.names.contains_key(&path) {
            let file = self.files.len();
            self.files.push(path.clone());
            self.sizes.push(0);
            self.names.insert(path.clone(), file);
            self.push(call.end, What::Create { path, file });
        } else if flags.contains("O_TRUNC") {
            let file = self.names[&path];
            self.sizes[file] = 0;
            self.push(call.end, What::Resize { file, size: 0 });
        }
    }

    fn synced(&mut self, call: &Call) {
        let Some(path) = self.inside(call.args[0].target()) else { return };
        let begun = call.begin;
        let what = match self.names.get(&path) {
            Some(file) => What::SyncFile { file: *file, begun },
            None => What::SyncDir { path, begun },
        };
        self.push(call.end, what);
    }

    fn changed(&mut self, call: &Call) {
        let Some(file) = call.args.first().and_then(|arg| self.file_of(arg)) else {
            let paths =
                call.args.iter().filter_map(|arg| if let Arg::Bytes(_) = arg { Some(arg.text()) } else { None });
            let touches = paths.filter_map(|path| self.inside(&path)).next();
            assert!(touches.is_none(), "a change of {touches:?} that the model does not know: {}", call.name);
            return;
        };
        let what = match call.name.as_str() {
            "ftruncate" => {
                let size = usize::try_from(call.args[1].number()).expect("a size");
                self.sizes[file] = size;
                What::Resize { file, size }
            }
            "write" | "writev" | "pwrite64" => {
                let mut bytes = call.args[1].all_bytes();
                bytes.truncate(usize::try_from(call.result).expect("a length"));
                // What is written without a place is appended: nothing else is opened for that here.
                let at = |arg: &Arg| usize::try_from(arg.number()).expect("a place");
                let offset = if call.name == "pwrite64" { at(&call.args[3]) } else { self.sizes[file] };
                self.sizes[file] = self.sizes[file].max(offset + bytes.len());
                What::Write { file, offset, bytes }
            }
            other => panic!("a change of {} that the model does not know: {other}", self.files[file]),
        };
        self.push(call.end, what);
    }

    /// A request is on its way from its first byte on.
    fn sent(&mut self, call: &Call) {
        let Ok(length) = usize::try_from(call.result) else { return };
        let entry = self.sockets.entry(call.args[0].target().to_owned()).or_default();
        if entry.0.is_empty() {
            entry.1 = call.begin;
        }
        entry.0.extend(call.args[1].all_bytes().into_iter().take(length));
        let text = String::from_utf8_lossy(&entry.0).into_owned();
        if !text.contains(".DeleteKeyPair\r\n") {
            return;
        }
        let Some((_, rest)) = text.split_once("\"keyPairName\":\"") else { return };
        let Some((name, _)) = rest.split_once('"') else { return };
        let (name, begun) = (name.to_owned(), entry.1);
        entry.0.clear();
        entry.2 = Some(name.clone());
        self.push(begun, What::Sent(name));
    }

    /// Whatever comes ends the request: the stand-in answers in one piece.
    fn received(&mut self, call: &Call) {
        let Some(entry) = self.sockets.get_mut(call.args[0].target()) else { return };
        if call.result < 0 {
            return;
        }
        entry.0.clear();
        if let Some(name) = entry.2.take() {
            self.push(call.end, What::Answered(name));
        }
    }
}
