//! Single bytes of bodies, changed in the file itself: alone, with the entry's own hash, with the whole tree.

use std::collections::BTreeMap;
use std::ops::Range;

use keybatch::record::Entry;
use keybatch::record::merkle::leaf_hash;
use keybatch::verify::{Report, Verdict};

use super::sample::{Copy, Sample, run, sample, tree, whole};

/// Where everything of an entry stands in the file.
struct Layout {
    bodies: Vec<Vec<usize>>,
    leaves: Vec<Vec<usize>>,
    root: Vec<usize>,
    frontier: Vec<usize>,
}

/// Every place, because pages that were freed keep what was in them.
fn places(file: &[u8], wanted: &[u8]) -> Vec<usize> {
    let mut found = Vec::new();
    for (at, _) in file.iter().enumerate().filter(|(_, byte)| **byte == wanted[0]) {
        if file[at..].starts_with(wanted) {
            found.push(at);
        }
    }
    assert!(!found.is_empty(), "it is in the file in one piece");
    found
}

impl Layout {
    fn of(sample: &Sample) -> Self {
        let (tree, leaves) = tree(sample.bodies.iter().map(String::as_bytes));
        Self {
            bodies: sample.bodies.iter().map(|body| places(&sample.file, body.as_bytes())).collect(),
            leaves: leaves.iter().map(|leaf| places(&sample.file, leaf)).collect(),
            root: places(&sample.file, &tree.root()),
            frontier: places(&sample.file, &tree.to_bytes()),
        }
    }
}

fn put(file: &mut [u8], places: &[usize], bytes: &[u8]) {
    for at in places {
        file[*at..at + bytes.len()].copy_from_slice(bytes);
    }
}

/// How much is made to match the changed body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    Nothing,
    Leaf,
    Tree,
}

struct Flip<'a> {
    sample: &'a Sample,
    layout: &'a Layout,
    copy: Copy,
}

impl Flip<'_> {
    /// The body of entry `seq` with one bit of byte `at` changed.
    async fn flip(&self, seq: usize, at: usize, depth: Depth, outside: bool) -> (Vec<u8>, Report) {
        let mut body = self.sample.bodies[seq].clone().into_bytes();
        body[at] ^= 1 << ((at + seq) % 8);
        let mut file = self.sample.file.clone();
        put(&mut file, &self.layout.bodies[seq], &body);
        // A leaf of a complete tree of one is in the frontier, too; whatever follows writes it right.
        if depth != Depth::Nothing {
            for at in &self.layout.leaves[seq] {
                if !self.in_head(*at) {
                    put(&mut file, &[*at], &leaf_hash(&body));
                }
            }
        }
        if depth == Depth::Tree {
            let bodies = self.sample.bodies.iter().enumerate();
            let (tree, _) = tree(bodies.map(|(other, text)| if other == seq { &body[..] } else { text.as_bytes() }));
            put(&mut file, &self.layout.root, &tree.root());
            put(&mut file, &self.layout.frontier, &tree.to_bytes());
        }
        self.copy.put(&file);
        let checkpoint = outside.then(|| self.sample.checkpoint.clone());
        (body, self.copy.verified(checkpoint, false).await)
    }

    fn in_head(&self, at: usize) -> bool {
        let length = tree(self.sample.bodies.iter().map(String::as_bytes)).0.to_bytes().len();
        self.layout.frontier.iter().any(|from| (*from..from + length).contains(&at))
    }
}

/// (entry, byte) of each flip in this part of the entries.
fn flips(sample: &Sample, entries: Range<usize>) -> Vec<(usize, usize)> {
    let step = if whole() { 1 } else { 97 };
    entries.flat_map(|seq| (seq % step..sample.bodies[seq].len()).step_by(step).map(move |at| (seq, at))).collect()
}

/// In two threads, because there are many.
fn each_flip(check: impl Fn(&Flip<'_>, usize, usize) -> String + Sync) -> BTreeMap<String, usize> {
    let sample = sample();
    let layout = Layout::of(sample);
    let middle = sample.bodies.len() / 2;
    let counts = std::thread::scope(|scope| {
        let halves = [0..middle, middle..sample.bodies.len()].map(|entries| {
            let (layout, check) = (&layout, &check);
            scope.spawn(move || {
                let flip = Flip { sample, layout, copy: Copy::new() };
                let all = flips(sample, entries).into_iter();
                all.map(|(seq, at)| check(&flip, seq, at)).fold(BTreeMap::<String, usize>::new(), |mut all, one| {
                    *all.entry(one).or_default() += 1;
                    all
                })
            })
        });
        halves.map(|half| half.join().unwrap())
    });
    counts.into_iter().flatten().fold(BTreeMap::new(), |mut all, (word, count)| {
        *all.entry(word).or_default() += count;
        all
    })
}

#[test]
fn a_body_that_was_changed_alone_is_named() {
    let counts = each_flip(|flip, seq, at| {
        let (_, report) = run(flip.flip(seq, at, Depth::Nothing, false));
        assert_eq!(report.verdict, Verdict::Altered, "entry {seq}, byte {at}: {report:?}");
        assert_eq!(report.first_bad, Some(seq as u64), "entry {seq}, byte {at}: {report:?}");
        assert!(report.expected.is_some() && report.expected != report.found, "{report:?}");
        report.verdict.as_str().to_owned()
    });
    eprintln!("bytes changed alone: {counts:?}");
}

#[test]
fn a_body_that_was_changed_with_its_hash_does_not_fit_the_head() {
    let counts = each_flip(|flip, seq, at| {
        let (_, report) = run(flip.flip(seq, at, Depth::Leaf, false));
        assert_eq!(report.verdict, Verdict::Altered, "entry {seq}, byte {at}: {report:?}");
        // Where the body alone shows nothing, a later root does: it names the entry that carries the root.
        assert!(report.first_bad.is_none_or(|bad| bad >= seq as u64), "entry {seq}, byte {at}: {report:?}");
        let unreadable = report.findings.iter().find(|finding| finding.verdict == Verdict::IllegalHistory);
        if let Some(unreadable) = unreadable {
            assert!(report.first_bad.is_some() && report.first_bad <= unreadable.seq, "{report:?}");
        }
        if report.first_bad == Some(seq as u64) { "named" } else { "found later" }.to_owned()
    });
    eprintln!("bytes changed with their leaf: {counts:?}");
}

#[test]
fn a_body_that_was_changed_with_the_whole_tree_is_another_past() {
    let counts = each_flip(|flip, seq, at| {
        let (body, alone) = run(flip.flip(seq, at, Depth::Tree, false));
        let text = String::from_utf8(body);
        if alone.verdict.is_sound() {
            // Then every reader must be able to read it, and it is canonical.
            let text = text.as_ref().expect("a sound body is text");
            Entry::parse(text).unwrap_or_else(|error| panic!("entry {seq}, byte {at}: {error}: {text}"));
            let value: serde_json::Value = serde_json::from_str(text).unwrap();
            assert_eq!(&serde_json_canonicalizer::to_string(&value).unwrap(), text);
        } else {
            let bad = alone.first_bad.unwrap_or_else(|| panic!("entry {seq}, byte {at}: {alone:?}"));
            assert!(bad >= seq as u64, "entry {seq}, byte {at}: {alone:?}");
        }
        let (_, report) = run(flip.flip(seq, at, Depth::Tree, true));
        // A journal of another name is another journal; that its name was changed, nobody can tell.
        let renamed = seq == 0 && report.journal_id.as_ref().is_some_and(|id| *id != flip.sample.checkpoint.journal_id);
        let expected: &[Verdict] =
            if renamed { &[Verdict::CannotVerify, Verdict::Altered] } else { &[Verdict::Forked, Verdict::Altered] };
        assert!(expected.contains(&report.verdict), "entry {seq}, byte {at}: {report:?}");
        assert_eq!(report.proved_up_to, None);
        alone.verdict.as_str().to_owned()
    });
    eprintln!("bytes changed with the whole tree, without a checkpoint: {counts:?}");
}
