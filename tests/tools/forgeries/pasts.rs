//! Forgeries of a journal: changes that whoever has the file can make, and other pasts that take knowledge of the format.

use std::collections::HashMap;

use keybatch::record::checkpoint::base64;
use keybatch::record::merkle::{Frontier, leaf_hash};
use keybatch::record::plan::Sealing;
use keybatch::record::{Entry, Event};

use super::forged::Forgery;
use super::journals::{Copy, Sample, head, hex, renumbered, run, sample, tree};
use crate::campaign;

/// A copy of the sample after these statements.
fn tampered(copy: &Copy, statements: &str) -> Vec<u8> {
    copy.put(&sample().file);
    run(copy.tamper(statements));
    std::fs::read(copy.path()).unwrap()
}

/// A copy with other bodies, and everything above them to match, and all roots among the entries: what somebody does who knows the
/// format.
pub(super) fn rewritten(copy: &Copy, sample: &Sample, bodies: &[String]) -> Vec<u8> {
    copy.put(&sample.file);
    run(copy.rewrite(&with_its_roots(bodies)));
    std::fs::read(copy.path()).unwrap()
}

/// The same bodies with the roots of what is before them: in checkpoints, at the beginning of sessions, in seals, and wherever one of these
/// roots is named.
pub(super) fn with_its_roots(bodies: &[String]) -> Vec<String> {
    let (mut log, mut sealing) = (Frontier::default(), Sealing::default());
    let (mut plans, mut made) = (HashMap::new(), HashMap::new());
    let of_plan = |plans: &HashMap<String, String>, root: &mut String| {
        if let Some(anew) = plans.get(root) {
            root.clone_from(anew);
        }
    };
    let mut rewritten = Vec::new();
    for body in bodies {
        let mut body = body.clone();
        if let Ok(mut entry) = Entry::parse(&body) {
            let root = base64(&log.root());
            let is_same = |changed: &Entry| changed.seal().is_ok_and(|sealed| sealed.body == body);
            // What has no canonical form any more stays as it is.
            let can_be_changed = is_same(&entry);
            match &mut entry.event {
                Event::CheckpointMade(of) => {
                    let before = std::mem::replace(&mut of.root, root.clone());
                    made.insert((of.size, before), (log.size(), root));
                    of.size = log.size();
                }
                Event::CheckpointAnchored(of) => {
                    if let Some((size, root)) = made.get(&(of.size, of.root.clone())) {
                        (of.size, of.root) = (*size, root.clone());
                    }
                }
                Event::SessionOpened(opened) => opened.continues_from = Some(root),
                Event::IntentRecorded(intent) => {
                    let line = &intent.line;
                    sealing.push(&line.account, &line.region, line.verdict, line.leaf().unwrap());
                }
                Event::PlanSealed(sealed) => {
                    let anew = std::mem::take(&mut sealing).seal(&sealed.header).unwrap();
                    plans.insert(std::mem::replace(&mut sealed.seal, anew.clone()).root, anew.root);
                }
                Event::RunStarted(of) => of_plan(&plans, &mut of.plan_root),
                Event::PlanApproved(of) => of_plan(&plans, &mut of.plan_root),
                Event::PlanSigned(of) => of_plan(&plans, &mut of.plan_root),
                _ => {}
            }
            if can_be_changed {
                body = entry.seal().unwrap().body;
            }
        }
        log.push(leaf_hash(body.as_bytes()));
        rewritten.push(body);
    }
    rewritten
}

/// Changes that leave what was written before them as it was: with or without a checkpoint, both find them.
pub(super) fn plain_forgeries() -> Vec<Forgery> {
    let (copy, sample) = (Copy::new(), sample());
    let mut all = Vec::new();
    let step = campaign::size(977, 193);
    for (seq, body) in sample.bodies.iter().enumerate() {
        for at in (seq % step..body.len()).step_by(step) {
            let mut changed = body.clone().into_bytes();
            changed[at] ^= 1 << (at % 7);
            let text = hex(&changed);
            let update = format!("UPDATE entry SET body = CAST(x'{text}' AS TEXT)");
            all.push(("a body", tampered(&copy, &format!("{update} WHERE seq = {seq}"))));
            let (_, leaves) = tree([&changed[..]]);
            let leaf = hex(&leaves[0]);
            all.push((
                "a body and its leaf",
                tampered(&copy, &format!("{update}, leaf = x'{leaf}' WHERE seq = {seq}")),
            ));
        }
    }
    for n in (0..sample.bodies.len() - 1).step_by(campaign::size(7, 1)) {
        let removed = format!("DELETE FROM entry WHERE seq = {n}");
        all.push(("an entry removed", tampered(&copy, &removed)));
        let closed = format!(
            "{removed}; UPDATE entry SET seq = -seq WHERE seq > {n}; UPDATE entry SET seq = -seq - 1 WHERE seq < 0"
        );
        all.push(("an entry removed", tampered(&copy, &closed)));
        let exchanged = format!(
            "UPDATE entry SET seq = -1 WHERE seq = {n}; UPDATE entry SET seq = {n} WHERE seq = {n} + 1; \
             UPDATE entry SET seq = {n} + 1 WHERE seq = -1"
        );
        all.push(("entries exchanged", tampered(&copy, &exchanged)));
        all.push(("entries cut off", tampered(&copy, &format!("DELETE FROM entry WHERE seq > {n}"))));
    }
    for statements in [
        "UPDATE head SET size = size + 1",
        "UPDATE head SET size = size - 1",
        "UPDATE head SET root = zeroblob(32)",
        "UPDATE head SET frontier = x''",
        "DELETE FROM head",
        "INSERT INTO head SELECT 1, size, root, frontier, NULL, NULL FROM head",
    ] {
        all.push(("the head", tampered(&copy, statements)));
    }
    for statements in ["PRAGMA application_id = 0", "PRAGMA user_version = 0"] {
        all.push(("the marks of the file", tampered(&copy, statements)));
    }
    for statements in
        ["UPDATE intent SET outcome = 'deleted'", "DELETE FROM attempt", "UPDATE run SET sandbox = 1 - sandbox"]
    {
        all.push(("a projection", tampered(&copy, statements)));
    }
    for statements in
        ["DROP VIEW runs", "CREATE TABLE more (x)", "DROP VIEW overrides; CREATE VIEW overrides AS SELECT 1 AS x"]
    {
        all.push(("the schema", tampered(&copy, statements)));
    }
    let mut random = fastrand::Rng::with_seed(20_261_130);
    for _ in 0..campaign::size(40, 300) {
        let mut damaged = sample.file.clone();
        let at = random.usize(..damaged.len());
        damaged[at] ^= 1 << random.u8(..8);
        all.push(("a byte of the file", damaged));
    }
    all
}

/// Another past, made by somebody who knows the format. Whoever holds a checkpoint needs nothing else to see that.
pub(super) fn other_pasts() -> Vec<Forgery> {
    const WORDS: [(&str, &str); 10] = [
        ("\"outcome\":\"failed\"", "\"outcome\":\"deleted\""),
        ("\"outcome\":\"gone\"", "\"outcome\":\"absent\""),
        ("\"attempt\":1", "\"attempt\":2"),
        ("\"row\":3", "\"row\":4"),
        ("\"rests_on\":[", "\"rests_on\":[0,"),
        ("\"class\":\"succeeded\"", "\"class\":\"well\""),
        ("\"verdict\":\"delete\"", "\"verdict\":\"skip\""),
        ("\"deletes\":", "\"deletes\":1"),
        ("\"at\":\"2026-09", "\"at\":\"2026-10"),
        ("\"name\":\"key-", "\"name\":\"kez-"),
    ];
    let (copy, bodies) = (Copy::new(), &sample().bodies);
    let mut all = Vec::new();
    let step = campaign::size(1_201, 193);
    for seq in 0..bodies.len() {
        let mut change = |kind, body: String| {
            let mut bodies = bodies.clone();
            bodies[seq] = body;
            // A root that was changed is put right again.
            if with_its_roots(&bodies) != sample().bodies {
                all.push((kind, rewritten(&copy, sample(), &bodies)));
            }
        };
        for at in (seq % step..bodies[seq].len()).step_by(step) {
            let mut changed = bodies[seq].clone().into_bytes();
            changed[at] ^= 1 << (at % 7);
            if let Ok(changed) = String::from_utf8(changed) {
                change("a body and the whole tree", changed);
            }
        }
        for (word, other) in WORDS.iter().filter(|(word, _)| bodies[seq].contains(word)) {
            change("a word and the whole tree", bodies[seq].replacen(word, other, 1));
        }
    }
    for n in (1..bodies.len() - 1).step_by(campaign::size(3, 1)) {
        let mut left = bodies.clone();
        left.remove(n);
        all.push(("an entry left out of the whole tree", rewritten(&copy, sample(), &renumbered(&left))));
        let mut exchanged = bodies.clone();
        exchanged.swap(n, n + 1);
        all.push(("entries exchanged in the whole tree", rewritten(&copy, sample(), &renumbered(&exchanged))));
    }
    // Cut off, and the head moved back: only a checkpoint shows it.
    for length in (2..bodies.len()).step_by(campaign::size(9, 2)) {
        let (tree, _) = tree(bodies[..length].iter().map(String::as_bytes));
        let cut = format!("DELETE FROM entry WHERE seq >= {length}; {}", head(&tree));
        all.push(("cut off with the head", tampered(&copy, &cut)));
    }
    all
}
