//! The scratch database of a plan, in memory and naive.

use std::collections::{BTreeMap, BTreeSet};

use keybatch::domain::Target;
use keybatch::journal::stage::{Refusing, StageRow, Staged, Staging, Twins};
use serde_json::{Value, json};

/// The manifest's rows, and what was listed and is known of each name.
#[derive(Debug, Default)]
pub(crate) struct Stage {
    rows: Vec<StageRow>,
    targets: Vec<Target>,
    home: String,
    /// Accounts that rows name and that are not reached.
    strange: BTreeSet<String>,
    seen: BTreeMap<(Target, String), Vec<Value>>,
    known: Vec<(Target, String, Value)>,
}

fn done<'a, T: Send + 'a>(value: T) -> Staged<'a, T> {
    Box::pin(std::future::ready(Ok(value)))
}

fn array(text: &str) -> Vec<Value> {
    serde_json::from_str(text).unwrap()
}

fn target(row: &StageRow) -> Target {
    Target { account: row.account.clone(), region: row.region.clone() }
}

impl Stage {
    /// The target that an earlier run's row is in, as it is kept here.
    fn target_of(&self, past: &Value) -> Target {
        let text = |index: usize| past[index].as_str().unwrap().to_owned();
        let account = Some(text(0)).filter(|account| *account != self.home).unwrap_or_default();
        Target { account, region: text(1) }
    }

    fn page(&self, after: u64, wanted: impl Fn(&StageRow) -> bool) -> String {
        let rows = self.rows.iter().filter(|row| row.row > after && wanted(row));
        rows.map(|row| self.joined_row(row).to_string()).collect()
    }

    fn joined_row(&self, row: &StageRow) -> Value {
        let target = target(row);
        let listed = self.seen.get(&(target.clone(), row.name.clone())).map_or(&[][..], Vec::as_slice);
        let ambiguous = listed.iter().any(|one| one != &listed[0]);
        let of_it = self.known.iter().filter(|(known, name, _)| *known == target && *name == row.name);
        json!({
            "row": row.row,
            "account": row.account,
            "region": row.region,
            "name": row.name,
            "body": serde_json::from_str::<Value>(&row.body).unwrap(),
            "seen": listed.first().filter(|_| !ambiguous),
            "ambiguous": ambiguous,
            "used": null,
            "first": row.row,
            "known": of_it.map(|(_, _, known)| known).collect::<Vec<_>>(),
        })
    }
}

impl Staging for Stage {
    fn put_rows<'a>(&'a mut self, rows: &'a [StageRow]) -> Staged<'a, ()> {
        for row in rows {
            let target = target(row);
            if !row.name.is_empty() && !self.targets.contains(&target) {
                self.targets.push(target);
            }
            self.rows.push(row.clone());
        }
        done(())
    }

    fn fill_region<'a>(&'a mut self, _: &'a str) -> Staged<'a, ()> {
        unreachable!("each row names its region")
    }

    fn replace<'a>(&'a mut self, _: u64, _: &'a str) -> Staged<'a, ()> {
        unreachable!("no two rows have the same name")
    }

    fn index_rows(&mut self) -> Staged<'_, ()> {
        done(())
    }

    fn settle_home<'a>(&'a mut self, home: &'a str, reached: &'a BTreeSet<&'a str>) -> Staged<'a, ()> {
        home.clone_into(&mut self.home);
        let is_strange = |account: &str| !["", home].contains(&account) && !reached.contains(account);
        let named = self.targets.iter().map(|target| target.account.clone());
        self.strange = named.filter(|account| is_strange(account)).collect();
        let mut targets = Vec::new();
        for mut target in std::mem::take(&mut self.targets).into_iter().filter(|target| !is_strange(&target.account)) {
            if target.account == home {
                target.account.clear();
            }
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        self.targets = targets;
        self.rows.iter_mut().filter(|row| row.account == home).for_each(|row| row.account.clear());
        done(())
    }

    fn put_seen<'a>(&'a mut self, target: &'a Target, seen: &'a [(String, String)]) -> Staged<'a, ()> {
        for (name, body) in seen {
            let listed = self.seen.entry((target.clone(), name.clone())).or_default();
            listed.push(serde_json::from_str(body).unwrap());
        }
        done(())
    }

    fn put_used<'a>(&'a mut self, _: &'a Target, _: &'a [(String, String)]) -> Staged<'a, ()> {
        done(())
    }

    fn among<'a>(&'a mut self, names: &'a str) -> Staged<'a, String> {
        let is_it = |past: &Value, row: &StageRow| self.target_of(past) == target(row) && past[2] == row.name.as_str();
        let mine = |past: &&Value| self.rows.iter().any(|row| is_it(past, row));
        let names = array(names);
        done(json!(names.iter().filter(mine).map(|past| &past[3]).collect::<Vec<_>>()).to_string())
    }

    fn put_known<'a>(&'a mut self, run: &'a str, same_manifest: bool, known: &'a str) -> Staged<'a, ()> {
        for past in array(known) {
            let (identity, began_at) = (&past[3], &past[4]);
            let known = json!({"same_manifest": same_manifest, "identity": identity, "run": run, "began_at": began_at});
            self.known.push((self.target_of(&past), past[2].as_str().unwrap().to_owned(), known));
        }
        done(())
    }

    fn targets(&self) -> &[Target] {
        &self.targets
    }

    fn joined(&mut self, after: u64, _: u32) -> Staged<'_, String> {
        done(self.page(after, |_| true))
    }

    fn suspects(&mut self, after: u64, _: u32, refusing: Refusing) -> Staged<'_, String> {
        let known =
            |row: &StageRow| self.known.iter().any(|(known, name, _)| *known == target(row) && *name == row.name);
        let is_strange = |row: &StageRow| {
            let is_other = |named: &String| row.account.is_empty() && *named != self.home;
            row.named.as_ref().is_some_and(is_other) || self.strange.contains(&row.account)
        };
        done(self.page(after, |row| is_strange(row) || (refusing.known && known(row))))
    }

    fn twins(&mut self, _: u64, _: u32) -> Staged<'_, Vec<Twins>> {
        done(Vec::new())
    }
}
