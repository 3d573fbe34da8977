//! Reads files of CloudTrail's records, one piece after the other, and hands on what is in them.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest as _, Sha256};

use crate::record::event::AttachedFile;
use crate::review::reconcile::Join;
use crate::review::trail::{Glancer, RecordError, Scanned, Scanner, TrailEvent};

/// How much is read at once.
const PIECE: usize = 256 * 1024;

/// How many times its length a compressed file may become; a log file becomes ten to twenty times as long.
const MOST_TIMES: u64 = 200;

/// A short one may become so long all the same.
const ALWAYS: u64 = 16 << 20;

/// How many places that cannot be read are kept.
pub(super) const MOST_FAULTS: usize = 1_000;

/// A place that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) file: String,
    /// Its place, in bytes of the text; none where it is the file itself.
    pub(super) at: Option<u64>,
    pub(super) why: String,
}

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// The first files.
    pub(super) files: Vec<AttachedFile>,
    /// Hash and length of every file.
    pub(super) hashes: Vec<([u8; 32], u64)>,
    pub(super) faults: Vec<Fault>,
    pub(super) fault_count: u64,
    /// Objects that are no records: digests, or something else.
    pub(super) others: u64,
    /// The first file that says that its look-up goes on.
    pub(super) goes_on: Option<String>,
}

/// How many files are named; of the others, only hash and length are kept.
const MOST_FILES: usize = 1_000;

impl Reading {
    fn add(&mut self, name: String, hash: [u8; 32], bytes: u64) {
        self.hashes.push((hash, bytes));
        if self.files.len() < MOST_FILES {
            self.files.push(AttachedFile { name, sha256: hexadecimal(&hash), bytes });
        }
    }

    /// SHA-256 over a line for each file: see [`Reconciled`](crate::record::event::Reconciled).
    pub(super) fn all_sha256(&self) -> String {
        let mut hashes = self.hashes.clone();
        hashes.sort_unstable();
        let mut digest = Sha256::new();
        for (hash, bytes) in hashes {
            digest.update(format!("{} {bytes}\n", hexadecimal(&hash)));
        }
        hexadecimal(&digest.finalize())
    }

    pub(super) fn fault(&mut self, file: &str, at: Option<u64>, why: String) {
        self.fault_count += 1;
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(Fault { file: file.to_owned(), at, why });
        }
    }
}

/// Reads one file to its end; `-` is standard input.
pub(super) fn read(path: &Path, join: &mut Join, glancer: &Glancer, all: &mut Reading) {
    let name = path.to_string_lossy().into_owned();
    let opened: io::Result<Box<dyn Read>> = if path.as_os_str() == "-" {
        Ok(Box::new(io::stdin().lock()))
    } else {
        File::open(path).map(|file| Box::new(file) as Box<dyn Read>)
    };
    let source = match opened {
        Ok(source) => source,
        Err(error) => return all.fault(&name, None, error.to_string()),
    };
    let mut raw = BufReader::with_capacity(PIECE, Hashing { source, digest: Sha256::new(), bytes: 0 });
    let mut scanner = Scanner::default();
    let mut take = |scanned: Scanned<'_>| one(&scanned, &name, join, glancer, all);
    let is_compressed = raw.fill_buf().is_ok_and(|bytes| bytes.starts_with(&[0x1f, 0x8b]));
    let ended = if is_compressed {
        decompress(&mut raw, &mut scanner, &mut take)
    } else {
        whole(&mut raw, &mut scanner, &mut take)
    };
    match ended {
        Ok(()) => scanner.end(&mut take),
        Err(error) => all.fault(&name, None, error.to_string()),
    }
    // Whatever follows belongs to the file, too.
    let rest = io::copy(&mut raw, &mut io::sink());
    if let Err(error) = rest {
        all.fault(&name, None, error.to_string());
    }
    let Hashing { digest, bytes, .. } = raw.into_inner();
    all.add(name, digest.finalize().into(), bytes);
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn whole<F: FnMut(Scanned<'_>)>(source: &mut impl io::BufRead, scanner: &mut Scanner, take: &mut F) -> io::Result<()> {
    loop {
        let piece = source.fill_buf()?;
        if piece.is_empty() {
            return Ok(());
        }
        let length = piece.len();
        scanner.feed(piece, take);
        source.consume(length);
    }
}

fn decompress<F: FnMut(Scanned<'_>)>(
    raw: &mut BufReader<Hashing<Box<dyn Read>>>,
    scanner: &mut Scanner,
    take: &mut F,
) -> io::Result<()> {
    let mut source = MultiGzDecoder::new(raw);
    let (mut piece, mut length) = (vec![0; PIECE], 0_u64);
    loop {
        match source.read(&mut piece)? {
            0 => return Ok(()),
            read => {
                length += read as u64;
                let compressed = source.get_ref().get_ref().bytes;
                if length > ALWAYS && length / MOST_TIMES > compressed {
                    return Err(io::Error::other("it becomes far longer than any log file when it is decompressed"));
                }
                scanner.feed(&piece[..read], take);
            }
        }
    }
}

/// Takes what was found in a file.
fn one(scanned: &Scanned<'_>, name: &str, join: &mut Join, glancer: &Glancer, all: &mut Reading) {
    let (at, bytes) = match *scanned {
        Scanned::Object { at, bytes } => (at, bytes),
        Scanned::Broken { at, why } => return all.fault(name, Some(at), why.to_owned()),
        Scanned::GoesOn => {
            all.goes_on.get_or_insert_with(|| name.to_owned());
            return;
        }
    };
    let glance = glancer.glance(bytes);
    if !glance.is_record {
        match serde_json::from_slice::<LookedUp>(bytes) {
            Ok(LookedUp { name: None, id: None }) if !glance.may_be_delete => all.others += 1,
            Ok(_) => all.fault(name, Some(at), "it is an event without its record (CloudTrailEvent)".to_owned()),
            Err(error) => all.fault(name, Some(at), RecordError::Json(error.to_string()).to_string()),
        }
        return;
    }
    if glance.may_be_delete {
        match TrailEvent::read(bytes) {
            Ok(Some(event)) => join.take(&event),
            Ok(None) => {}
            Err(error) => return all.fault(name, Some(at), error.to_string()),
        }
    }
    join.see(&glance);
}

/// What `lookup-events` prints around a record.
#[derive(serde::Deserialize)]
struct LookedUp {
    #[serde(rename = "EventName")]
    name: Option<serde::de::IgnoredAny>,
    #[serde(rename = "EventId")]
    id: Option<serde::de::IgnoredAny>,
}

/// Hashes and counts what is read.
struct Hashing<R> {
    source: R,
    digest: Sha256,
    bytes: u64,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(piece)?;
        self.digest.update(&piece[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}
