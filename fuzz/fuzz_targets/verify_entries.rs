//! A sound journal whose entries are changed by somebody who knows the format.
//!
//! The first byte: bit 0, renumber and write canonically; bit 1, leaves that fit; bit 2, a head that fits; bit 3, with a
//! checkpoint. Then operations: what, which entry, and what that needs.

#![no_main]

use std::sync::{LazyLock, Mutex};

use keybatch::record::Entry;
use keybatch::record::merkle::{Frontier, leaf_hash};
use keybatch_fuzz::{Base, open};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection as _, Executor as _};

struct Bench {
    base: Base,
    connection: SqliteConnection,
}

/// The triggers are gone for good: what `verify` says of them is left out of account.
static BENCH: LazyLock<Mutex<Bench>> = LazyLock::new(|| {
    let base = Base::new();
    std::fs::write(base.path(), &base.file).unwrap();
    let connection = base.runtime.block_on(async {
        let mut connection = open(&base.path()).await;
        connection.execute("PRAGMA journal_mode = MEMORY").await.unwrap();
        for name in ["entry_follows", "entry_not_changed", "entry_not_removed", "head_not_removed"] {
            connection.execute(sqlx::AssertSqlSafe(format!("DROP TRIGGER {name}"))).await.unwrap();
        }
        connection
    });
    Mutex::new(Bench { base, connection })
});

fuzz_target!(|data: &[u8]| {
    let Some((flags, mut operations)) = data.split_first() else { return };
    let mut bench = BENCH.lock().unwrap();
    let Bench { base, connection } = &mut *bench;
    let mut bodies: Vec<Vec<u8>> = base.bodies.iter().map(|body| body.clone().into_bytes()).collect();
    for _ in 0..16 {
        let Some(rest) = operate(&mut bodies, operations) else { break };
        operations = rest;
    }
    if flags & 1 != 0 {
        bodies = bodies.iter().enumerate().map(|(seq, body)| renumbered(seq, body)).collect();
    }
    let original = |seq: usize| base.bodies.get(seq).map(String::as_bytes);
    let mut tree = Frontier::default();
    let leaf_of = |seq: usize, body: &[u8]| match original(seq) {
        Some(original) if flags & 2 == 0 => leaf_hash(original),
        _ => leaf_hash(body),
    };
    let leaves: Vec<_> = bodies.iter().enumerate().map(|(seq, body)| leaf_of(seq, body)).collect();
    leaves.iter().for_each(|leaf| tree.push(*leaf));
    base.runtime.block_on(async {
        let mut transaction = connection.begin().await.unwrap();
        transaction.execute("DELETE FROM entry").await.unwrap();
        for (seq, (body, leaf)) in bodies.iter().zip(&leaves).enumerate() {
            let insert = sqlx::query("INSERT INTO entry VALUES (?, CAST(? AS TEXT), ?)").bind(seq as i64);
            insert.bind(&body[..]).bind(&leaf[..]).execute(&mut *transaction).await.unwrap();
        }
        if flags & 4 != 0 {
            let update = sqlx::query("UPDATE head SET size = ?, root = ?, frontier = ?").bind(tree.size() as i64);
            update.bind(&tree.root()[..]).bind(tree.to_bytes()).execute(&mut *transaction).await.unwrap();
        } else {
            let (mut whole, size) = (Frontier::default(), base.bodies.len() as i64);
            base.bodies.iter().for_each(|body| whole.push(leaf_hash(body.as_bytes())));
            let update = sqlx::query("UPDATE head SET size = ?, root = ?, frontier = ?").bind(size);
            update.bind(&whole.root()[..]).bind(whole.to_bytes()).execute(&mut *transaction).await.unwrap();
        }
        transaction.commit().await.unwrap();
    });
    let report = base.verify(flags & 8 != 0, flags & 16 != 0).expect("there is a journal");
    let wrong: Vec<_> = report.findings.iter().filter(|finding| !finding.detail.starts_with("the trigger")).collect();
    let unchanged =
        bodies.len() == base.bodies.len() && (0..bodies.len()).all(|seq| original(seq) == Some(&bodies[seq]));
    if unchanged {
        assert!(wrong.is_empty(), "nothing was done: {wrong:?}");
    } else {
        let differs =
            bodies.iter().enumerate().any(|(seq, body)| original(seq).is_some_and(|original| original != body));
        assert!(flags & 4 != 0 || !wrong.is_empty(), "the head does not fit");
        assert!(flags & 2 != 0 || !differs || !wrong.is_empty(), "a leaf does not fit");
        assert!(flags & 8 == 0 || !wrong.is_empty(), "the checkpoint saw something else");
        assert_eq!(report.proved_up_to.filter(|size| *size as usize > bodies.len()), None);
    }
    if let Some(proved) = report.proved_up_to {
        for seq in 0..proved as usize {
            assert_eq!(original(seq), bodies.get(seq).map(Vec::as_slice), "entry {seq} was proved");
        }
    }
    if wrong.is_empty() {
        // What is sound can be read by everybody, and is canonical.
        for body in &bodies {
            let text = std::str::from_utf8(body).expect("a sound body is text");
            Entry::parse(text).unwrap_or_else(|error| panic!("{error}: {text}"));
            let value: Value = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json_canonicalizer::to_string(&value).unwrap(), text);
        }
    }
});

/// Takes one operation off, or nothing where there is none left.
fn operate<'a>(bodies: &mut Vec<Vec<u8>>, operations: &'a [u8]) -> Option<&'a [u8]> {
    let [what, which, a, b, rest @ ..] = operations else { return None };
    let seq = usize::from(*which) % bodies.len().max(1);
    if bodies.is_empty() {
        return None;
    }
    let other = usize::from(*a) % bodies.len();
    match what % 8 {
        0 => {
            let at = usize::from(*a) * 2 % bodies[seq].len().max(1);
            if let Some(byte) = bodies[seq].get_mut(at) {
                *byte = *b;
            }
        }
        1 => drop(bodies.remove(seq)),
        2 => bodies.swap(seq, other),
        3 => bodies.insert(other, bodies[seq].clone()),
        4 => edit(&mut bodies[seq], *a, &value(*b)),
        5 => {
            let source: Option<Value> = serde_json::from_slice(&bodies[other]).ok();
            let field = source
                .as_ref()
                .and_then(Value::as_object)
                .and_then(|object| object.values().nth(usize::from(*b) % object.len().max(1)).cloned());
            if let Some(field) = field {
                edit(&mut bodies[seq], *b, &field);
            }
        }
        6 => bodies.truncate(seq),
        _ => {
            let body = bodies.remove(seq);
            bodies.insert(other.min(bodies.len()), body);
        }
    }
    Some(rest)
}

/// Sets the `index`-th field of a body.
fn edit(body: &mut Vec<u8>, index: u8, to: &Value) {
    let Ok(Value::Object(mut fields)) = serde_json::from_slice::<Value>(body) else { return };
    let Some(name) = fields.keys().nth(usize::from(index) % fields.len().max(1)).cloned() else { return };
    fields.insert(name, to.clone());
    if let Ok(text) = serde_json_canonicalizer::to_string(&Value::Object(fields)) {
        *body = text.into_bytes();
    }
}

fn value(which: u8) -> Value {
    const WORDS: [&str; 20] = [
        "",
        "x",
        "delete",
        "skip",
        "absent",
        "deleted",
        "gone",
        "failed",
        "in_doubt",
        "answer",
        "readback",
        "tried",
        "succeeded",
        "pending",
        "not_found",
        "throttled",
        "unanswered",
        "same",
        "listed",
        "get_key_pair",
    ];
    match usize::from(which) {
        0 => Value::Null,
        1 => Value::Bool(true),
        2 => Value::Array(Vec::new()),
        3 => Value::Object(serde_json::Map::new()),
        4 => 9_007_199_254_740_991_u64.into(),
        number @ 5..64 => (number as u64 - 5).into(),
        word => WORDS[word % WORDS.len()].into(),
    }
}

fn renumbered(seq: usize, body: &[u8]) -> Vec<u8> {
    let Ok(Value::Object(mut fields)) = serde_json::from_slice::<Value>(body) else { return body.to_vec() };
    fields.insert("seq".to_owned(), (seq as u64).into());
    serde_json_canonicalizer::to_string(&Value::Object(fields)).map_or_else(|_| body.to_vec(), String::into_bytes)
}
