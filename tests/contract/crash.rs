//! `kill -9` at any moment, then `resume`: at least fifty kills of the real binary, spread over the whole length of a
//! run, against a stand-in that misbehaves in several ways. The seed is fixed and printed; `KEYBATCH_CRASH_SEED` at
//! build time sets another.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use crate::support::{self, Act, Bench, Effect, count, intents, safety};

const KILLS: u32 = 50;
const KILLS_AT_A_DESK: u32 = 12;
const ROWS: usize = 40;
/// A campaign is one manifest from its start to its end; after this many kills it may finish.
const KILLS_PER_CAMPAIGN: u32 = 6;
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// One manifest against one misbehaving world.
struct Campaign {
    bench: Bench,
    manifest: std::path::PathBuf,
}

impl Campaign {
    /// Forty rows, about half of them with a fault, drawn from the seed.
    fn new(random: &mut fastrand::Rng) -> Self {
        let bench = Bench::new();
        let names = bench.world.keys("key", ROWS);
        bench.world.always("DeleteKeyPair", "*", Act::ok().after(Duration::from_millis(15)));
        let mut hangs = 0;
        for (index, name) in names.iter().enumerate() {
            if index == 13 || index == 29 {
                bench.world.always("DeleteKeyPair", name, Act::denied());
                continue;
            }
            let effect = *random.choice(&[Effect::Nothing, Effect::Delete, Effect::DeleteAndRecreate]).unwrap();
            let acts = match random.u32(..16) {
                0 => vec![Act::throttle()],
                1 => vec![Act::throttle(), Act::cut().with(effect)],
                2 => vec![Act::server_error().with(effect), Act::server_error()],
                3 => vec![Act::cut().with(effect)],
                4 => vec![Act::truncated().with(effect)],
                5 => vec![Act::empty_object().with(effect)],
                6 => vec![Act::slow(2, "Succeeded")],
                7 => vec![Act::failed_operation()],
                8 => vec![Act::type_and_code(400, "NotFoundException", "DoesNotExist").with(Effect::Vanish)],
                9 if hangs < 2 => {
                    hangs += 1;
                    vec![Act::hang().with(effect)]
                }
                _ => continue,
            };
            let acts = acts.into_iter().map(|act| act.after(Duration::from_millis(random.u64(..30))));
            bench.world.script("DeleteKeyPair", name, acts);
        }
        let manifest = bench.manifest(&names);
        Self { bench, manifest }
    }

    /// The state of the latest run; `None` if there is no journal yet, or no run in it.
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

    fn untouched(&self) -> bool {
        self.bench.world.arrived("DeleteKeyPair").is_empty()
    }

    /// Starts the next command; `None` if the run is finished.
    fn next(&self) -> Option<support::Live> {
        match self.state().as_deref() {
            Some("finished") => None,
            Some("running" | "stopped") => Some(self.bench.spawn(&["resume", "--output", "json"])),
            None | Some("planning" | "abandoned") => {
                assert!(self.untouched(), "a run that sent something is not planning, abandoned or lost");
                Some(self.bench.spawn_run(&self.manifest, &[]))
            }
            Some(other) => panic!("an unknown state `{other}`"),
        }
    }

    /// I7: verify never reports tampering after a mere crash.
    fn verify(&self) {
        if !self.bench.journal().exists() {
            return;
        }
        let done = self.bench.verify();
        let unborn = self.untouched() && (done.code == Some(9) || done.stdout.contains("cannot_verify"));
        assert!(done.code == Some(0) || unborn, "verify after a kill\n{done}");
    }

    /// Everything that must hold for the finished run.
    fn audit(&self) {
        let bench = &self.bench;
        safety(bench);
        let rows = intents(bench);
        assert_eq!(rows.len(), ROWS);
        for row in &rows {
            let outcome = row.outcome();
            assert!(["deleted", "gone", "absent", "failed"].contains(&outcome.as_str()), "settled: {row:#?}");
            assert_eq!(outcome == "failed", ["key-14", "key-30"].contains(&row.name().as_str()), "{row:#?}");
            assert!(bench.world.deletes(&row.name()) as u64 <= row.attempts(), "more requests than attempts: {row:#?}");
            assert!(bench.world.deleted_by_us(&row.place()) <= 1, "an effect twice: {row:#?}");
        }
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
        let requests = || {
            let state = bench.world.state();
            state.log.iter().filter(|arrival| arrival.operation != "GetCallerIdentity").count()
        };
        let before = requests();
        bench.keybatch(&["resume", &run, "--output", "json"]).exits_one_of(&[0, 3]);
        assert_eq!(requests(), before, "a finished run sends nothing");
        let kinds = "kind NOT IN ('session_opened', 'session_closed', 'checkpoint_made')";
        let sql = format!("SELECT count(*) AS n FROM entries WHERE seq >= {entries} AND {kinds}");
        assert_eq!(count(bench, &sql), 0, "a finished run writes session entries only");
    }
}

/// I1 to I7 under fifty kills.
// SEMANTICS: P14
// SEMANTICS: P16
// SEMANTICS: P45
// SEMANTICS: P51
#[test]
fn fifty_kills() {
    let start = Instant::now();
    let seed: u64 = option_env!("KEYBATCH_CRASH_SEED").and_then(|text| text.parse().ok()).unwrap_or(0x6b65_7962);
    say(&format!("crash seed {seed}"));
    let mut random = fastrand::Rng::with_seed(seed);
    // A calm campaign shows how long a full run takes; the kills are spread over that time.
    let calm = Campaign::new(&mut random);
    let done = calm.next().expect("a fresh campaign").wait().exits(3);
    let length = done.took;
    calm.audit();
    let (mut kills, mut campaigns) = (0, 0);
    while kills < crate::campaign::size(KILLS_AT_A_DESK, KILLS) {
        campaigns += 1;
        let campaign = Campaign::new(&mut random);
        let mut here = 0;
        while let Some(mut live) = campaign.next() {
            assert!(start.elapsed() < LIMIT, "the whole test takes too long");
            let delay = length.mul_f64(random.f64());
            if here < KILLS_PER_CAMPAIGN && live.runs_until(delay) {
                live.kill();
                here += 1;
                campaign.verify();
                continue;
            }
            live.wait().exits(3);
        }
        campaign.audit();
        kills += here;
    }
    say(&format!("{kills} kills in {campaigns} campaigns, a full run takes {length:?}, {:?} in all", start.elapsed()));
}

/// Kills only in the first moments, while the journal is created and the plan is written: nothing is ever lost or stuck.
// SEMANTICS: P13
#[test]
fn kills_while_planning() {
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..3 {
        let campaign = Campaign::new(&mut random);
        for _ in 0..8 {
            let Some(mut live) = campaign.next() else { break };
            if live.runs_until(Duration::from_millis(random.u64(..60))) {
                live.kill();
            } else {
                live.wait().exits(3);
            }
            campaign.verify();
        }
        while let Some(live) = campaign.next() {
            live.wait().exits(3);
        }
        campaign.audit();
    }
}

/// "States of a run": a run that died while planning is closed as `abandoned`, and its manifest is free again.
// SEMANTICS: P13
#[test]
fn a_run_that_died_while_planning_is_abandoned() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 3);
    let manifest = bench.manifest(&names);
    bench.world.script("GetKeyPairs", "*", [Act::hang()]);
    let live = bench.spawn_run(&manifest, &["--attempt-timeout", "30s"]);
    support::wait_until("GetKeyPairs arrives", || !bench.world.arrived("GetKeyPairs").is_empty());
    live.kill();
    let done = bench.resume().exits(0);
    assert!(done.said().contains("nothing"), "says that nothing was sent\n{done}");
    assert!(bench.world.arrived("DeleteKeyPair").is_empty());
    bench.run(&manifest, &[]).exits(0);
    let states = bench.query("SELECT state FROM runs WHERE state NOT IN ('finished', 'abandoned')");
    assert!(states.is_empty(), "{states:?}");
    support::invariants(&bench);
}

/// Line "dangling attempt_started after a crash": settled before anything else, whether or not it took effect.
// SEMANTICS: P45
#[test]
fn a_dangling_attempt_is_settled_first() {
    for (effect, verdict, deletes) in [(Effect::Nothing, "deleted/answer", 2), (Effect::Delete, "deleted/operation", 1)]
    {
        let bench = Bench::new();
        let names = bench.world.keys("key", 1);
        bench.world.script("DeleteKeyPair", &names[0], [Act::hang().with(effect)]);
        let live = bench.spawn_run(&bench.manifest(&names), &["--attempt-timeout", "2s"]);
        support::wait_until("the effect has taken hold", || {
            bench.world.deletes(&names[0]) == 1 && bench.world.has(&names[0]) == (effect == Effect::Nothing)
        });
        live.kill();
        bench.resume().exits(0);
        let row = support::row(&bench, &names[0]);
        assert_eq!(row.verdict(), verdict, "{row:#?}");
        assert_eq!(bench.world.deletes(&names[0]), deletes);
        let story = bench.world.story(&names[0]);
        let first = story.iter().position(|operation| operation == "DeleteKeyPair").unwrap();
        assert_eq!(story[first + 1], "GetKeyPair", "looked at first: {story:?}");
        safety(&bench);
    }
}

/// Writes to the real stderr, past the test harness.
fn say(text: &str) {
    let _written = writeln!(std::io::stderr(), "{text}");
}
