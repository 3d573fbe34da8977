//! The operations of one region, oldest first, and what happened to each name.
//!
//! An operation takes about forty bytes; the few that are slow or fail have their course stored beside them. The history
//! knows nothing of key pairs: a look-up of an operation returns the short form of its name.

use std::collections::HashMap;

use super::clock::Micros;
use super::store::Name;

/// No operation.
const NONE: u32 = u32::MAX;

/// What an operation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Did {
    Delete,
    Create,
    Import,
}

/// How an operation ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    Succeeded,
    Failed { code: String, details: String },
}

/// The course of an operation that does not end at once.
#[derive(Debug, Clone)]
pub(super) struct Course {
    /// It ends at the last of this many polls …
    pub(super) polls_left: Option<u32>,
    /// … or at this time; with neither, it has already ended.
    pub(super) over_at: Option<Micros>,
    pub(super) end: End,
    /// Its effect happens when it ends.
    pub(super) effect_at_end: bool,
    pub(super) changed_at: Micros,
}

/// One operation.
#[derive(Debug, Clone)]
pub(super) struct Operation {
    pub(super) number: u64,
    pub(super) created_at: Micros,
    pub(super) name: Name,
    previous: u32,
    pub(super) did: Did,
    hidden: bool,
}

/// What has happened to a name so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Trail {
    last: Option<u32>,
    pub(super) deleted: u32,
    pub(super) created: u32,
    pub(super) deleted_by_others: u32,
    pub(super) created_by_others: u32,
}

/// All operations and trails of one region.
#[derive(Debug, Default)]
pub(super) struct History {
    operations: Vec<Operation>,
    courses: HashMap<u64, Course>,
    trails: HashMap<Name, Trail>,
}

impl History {
    pub(super) fn add(&mut self, number: u64, created_at: Micros, name: Name, did: Did, hidden: bool) {
        let index = u32::try_from(self.operations.len()).unwrap_or(NONE);
        let trail = self.trails.entry(name.clone()).or_default();
        let previous = trail.last.replace(index).unwrap_or(NONE);
        self.operations.push(Operation { number, created_at, name, previous, did, hidden });
    }

    pub(super) fn set_course(&mut self, number: u64, course: Course) {
        self.courses.insert(number, course);
    }

    pub(super) fn course(&self, number: u64) -> Option<&Course> {
        self.courses.get(&number)
    }

    pub(super) fn course_mut(&mut self, number: u64) -> Option<&mut Course> {
        self.courses.get_mut(&number)
    }

    pub(super) fn trail_mut(&mut self, name: Name) -> &mut Trail {
        self.trails.entry(name).or_default()
    }

    /// Names to which something happened, in no particular order.
    pub(super) fn trails(&self) -> impl Iterator<Item = (&Name, &Trail)> {
        self.trails.iter()
    }

    pub(super) fn get(&self, number: u64) -> Option<&Operation> {
        let index = self.operations.binary_search_by_key(&number, |operation| operation.number).ok()?;
        self.operations.get(index)
    }

    /// Up to `limit` findable operations after this number, and whether there are more.
    pub(super) fn page(&self, after: u64, limit: usize) -> (Vec<&Operation>, bool) {
        let start = self.operations.partition_point(|operation| operation.number <= after);
        let mut found = self.operations[start..].iter().filter(|operation| !operation.hidden);
        let page: Vec<_> = found.by_ref().take(limit).collect();
        (page, found.next().is_some())
    }

    /// The same for one name; `None` if the name has no findable operation.
    pub(super) fn page_of(&self, name: &Name, after: u64, limit: usize) -> Option<(Vec<&Operation>, bool)> {
        let mut found = Vec::new();
        let mut index = self.trails.get(name)?.last.unwrap_or(NONE);
        while let Some(operation) = self.operations.get(index as usize) {
            if !operation.hidden {
                found.push(operation);
            }
            index = operation.previous;
        }
        if found.is_empty() {
            return None;
        }
        found.reverse();
        found.retain(|operation| operation.number > after);
        let more = found.len() > limit;
        found.truncate(limit);
        Some((found, more))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn name(text: &str) -> Name {
        Name::Own(Arc::from(text))
    }

    #[test]
    fn operations_are_found_by_number_and_by_name_oldest_first() {
        let mut history = History::default();
        for (number, text) in [(2, "a"), (3, "b"), (5, "a"), (9, "a")] {
            history.add(number, number * 10, name(text), Did::Delete, number == 5);
        }
        assert_eq!(history.get(3).unwrap().created_at, 30);
        assert!(history.get(4).is_none());
        let numbers = |page: Vec<&Operation>| page.iter().map(|operation| operation.number).collect::<Vec<_>>();
        let (page, more) = history.page(2, 1);
        assert_eq!((numbers(page), more), (vec![3], true));
        let (page, more) = history.page_of(&name("a"), 0, 10).unwrap();
        assert_eq!((numbers(page), more), (vec![2, 9], false), "a hidden operation is not found");
        let (page, more) = history.page_of(&name("a"), 0, 1).unwrap();
        assert_eq!((numbers(page), more), (vec![2], true));
        assert!(history.page_of(&name("c"), 0, 1).is_none());
    }
}
