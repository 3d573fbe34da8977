//! `plan --diff OLD NEW`: which rows, conditions and counts of two plans differ.
//!
//! Rows are the same if they name the same key pair of the same target, wherever they stand in their manifests. Of each row a few bytes
//! are kept in memory, and of those that changed the whole.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::shown::{Read, read};
use crate::cli::{CliError, Context, Exit, Format, RowStream, shown};
use crate::domain::counted;
use crate::journal::Cell;
use crate::record::plan::{PlanRow, TargetVerdicts, Verdict};

/// The columns of a row that differs.
const COLUMNS: [&str; 7] = ["change", "old_row", "new_row", "key_pair_name", "account_id", "region", "what"];

pub(super) fn run(old: &Path, new: &Path, context: &Context) -> Result<Exit, CliError> {
    // Both are checked before anything is printed.
    let mut was = Rows::default();
    let before = read(old, |row| {
        was.put(row);
        Ok(())
    })?;
    let mut differing = Differing::default();
    let mut seen = Occurrences::default();
    let after = read(new, |row| {
        differing.compare(&was, seen.key(row), row);
        Ok(())
    })?;
    let mut stream = match context.ui.format {
        Format::Json => None,
        _ => Some(context.ui.stream(&COLUMNS)?),
    };
    let mut changes = Vec::new();
    let mut tell = |change: &Change| match &mut stream {
        Some(stream) => change.print(stream),
        None => {
            changes.push(change.value());
            Ok(())
        }
    };
    let mut occurrences = Occurrences::default();
    read(old, |row| match differing.of_old(occurrences.key(row), row) {
        Some(change) => tell(&change),
        None => Ok(()),
    })?;
    let mut occurrences = Occurrences::default();
    read(new, |row| {
        let is_added = !was.0.contains_key(&occurrences.key(row));
        if is_added { tell(&Change::added(row)) } else { Ok(()) }
    })?;
    match stream {
        Some(stream) => stream.end()?,
        None => context.ui.data(&format!("{}\n", object(&before, &after, &differing, changes)))?,
    }
    summary(&before, &after, &differing).iter().for_each(|line| context.ui.talk(line));
    Ok(Exit::Success)
}

/// Which key pair of which target a row names, and how often rows before it named it.
type Key = [u8; 16];

/// What a row says beside its place.
type Said = [u8; 16];

/// How often each key pair was named.
#[derive(Default)]
struct Occurrences(HashMap<Key, u64>);

impl Occurrences {
    fn key(&mut self, row: &PlanRow) -> Key {
        let named = digest(&json!([row.account, row.region, row.name]));
        let times = self.0.entry(named).or_default();
        *times += 1;
        digest(&json!([named, *times]))
    }
}

fn digest(value: &Value) -> [u8; 16] {
    let hash = Sha256::digest(value.to_string());
    let mut short = [0; 16];
    short.copy_from_slice(&hash[..16]);
    short
}

fn said(row: &PlanRow) -> Said {
    let same_place = PlanRow { row: 0, line: 0, ..row.clone() };
    digest(&serde_json::to_value(same_place).unwrap_or_default())
}

/// What each row of the old plan says.
#[derive(Default)]
struct Rows(HashMap<Key, Said>, Occurrences);

impl Rows {
    fn put(&mut self, row: &PlanRow) {
        let key = self.1.key(row);
        self.0.insert(key, said(row));
    }
}

/// What was found in the new plan.
#[derive(Default)]
struct Differing {
    changed: HashMap<Key, PlanRow>,
    /// Rows of the old plan that are in the new one and say the same.
    same: HashSet<Key>,
    added: u64,
    removed: u64,
}

impl Differing {
    fn compare(&mut self, was: &Rows, key: Key, row: &PlanRow) {
        match was.0.get(&key) {
            None => self.added += 1,
            Some(before) if *before == said(row) => {
                self.same.insert(key);
            }
            Some(_) => {
                self.changed.insert(key, row.clone());
            }
        }
    }

    /// What became of a row of the old plan, if anything.
    fn of_old(&mut self, key: Key, row: &PlanRow) -> Option<Change> {
        if let Some(now) = self.changed.get(&key) {
            return Some(Change::changed(row, now));
        }
        if self.same.contains(&key) {
            return None;
        }
        self.removed += 1;
        Some(Change::of("removed", Some(row.row), None, row, vec![format!("was {}", planned(row.verdict))]))
    }
}

/// What a plan says of a row, after "is" or "was".
fn planned(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Delete => "to be deleted",
        Verdict::Skip => "to be skipped",
        Verdict::Absent => "absent",
    }
}

/// A row that differs.
struct Change {
    change: &'static str,
    old_row: Option<u64>,
    new_row: Option<u64>,
    name: String,
    account: String,
    region: String,
    what: Vec<String>,
}

impl Change {
    fn of(change: &'static str, old_row: Option<u64>, new_row: Option<u64>, row: &PlanRow, what: Vec<String>) -> Self {
        let PlanRow { name, account, region, .. } = row.clone();
        Self { change, old_row, new_row, name, account, region, what }
    }

    fn added(row: &PlanRow) -> Self {
        Self::of("added", None, Some(row.row), row, vec![format!("is {}", planned(row.verdict))])
    }

    fn changed(old: &PlanRow, new: &PlanRow) -> Self {
        Self::of("changed", Some(old.row), Some(new.row), old, differences(old, new))
    }

    fn print(&self, stream: &mut RowStream) -> Result<(), CliError> {
        let number = |number: Option<u64>| number.map_or(Cell::Null, |number| Cell::Integer(number.cast_signed()));
        let text = |text: &str| Cell::Text(text.to_owned());
        Ok(stream.row(&[
            text(self.change),
            number(self.old_row),
            number(self.new_row),
            text(&self.name),
            text(&self.account),
            text(&self.region),
            text(&self.what.join("; ")),
        ])?)
    }

    fn value(&self) -> Value {
        json!({
            "change": self.change, "old_row": self.old_row, "new_row": self.new_row, "name": self.name,
            "account": self.account, "region": self.region, "what": self.what,
        })
    }
}

/// What two lines about the same key pair say differently.
fn differences(old: &PlanRow, new: &PlanRow) -> Vec<String> {
    let [old, new] = [old, new].map(|row| serde_json::to_value(row).unwrap_or_default());
    let mut what = Vec::new();
    compare(&mut what, "", &old, &new);
    what
}

/// Members of a line that say where it stands, not what it says.
const PLACES: [&str; 2] = ["row", "line"];

fn compare(what: &mut Vec<String>, path: &str, old: &Value, new: &Value) {
    let (Value::Object(was), Value::Object(is)) = (old, new) else {
        if old != new {
            what.push(format!("{path}: {} → {}", plain(old), plain(new)));
        }
        return;
    };
    let names: std::collections::BTreeSet<_> = was.keys().chain(is.keys()).collect();
    for name in names.into_iter().filter(|name| !(path.is_empty() && PLACES.contains(&name.as_str()))) {
        let deeper = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        compare(what, &deeper, was.get(name).unwrap_or(&Value::Null), is.get(name).unwrap_or(&Value::Null));
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(notes) if notes.iter().all(|note| note["note"].is_string()) => {
            notes.iter().map(|note| note["note"].as_str().unwrap_or_default()).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// Counts of a target in the old and in the new plan.
type Targets<'a> = BTreeMap<(&'a str, &'a str), [Option<&'a TargetVerdicts>; 2]>;

fn targets<'a>(before: &'a Read, after: &'a Read) -> Targets<'a> {
    let mut all = Targets::new();
    for (place, plan) in [before, after].into_iter().enumerate() {
        for target in &plan.seal.targets {
            all.entry((&target.account, &target.region)).or_default()[place] = Some(target);
        }
    }
    all
}

/// What differs in the headers, by member.
fn headers(before: &Read, after: &Read) -> Vec<String> {
    let [old, new] = [before, after].map(|plan| serde_json::to_value(&plan.header).unwrap_or_default());
    let mut what = Vec::new();
    compare(&mut what, "", &old, &new);
    what
}

fn summary(before: &Read, after: &Read, differing: &Differing) -> Vec<String> {
    let mut lines: Vec<_> = headers(before, after).iter().map(|what| format!("header    {}", shown(what))).collect();
    for ((account, region), [old, new]) in targets(before, after) {
        let counts = |target: Option<&TargetVerdicts>| {
            target.map_or("not in it".to_owned(), |target| {
                format!("{} to delete, {} to skip, {} absent", target.deletes, target.skips, target.absents)
            })
        };
        let (old, new) = (counts(old), counts(new));
        if old != new {
            lines.push(format!("target    {} {}: {old} → {new}", shown(account), shown(region)));
        }
    }
    if before.seal.rows_root == after.seal.rows_root {
        lines.push("rows      both plans say the same of every row".to_owned());
    } else {
        let Differing { added, removed, .. } = differing;
        let changed = counted(differing.changed.len() as u64, "row", "rows");
        lines.push(format!("rows      {added} added, {removed} removed, {changed} changed"));
    }
    lines
}

fn object(before: &Read, after: &Read, differing: &Differing, changes: Vec<Value>) -> Value {
    let plan =
        |plan: &Read| json!({"plan_id": plan.header.plan_id, "plan_root": plan.seal.root, "rows": plan.seal.rows});
    let counts = targets(before, after)
        .into_iter()
        .map(|((account, region), [old, new])| json!({"account": account, "region": region, "old": old, "new": new}));
    json!({
        "schema": "keybatch.plan.diff/1",
        "old": plan(before),
        "new": plan(after),
        "same_rows": before.seal.rows_root == after.seal.rows_root,
        "header": headers(before, after),
        "targets": counts.collect::<Vec<_>>(),
        "rows": {"added": differing.added, "removed": differing.removed, "changed": differing.changed.len(), "same": differing.same.len()},
        "changes": changes,
    })
}
