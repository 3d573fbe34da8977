//! A disk that loses power: what was synchronised is there, and any part of everything else may be.

use std::collections::BTreeMap;

use super::ops::{Op, What};

/// The smallest piece that is written whole.
const SECTOR: usize = 512;

/// What of that which was not synchronised survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Way {
    Nothing,
    Everything,
    /// Some writes, each whole, and some changes of directories.
    Some,
    /// Some sectors of some writes; a file may have grown without what was to fill it.
    Torn,
}

pub(crate) const WAYS: [Way; 4] = [Way::Nothing, Way::Everything, Way::Some, Way::Torn];

/// The files that are there when the power comes back, by their path.
pub(crate) type Image = BTreeMap<String, Vec<u8>>;

/// Kinds of synchronisation that a disk may fail to do, to see that the test notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    None,
    /// The write-ahead log is never synchronised.
    Log,
    /// The directory of the journal is never synchronised.
    Directory,
    /// Directories above that of the journal are never synchronised.
    Ancestors,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    File(usize),
    Dir(usize),
}

/// What a directory holds, by name.
type Entries = BTreeMap<String, Node>;

/// A name and what it stands for from now on.
type Relink = (String, Option<Node>);

#[derive(Debug, Clone)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Resize(usize),
}

/// Something with a state on the disk, and changes to it that are only in memory, each with its place in the trace.
#[derive(Debug, Default)]
struct Kept<S, C> {
    durable: S,
    pending: Vec<(usize, C)>,
}

impl<S, C> Kept<S, C> {
    fn sync(&mut self, begun: usize, mut apply: impl FnMut(&mut S, &C)) {
        // What ended only after the synchronisation began is not covered by it; what it lies upon is.
        let (covered, later) = std::mem::take(&mut self.pending).into_iter().partition(|(place, _)| *place < begun);
        self.pending = later;
        let covered: Vec<(usize, C)> = covered;
        covered.iter().for_each(|(_, change)| apply(&mut self.durable, change));
    }
}

/// The disk after some operations.
#[derive(Debug)]
pub(crate) struct Disk {
    lie: Lie,
    /// The directory that the journal is in.
    home: String,
    names: Vec<String>,
    files: Vec<Kept<Vec<u8>, Change>>,
    dirs: Vec<Kept<Entries, Relink>>,
    /// Where each directory is, the traced one first.
    paths: Vec<String>,
}

impl Disk {
    /// A disk on which there are the directories `there`, and that the files `names` will be made on.
    pub(crate) fn new(names: &[String], home: &str, there: &[&str], lie: Lie) -> Self {
        let files = names.iter().map(|_| Kept { durable: Vec::new(), pending: Vec::new() }).collect();
        let mut disk =
            Self { lie, home: home.to_owned(), names: names.to_vec(), files, dirs: Vec::new(), paths: Vec::new() };
        disk.make_dir("");
        for name in there {
            let node = disk.make_dir(name);
            disk.dirs[0].durable.insert((*name).to_owned(), node);
        }
        disk
    }

    fn make_dir(&mut self, path: &str) -> Node {
        self.dirs.push(Kept { durable: BTreeMap::new(), pending: Vec::new() });
        self.paths.push(path.to_owned());
        Node::Dir(self.dirs.len() - 1)
    }

    pub(crate) fn apply(&mut self, op: &Op) {
        let place = op.place;
        match &op.what {
            What::MakeDir(path) => {
                let node = self.make_dir(path);
                self.entry(place, path, Some(node));
            }
            What::Create { path, file } => self.entry(place, path, Some(Node::File(*file))),
            What::Unlink(path) => self.entry(place, path, None),
            What::Write { file, offset, bytes } => {
                let change = Change::Write { offset: *offset, bytes: bytes.clone() };
                self.files[*file].pending.push((place, change));
            }
            What::Resize { file, size } => self.files[*file].pending.push((place, Change::Resize(*size))),
            What::SyncFile { file, begun } => {
                if self.lie != Lie::Log || !self.names[*file].ends_with("-wal") {
                    self.files[*file].sync(*begun, whole);
                }
            }
            What::SyncDir { path, begun } => {
                let forgotten = match self.lie {
                    Lie::Directory => *path == self.home,
                    Lie::Ancestors => self.home.starts_with(path.as_str()) && *path != self.home,
                    Lie::None | Lie::Log => false,
                };
                if !forgotten && let Some(dir) = self.paths.iter().position(|known| known == path) {
                    self.dirs[dir].sync(*begun, relink);
                }
            }
            What::Sent(_) | What::Answered(_) | What::Said(_) => {}
        }
    }

    fn entry(&mut self, place: usize, path: &str, node: Option<Node>) {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let dir = self.paths.iter().rposition(|known| known == parent).expect("a directory that was made");
        self.dirs[dir].pending.push((place, (name.to_owned(), node)));
    }

    /// Whether anything waits to be synchronised.
    pub(crate) fn is_settled(&self) -> bool {
        self.files.iter().all(|file| file.pending.is_empty()) && self.dirs.iter().all(|dir| dir.pending.is_empty())
    }

    /// What is there when the power comes back.
    pub(crate) fn image(&self, way: Way, random: &mut fastrand::Rng) -> Image {
        let mut image = Image::new();
        // Sometimes nearly all survives, sometimes nearly nothing.
        let share = *random.choice(&[0.05, 0.3, 0.5, 0.7, 0.95]).unwrap_or(&0.5);
        self.gather(0, "", way, share, random, &mut image);
        image
    }

    fn gather(&self, dir: usize, at: &str, way: Way, share: f64, random: &mut fastrand::Rng, image: &mut Image) {
        let mut entries = self.dirs[dir].durable.clone();
        for (_, change) in &self.dirs[dir].pending {
            if survives(way, share, random) {
                relink(&mut entries, change);
            }
        }
        for (name, node) in entries {
            let path = if at.is_empty() { name } else { format!("{at}/{name}") };
            match node {
                Node::Dir(inner) => self.gather(inner, &path, way, share, random, image),
                Node::File(file) => {
                    let bytes = self.content(file, way, share, random);
                    image.insert(path, bytes);
                }
            }
        }
    }

    fn content(&self, file: usize, way: Way, share: f64, random: &mut fastrand::Rng) -> Vec<u8> {
        let kept = &self.files[file];
        let mut bytes = kept.durable.clone();
        for (_, change) in &kept.pending {
            match change {
                Change::Write { offset, bytes: new } if way == Way::Torn => {
                    torn(&mut bytes, *offset, new, share, random);
                }
                _ if survives(way, share, random) => whole(&mut bytes, change),
                Change::Write { offset, bytes: new } if way == Way::Some && random.u8(..8) == 0 => {
                    grow(&mut bytes, offset + new.len());
                }
                _ => {}
            }
        }
        bytes
    }
}

fn survives(way: Way, share: f64, random: &mut fastrand::Rng) -> bool {
    match way {
        Way::Nothing => false,
        Way::Everything => true,
        Way::Some | Way::Torn => random.f64() < share,
    }
}

fn relink(entries: &mut Entries, (name, node): &Relink) {
    match node {
        Some(node) => drop(entries.insert(name.clone(), *node)),
        None => drop(entries.remove(name)),
    }
}

fn whole(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { offset, bytes: new } => put(bytes, *offset, new),
        Change::Resize(size) => bytes.resize(*size, 0),
    }
}

fn put(bytes: &mut Vec<u8>, offset: usize, new: &[u8]) {
    grow(bytes, offset + new.len());
    bytes[offset..offset + new.len()].copy_from_slice(new);
}

fn grow(bytes: &mut Vec<u8>, size: usize) {
    if bytes.len() < size {
        bytes.resize(size, 0);
    }
}

/// Some sectors of a write: each is as before or as it was to be.
fn torn(bytes: &mut Vec<u8>, offset: usize, new: &[u8], share: f64, random: &mut fastrand::Rng) {
    if random.bool() {
        grow(bytes, offset + new.len());
    }
    let mut begin = offset;
    while begin < offset + new.len() {
        let end = ((begin / SECTOR + 1) * SECTOR).min(offset + new.len());
        if random.f64() < share {
            put(bytes, begin, &new[begin - offset..end - offset]);
        }
        begin = end;
    }
}

fn what_is_synchronised_stays() {
    let op = |place, what| Op { place, what };
    let write = |place, offset, bytes: &[u8]| op(place, What::Write { file: 0, offset, bytes: bytes.to_vec() });
    let ops = [
        op(0, What::MakeDir("a".into())),
        op(1, What::Create { path: "a/x".into(), file: 0 }),
        write(2, 0, b"old"),
        op(4, What::SyncFile { file: 0, begun: 3 }),
        op(6, What::SyncDir { path: "a".into(), begun: 5 }),
        op(8, What::SyncDir { path: String::new(), begun: 7 }),
        write(10, 0, b"new"),
        // It began before the write ended.
        op(11, What::SyncFile { file: 0, begun: 9 }),
    ];
    let mut random = fastrand::Rng::with_seed(1);
    let image = |upto: usize, lie, way, random: &mut fastrand::Rng| {
        let mut disk = Disk::new(&["a/x".to_owned()], "a", &[], lie);
        ops[..upto].iter().for_each(|op| disk.apply(op));
        disk.image(way, random).get("a/x").cloned()
    };
    assert_eq!(image(5, Lie::None, Way::Nothing, &mut random), None, "its directory is not there yet");
    assert_eq!(image(8, Lie::None, Way::Nothing, &mut random).as_deref(), Some(b"old".as_slice()));
    assert_eq!(image(8, Lie::None, Way::Everything, &mut random).as_deref(), Some(b"new".as_slice()));
    assert_eq!(image(8, Lie::Directory, Way::Nothing, &mut random), None);
    assert_eq!(image(8, Lie::Ancestors, Way::Nothing, &mut random), None);
    let seen: std::collections::BTreeSet<_> =
        (0..64).filter_map(|_| image(8, Lie::None, Way::Some, &mut random)).collect();
    assert_eq!(seen.len(), 2, "either survives");
}

crate::harness::tests![what_is_synchronised_stays];
