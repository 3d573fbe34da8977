//! A manifest, a stand-in that misbehaves in several ways, and the way from any wreck to a finished run.

use super::{checkpoint_file, say};
use crate::support::{Act, Bench, Done, Effect, count, intents, safety};

/// One run from its start to its end.
pub(crate) struct Scene {
    pub(crate) bench: Bench,
    pub(crate) rows: usize,
}

/// The rows whose request is always denied: the only ones that fail.
const DENIED: &str = "key-09";

impl Scene {
    /// Twenty rows: lost answers, a throttle, an operation to be polled, one that failed, deletes behind a 5xx.
    pub(crate) fn of_twenty() -> Self {
        let scene = Self::of(20);
        let world = &scene.bench.world;
        world.always("DeleteKeyPair", DENIED, Act::denied());
        let scripts = [
            ("key-01", vec![Act::cut().with(Effect::Delete)]),
            ("key-02", vec![Act::cut()]),
            ("key-03", vec![Act::throttle()]),
            ("key-04", vec![Act::slow(2, "Succeeded")]),
            ("key-05", vec![Act::failed_operation()]),
            ("key-06", vec![Act::server_error().with(Effect::Delete)]),
            ("key-07", vec![Act::html_503().with(Effect::DeleteAndRecreate)]),
            ("key-08", vec![Act::truncated().with(Effect::Delete)]),
            ("key-10", vec![Act::throttle(), Act::cut().with(Effect::Delete)]),
            ("key-11", vec![Act::type_and_code(400, "NotFoundException", "DoesNotExist").with(Effect::Vanish)]),
            ("key-12", vec![Act::hang().with(Effect::Delete)]),
        ];
        for (name, acts) in scripts {
            world.script("DeleteKeyPair", name, acts);
        }
        scene
    }

    /// Some rows and a healthy service but for one lost answer.
    pub(crate) fn of_five() -> Self {
        let scene = Self::of(5);
        scene.bench.world.script("DeleteKeyPair", "key-02", [Act::cut().with(Effect::Delete)]);
        scene
    }

    fn of(rows: usize) -> Self {
        let mut bench = Bench::new();
        // One worker: strace counts calls per thread.
        bench.set("TOKIO_WORKER_THREADS", "1");
        for (key, value) in [("ATTEMPT_TIMEOUT", "400ms"), ("MAX_ATTEMPTS", "30"), ("SETTLE_TIMEOUT", "20s")] {
            bench.set(&format!("KEYBATCH_{key}"), value);
        }
        bench.set("KEYBATCH_CHECKPOINT_TO", &checkpoint_file(&bench).display().to_string());
        let names = bench.world.keys("key", rows);
        bench.manifest(&names);
        Self { bench, rows }
    }

    /// The arguments of a fresh run, without the journal.
    pub(crate) fn run_args(&self) -> Vec<String> {
        let manifest = self.bench.home().join("deletions.csv").display().to_string();
        vec!["run".into(), manifest, "--yes".into(), "--output".into(), "json".into()]
    }

    /// The arguments of `resume`.
    pub(crate) fn resume_args() -> Vec<String> {
        vec!["resume".into(), "--output".into(), "json".into()]
    }

    fn untouched(&self) -> bool {
        self.bench.world.arrived("DeleteKeyPair").is_empty()
    }

    /// The state of the latest run; nothing where there is no journal yet or no run in it.
    fn state(&self) -> Option<String> {
        if !self.bench.journal().exists() {
            return None;
        }
        let sql = "SELECT state FROM runs ORDER BY run_id DESC LIMIT 1";
        let done = self.bench.keybatch(&["query", sql, "--output", "json"]);
        if done.code != Some(0) {
            assert!(self.untouched(), "a journal with work in it cannot be read\n{done}");
            return None;
        }
        done.json()[0]["state"].as_str().map(str::to_owned)
    }

    /// What comes next; nothing when the run is finished.
    pub(crate) fn next_args(&self) -> Option<Vec<String>> {
        match self.state().as_deref() {
            Some("finished") => None,
            Some("running" | "stopped") => Some(Self::resume_args()),
            None | Some("planning" | "abandoned") => {
                assert!(self.untouched(), "a run that sent something is not planning, abandoned or lost");
                Some(self.run_args())
            }
            Some(other) => panic!("an unknown state `{other}`"),
        }
    }

    /// Goes on without any injection until the run is finished.
    pub(crate) fn finish(&self) {
        for _ in 0..6 {
            let Some(args) = self.next_args() else { return };
            let done = self.bench.keybatch(&args.iter().map(String::as_str).collect::<Vec<_>>());
            // A run that died while planning is closed first; nothing else is left to resume then.
            assert!(done.code.is_some_and(|code| [0, 3].contains(&code)), "once the cause is gone\n{done}");
        }
        panic!("six sessions do not finish the run");
    }

    /// I7: a crash is never taken for tampering, and what a checkpoint was handed out for is still there (I2).
    pub(crate) fn verify(&self) {
        let unborn = |done: &Done| {
            self.untouched() && (done.code == Some(9) || done.json()["verdict"].as_str() == Some("cannot_verify"))
        };
        let checkpoints = self.checkpoints();
        if checkpoints.is_empty() {
            if self.bench.journal().exists() {
                let done = self.bench.verify();
                let fine = done.code == Some(0) && done.json()["verdict"] == "self_consistent";
                assert!(fine || unborn(&done), "verify after a fault\n{done}");
            }
            return;
        }
        for (index, text) in checkpoints.iter().enumerate() {
            let file = self.bench.file(&format!("tmp/checkpoint-{index}"), text);
            let file = file.display().to_string();
            let done = self.bench.keybatch(&["verify", "--checkpoint", &file, "--output", "json"]).exits(0);
            assert_eq!(done.json()["verdict"], "verified", "checkpoint {index} was acknowledged:\n{text}\n{done}");
        }
    }

    /// The checkpoints that were handed on, whole ones only.
    pub(crate) fn checkpoints(&self) -> Vec<String> {
        let text = std::fs::read_to_string(checkpoint_file(&self.bench)).unwrap_or_default();
        let whole = text.split_inclusive("\n\n").filter(|text| text.ends_with("\n\n"));
        whole.map(str::to_owned).collect()
    }

    /// Everything that must hold of the finished run.
    pub(crate) fn audit(&self) {
        let bench = &self.bench;
        safety(bench);
        self.verify();
        let rows = intents(bench);
        assert_eq!(rows.len(), self.rows, "every row has its intent");
        for row in &rows {
            let outcome = row.outcome();
            assert!(["deleted", "gone", "absent", "failed"].contains(&outcome.as_str()), "settled: {row:#?}");
            assert_eq!(outcome == "failed", self.rows == 20 && row.name() == DENIED, "{row:#?}");
            assert!(bench.world.deletes(&row.name()) as u64 <= row.attempts(), "more requests than attempts: {row:#?}");
            assert!(bench.world.deleted_by_us(&row.place()) <= 1, "an effect twice: {row:#?}");
        }
        let settled = "SELECT count(*) AS n FROM (SELECT row_no FROM entries WHERE kind = 'row_settled' \
             OR (kind = 'attempt_finished' AND json_extract(body, '$.outcome') IS NOT NULL) GROUP BY run_id, row_no HAVING count(*) <> 1)";
        assert_eq!(count(bench, settled), 0, "exactly one outcome a row");
        let requests = bench.world.arrived("DeleteKeyPair").len() as u64;
        let started = count(bench, "SELECT count(*) AS n FROM entries WHERE kind = 'attempt_started'");
        assert!(requests <= started, "{requests} requests and {started} attempt_started");
        self.fixed_point();
    }

    /// I6: a second resume sends nothing and writes nothing but its session entries.
    fn fixed_point(&self) {
        let bench = &self.bench;
        let run = bench.query("SELECT max(run_id) AS run FROM runs")[0]["run"].as_str().unwrap().to_owned();
        let entries = count(bench, "SELECT count(*) AS n FROM entries");
        let requests = || bench.world.state().log.len();
        let before = requests();
        let code = if self.rows == 20 { 3 } else { 0 };
        bench.keybatch(&["resume", &run, "--output", "json"]).exits(code);
        assert_eq!(requests(), before, "a finished run sends nothing");
        assert_eq!(count(bench, "SELECT count(*) AS n FROM entries"), entries, "a finished run writes nothing");
    }
}

/// What the environment asks of a campaign.
#[expect(clippy::disallowed_methods, reason = "only the tests' own size and seed, never a setting of the program")]
pub(crate) fn asked(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The same as a number.
pub(crate) fn number(name: &str) -> Option<u64> {
    let text = asked(name)?;
    let number = text.parse().ok();
    if number.is_none() {
        say(&format!("{name} is no number: {text}"));
    }
    number
}
