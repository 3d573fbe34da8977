//! The scratch database of a plan, in memory and naive.

use std::collections::BTreeMap;

use keybatch::journal::stage::{Refusing, StageRow, Staged, Staging, Twins};
use serde_json::{Value, json};

/// The manifest's rows, and what was listed and is known of each name.
#[derive(Debug, Default)]
pub(crate) struct Stage {
    rows: Vec<StageRow>,
    regions: Vec<String>,
    seen: BTreeMap<(String, String), Vec<Value>>,
    known: Vec<(String, String, Value)>,
}

fn done<'a, T: Send + 'a>(value: T) -> Staged<'a, T> {
    Box::pin(std::future::ready(Ok(value)))
}

fn array(text: &str) -> Vec<Value> {
    serde_json::from_str(text).unwrap()
}

impl Stage {
    fn page(&self, after: u64, wanted: impl Fn(&StageRow) -> bool) -> String {
        let rows = self.rows.iter().filter(|row| row.row > after && wanted(row));
        rows.map(|row| self.joined_row(row).to_string()).collect()
    }

    fn joined_row(&self, row: &StageRow) -> Value {
        let listed = self.seen.get(&(row.region.clone(), row.name.clone())).map_or(&[][..], Vec::as_slice);
        let ambiguous = listed.iter().any(|one| one != &listed[0]);
        let of_it = self.known.iter().filter(|(region, name, _)| (region, name) == (&row.region, &row.name));
        json!({
            "row": row.row,
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
            if !self.regions.contains(&row.region) {
                self.regions.push(row.region.clone());
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

    fn put_seen<'a>(&'a mut self, region: &'a str, seen: &'a [(String, String)]) -> Staged<'a, ()> {
        for (name, body) in seen {
            let listed = self.seen.entry((region.to_owned(), name.clone())).or_default();
            listed.push(serde_json::from_str(body).unwrap());
        }
        done(())
    }

    fn put_used<'a>(&'a mut self, _: &'a str, _: &'a [(String, String)]) -> Staged<'a, ()> {
        done(())
    }

    fn among<'a>(&'a mut self, names: &'a str) -> Staged<'a, String> {
        let mine =
            |past: &&Value| self.rows.iter().any(|row| past[0] == row.region.as_str() && past[1] == row.name.as_str());
        let names = array(names);
        done(json!(names.iter().filter(mine).map(|past| &past[2]).collect::<Vec<_>>()).to_string())
    }

    fn put_known<'a>(&'a mut self, run: &'a str, same_manifest: bool, known: &'a str) -> Staged<'a, ()> {
        for past in array(known) {
            let text = |index: usize| past[index].as_str().unwrap().to_owned();
            let (identity, began_at) = (&past[2], &past[3]);
            let known = json!({"same_manifest": same_manifest, "identity": identity, "run": run, "began_at": began_at});
            self.known.push((text(0), text(1), known));
        }
        done(())
    }

    fn regions(&self) -> &[String] {
        &self.regions
    }

    fn joined(&mut self, after: u64, _: u32) -> Staged<'_, String> {
        done(self.page(after, |_| true))
    }

    fn suspects<'a>(&'a mut self, after: u64, _: u32, refusing: Refusing<'a>) -> Staged<'a, String> {
        let known =
            |row: &StageRow| self.known.iter().any(|(region, name, _)| *region == row.region && *name == row.name);
        done(self.page(after, |row| refusing.known && known(row)))
    }

    fn twins(&mut self, _: u64, _: u32) -> Staged<'_, Vec<Twins>> {
        done(Vec::new())
    }
}
