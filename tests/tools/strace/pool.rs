//! Many trials at a time, for most of a trial is waiting; each failure is kept with what reproduces it.

use std::{
    collections::BTreeMap,
    fmt::Display,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Mutex,
};

/// How many trials run at once.
const AT_ONCE: usize = 8;

/// What became of the trials.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// How many ended in which way.
    pub(crate) ends: BTreeMap<&'static str, u32>,
    pub(crate) failures: Vec<String>,
}

impl Tally {
    pub(crate) fn trials(&self) -> u32 {
        self.ends.values().sum()
    }

    pub(crate) fn of(&self, end: &str) -> u32 {
        self.ends.get(end).copied().unwrap_or(0)
    }

    /// One line of counts; fails where a trial failed.
    pub(crate) fn report(&self, what: &str) {
        let ends: Vec<String> = self.ends.iter().map(|(end, count)| format!("{count} {end}")).collect();
        super::say(&format!("{what}: {} trials ({})", self.trials(), ends.join(", ")));
        assert!(self.failures.is_empty(), "{what}: {} failed\n{}", self.failures.len(), self.failures.join("\n"));
    }
}

/// Makes every trial; a trial says in one word how it ended, and fails by a panic.
pub(crate) fn in_parallel<T: Display + Sync>(trials: &[T], trial: impl Fn(&T) -> &'static str + Sync) -> Tally {
    let next = Mutex::new(0);
    let tally = Mutex::new(Tally::default());
    let worker = || {
        loop {
            let index = {
                let mut next = next.lock().expect("no trial runs while it is held");
                *next += 1;
                *next - 1
            };
            let Some(one) = trials.get(index) else { return };
            let ended = catch_unwind(AssertUnwindSafe(|| trial(one)));
            let mut tally = tally.lock().expect("no trial runs while it is held");
            *tally.ends.entry(ended.as_ref().map_or("failed", |end| end)).or_default() += 1;
            if let Err(panic) = ended {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                tally.failures.push(format!("=== {one}: {}", text.unwrap_or_default()));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(worker);
        }
    });
    tally.into_inner().expect("no trial runs any more")
}
