//! The same manifest again: refused, continued or repeated; and names that are reused: repeating a run never deletes the new key pair
//! in place of the old one (I4).

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Child;

use crate::support::{ACCOUNT, Act, Bench, Done, Effect, HOME, now_us, row, summary};

/// The run's id of a summary.
fn run_of(done: &Done) -> String {
    done.json()["run"].as_str().unwrap().to_owned()
}

/// Whether `name` still has the key pair of this arn.
#[track_caller]
fn still_there(bench: &Bench, name: &str, arn: &str) {
    let state = bench.world.state();
    assert_eq!(state.keys[&(HOME.to_owned(), name.to_owned())].arn, arn, "{name}");
}

fn notes(bench: &Bench, name: &str) -> String {
    let sql = format!(
        "SELECT json_extract(body, '$.line.notes') AS notes FROM entries WHERE kind = 'intent_recorded' \
         AND json_extract(body, '$.line.name') = '{name}' ORDER BY seq DESC LIMIT 1"
    );
    bench.query(&sql)[0]["notes"].to_string()
}

/// Found in a trial, not in a public report: a job that was run again after it had finished deleted a key pair that the first run had
/// found re-created and had not deleted.
// SEMANTICS: P12
// SEMANTICS: P59
#[test]
fn a_finished_manifest_is_refused_and_again_spares_what_was_re_created() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 4);
    let manifest = bench.manifest(&names);
    // The second one is replaced before the run reaches it: the run sees that, and spares it.
    bench.run(&manifest, &["--max-deletes", "1", "--concurrency", "1"]).exits(5);
    bench.world.state().apply(Effect::VanishAndRecreate, &(HOME.to_owned(), names[1].clone()));
    let first = bench.resume().exits(3);
    assert_eq!(row(&bench, &names[1]).outcome(), "skipped", "{first}");
    let spared = bench.world.state().keys[&(HOME.to_owned(), names[1].clone())].arn.clone();
    // And one that the run deleted is made anew, the others stay deleted.
    let anew = bench.world.key(&names[0]).arn;
    let run = run_of(&first);
    let copy = bench.file("copy.csv", std::fs::read(&manifest).unwrap());
    let deletes = bench.world.arrived("DeleteKeyPair").len();
    for path in [&manifest, &copy] {
        for dry in [&["--dry-run"][..], &[]] {
            let done = bench.run(path, dry).exits(4);
            assert!(done.said().contains(&run) && done.said().contains("--again"), "{done}");
            let error = done.json();
            assert_eq!((&error["code"], &error["run"]), (&"run.finished".into(), &run.clone().into()), "{done}");
        }
    }
    let again = bench.run(&manifest, &["--again"]).exits(3);
    let outcomes = &summary(&bench, &again)["outcomes"];
    assert_eq!((&outcomes["skipped"], &outcomes["absent"], &outcomes["deleted"]), (&2.into(), &2.into(), &0.into()));
    assert!(notes(&bench, &names[0]).contains("recreated") && notes(&bench, &names[1]).contains("recreated"));
    assert!(again.stderr.contains("recreated") && again.stderr.contains(&names[0]), "the plan names them\n{again}");
    let skipped = row(&bench, &names[1]);
    assert_eq!(skipped.verdict(), "skipped/note");
    // However often: `--again` lifts only the refusal of the manifest.
    bench.run(&manifest, &["--again", "--if-recreated", "warn"]).exits(3);
    bench.run(&manifest, &["--again", "--if-recreated", "refuse"]).exits(4);
    assert_eq!(bench.world.arrived("DeleteKeyPair").len(), deletes);
    still_there(&bench, &names[0], &anew);
    still_there(&bench, &names[1], &spared);
    let used = bench.query("SELECT count(*) AS n FROM overrides WHERE override = 'again'");
    assert_eq!(used[0]["n"], 3, "it is an override, and recorded as one");
    bench.verify().exits(0);
}

/// A row that gives the new key pair's arn or creation time means that key pair; a fingerprint does not suffice, because the same key
/// material may be imported twice.
// SEMANTICS: P59
#[test]
fn a_row_that_names_the_new_identity_is_deleted() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 1);
    let manifest = bench.manifest(&names);
    bench.run(&manifest, &[]).exits(0);
    let new = bench.world.key(&names[0]);
    // The same bytes cannot name it, so this is another manifest: the name is shown and counted, and deleted.
    let text = format!("name,arn\n{},{}\n", names[0], new.arn);
    let named = bench.file("named.csv", text);
    let done = bench.run(&named, &[]).exits(0);
    assert!(done.stderr.contains("recreated: 1"), "{done}");
    // A world restored from a copy, so that the manifest that names it has been run, and it is there.
    bench.world.state().keys.insert((HOME.to_owned(), names[0].clone()), new);
    bench.run(&named, &["--again"]).exits(0);
    bench.verify().exits(0);
}

/// Another manifest may name a re-created key pair: it is shown and counted, and `--if-recreated` decides.
// SEMANTICS: P59
#[test]
fn another_manifest_may_use_a_name_again() {
    let mut bench = Bench::new();
    let names = bench.world.keys("key", 2);
    bench.run(&bench.manifest(&names), &[]).exits(0);
    let second = bench.world.key(&names[0]);
    let other = |bench: &Bench, reason: &str| bench.file("other.csv", format!("name,reason\n{},{reason}\n", names[0]));
    let manifest = other(&bench, "one");
    let refused = bench.run(&manifest, &["--if-recreated", "refuse"]).exits(4);
    assert!(refused.said().contains(&names[0]), "{refused}");
    bench.run(&manifest, &["--if-recreated", "skip"]).exits(3);
    bench.set("KEYBATCH_IF_RECREATED", "skip");
    bench.run(&other(&bench, "two"), &[]).exits(3);
    still_there(&bench, &names[0], &second.arn);
    bench.unset("KEYBATCH_IF_RECREATED");
    let dry = bench.run_unconfirmed(&other(&bench, "three"), &["--dry-run"]).exits(0);
    assert_eq!(dry.json()["note_counts"]["recreated"], 1, "{dry}");
    let done = bench.run(&other(&bench, "three"), &[]).exits(0);
    assert!(done.stderr.contains("recreated: 1"), "{done}");
    // A chain: the third one is neither of those that runs dealt with.
    let third = bench.world.key(&names[0]);
    bench.run(&other(&bench, "three"), &["--again"]).exits(3);
    bench.run(&bench.manifest(&names), &["--again"]).exits(3);
    still_there(&bench, &names[0], &third.arn);
    bench.verify().exits(0);
}

/// A run that left a row unsettled, and one of another account, region or kind.
// SEMANTICS: P59
#[test]
fn only_runs_of_the_same_place_count() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 2);
    // A rehearsal of the same manifest, which made and deleted key pairs of these names in a world of its own.
    let manifest = bench.manifest(&names);
    bench.run(&manifest, &["--sandbox"]).exits(0);
    bench.run(&manifest, &["--sandbox"]).exits(0);
    bench.run(&manifest, &["--max-deletes", "1", "--concurrency", "1"]).exits(5);
    // The row that is left was seen in the plan; a run that stopped knows it as well as one that finished.
    let left = if bench.world.has(&names[0]) { &names[0] } else { &names[1] };
    bench.world.state().apply(Effect::VanishAndRecreate, &(HOME.to_owned(), left.clone()));
    let other = bench.file("other.csv", format!("name,reason\n{left},x\n"));
    bench.run(&other, &["--if-recreated", "refuse"]).exits(4);
    // Of the same names in another account no run knows anything, and its manifest is not this one's run either.
    bench.world.state().account = "999999999999".to_owned();
    bench.world.key(&names[0]);
    bench.world.key(&names[1]);
    let done = bench.run(&manifest, &["--if-recreated", "refuse"]);
    assert_eq!(done.code, Some(0), "{done}");
    bench.world.state().account = ACCOUNT.to_owned();
    bench.resume().exits(0);
}

/// A key pair that did not exist when the manifest was first run is not one that the manifest was written for.
// SEMANTICS: P59
#[test]
fn what_was_created_after_the_first_run_is_spared_too() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 1);
    let manifest = bench.manifest(&[names[0].as_str(), "late", "early"]);
    bench.run(&manifest, &[]).exits(0);
    let mut late = bench.world.key("late");
    late.created_ms = now_us() / 1_000;
    late.created_number = format!("{}.{:03}", late.created_ms / 1000, late.created_ms % 1000);
    let arn = late.arn.clone();
    bench.world.state().keys.insert((HOME.to_owned(), "late".to_owned()), late);
    // One that was there already, and that the listing had not shown.
    bench.world.key("early");
    bench.run(&manifest, &["--again"]).exits(3);
    assert_eq!((row(&bench, "late").outcome(), row(&bench, "early").outcome()), ("skipped".into(), "deleted".into()));
    still_there(&bench, "late", &arn);
}

/// `run FILE --resume` begins a run, continues it, and reports again how it ended.
// SEMANTICS: P60
#[test]
fn run_resume_does_what_is_left_to_do() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 3);
    let manifest = bench.manifest(&names);
    let begun = bench.run(&manifest, &["--resume", "--max-deletes", "1", "--concurrency", "1"]).exits(5);
    let run = run_of(&begun);
    let refused = bench.run(&manifest, &["--again"]).exits(11);
    assert!(refused.said().contains(&format!("keybatch resume {run}")), "{refused}");
    let error = refused.json();
    assert_eq!((&error["code"], &error["run"]), (&"run.unfinished".into(), &run.clone().into()), "{refused}");
    bench.run(&manifest, &["--dry-run"]).exits(11);
    // What is confirmed already is not asked for once more.
    let ended = bench.run_unconfirmed(&manifest, &["--resume"]).exits(0);
    assert_eq!((run_of(&ended), &ended.json()["outcomes"]["deleted"]), (run.clone(), &3.into()), "{ended}");
    let agent = format!("app/keybatch-{run}");
    assert!(bench.world.arrived("DeleteKeyPair").iter().all(|arrival| arrival.agent.contains(&agent)));
    let before = bench.query("SELECT count(*) AS n FROM entries");
    let once_more = bench.run_unconfirmed(&manifest, &["--resume"]).exits(0);
    assert_eq!((run_of(&once_more), &once_more.json()["outcomes"]["deleted"]), (run, &3.into()), "{once_more}");
    assert_eq!(bench.query("SELECT count(*) AS n FROM entries"), before, "nothing is written");
    // Another manifest has no run yet, and beginning one needs a confirmation.
    let other = bench.file("other.csv", "name\nkey-01\nkey-02\n");
    bench.run_unconfirmed(&other, &["--resume"]).exits(2);
    bench.run(&manifest, &["--resume", "--again"]).exits(2);
    // A job may have the variable set for all that it does.
    let mut bench = bench;
    bench.set("KEYBATCH_RESUME", "1");
    let dry = bench.run_unconfirmed(&manifest, &["--dry-run"]).exits(0);
    assert!(dry.stderr.contains("is finished"), "{dry}");
    bench.run_unconfirmed(&other, &["--dry-run"]).exits(0);
    bench.set("KEYBATCH_RESUME", "0");
    bench.run_unconfirmed(&manifest, &["--again", "--confirm", "0"]).exits(0);
    bench.verify().exits(0);
}

/// The exit code of a finished run is returned again, and abandoned runs do not count.
// SEMANTICS: P60
#[test]
fn run_resume_gives_the_exit_code_of_the_run() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 2);
    let manifest = bench.manifest(&names);
    bench.run_unconfirmed(&manifest, &["--confirm", "9"]).exits(4);
    bench.world.always("DeleteKeyPair", &names[0], Act::type_only(400, "InvalidInputException"));
    bench.run(&manifest, &["--resume"]).exits(3);
    bench.run(&manifest, &["--resume"]).exits(3);
    assert_eq!(bench.world.arrived("DeleteKeyPair").len(), 2);
    // A rehearsal in a world of its own goes on in that world.
    let begun = bench.run(&manifest, &["--sandbox", "--resume", "--max-deletes", "1"]).exits(5);
    let ended = bench.run(&manifest, &["--sandbox", "--resume"]).exits(0);
    assert_eq!(run_of(&begun), run_of(&ended));
    assert_eq!(run_of(&bench.run(&manifest, &["--sandbox", "--resume"]).exits(0)), run_of(&ended));
    assert_eq!(bench.world.arrived("DeleteKeyPair").len(), 2);
}

/// If every key pair is absent, the account, profile or region may be wrong: `--yes` does not confirm that, the number does.
// SEMANTICS: P61
#[test]
fn where_nothing_is_there_yes_is_refused() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 2);
    let text = format!("name,region\n{},\nother-1,eu-central-1\nother-2,eu-central-1\n", names[0]);
    let manifest = bench.file("m.csv", text);
    for flags in [&[][..], &["--dry-run"]] {
        let done = bench.run(&manifest, flags).exits(4);
        assert!(done.stderr.contains("eu-central-1") && done.stderr.contains("--confirm 1"), "{done}");
    }
    let shown = bench.run_unconfirmed(&manifest, &["--dry-run"]).exits(0);
    assert_eq!(shown.json()["nothing_there"][0]["region"], "eu-central-1", "{shown}");
    bench.run_unconfirmed(&manifest, &["--dry-run", "--confirm", "3"]).exits(4);
    assert_eq!(bench.world.arrived("DeleteKeyPair").len(), 0);
    let done = bench.run_unconfirmed(&manifest, &["--confirm", "1"]).exits(0);
    assert_eq!(summary(&bench, &done)["outcomes"]["absent"], 2, "{done}");
    // Of invalid rows nothing is known, so they are no sign of a wrong place.
    let invalid = bench.file("i.csv", "name\na?b\n");
    bench.run(&invalid, &["--skip-invalid"]).exits(3);
}

/// `resume` without a name: the only unfinished real run; several are listed; rehearsals come last.
// SEMANTICS: P62
#[test]
fn resume_prefers_the_real_run_and_asks_where_there_are_several() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 6);
    let file = |name: &str, names: &[String]| bench.file(name, format!("name\n{}\n", names.join("\n")));
    let stop = |path: &Path, more: &[&str]| {
        let flags = [&["--max-deletes", "1", "--concurrency", "1"], more].concat();
        run_of(&bench.run(path, &flags).exits(5))
    };
    let first = stop(&file("a.csv", &names[..3]), &[]);
    let rehearsal = stop(&file("b.csv", &names), &["--sandbox"]);
    let second = stop(&file("c.csv", &names[3..]), &[]);
    // Declined, refused: never the one that is meant.
    bench.run_unconfirmed(&file("d.csv", &names[..2]), &["--confirm", "77"]).exits(4);
    let asked = bench.resume().exits(4);
    assert!(asked.said().contains(&first) && asked.said().contains(&second), "{asked}");
    assert!(!asked.said().contains(&rehearsal), "{asked}");
    assert_eq!(run_of(&bench.keybatch(&["resume", &second, "--output", "json"]).exits(0)), second);
    assert_eq!(run_of(&bench.resume().exits(0)), first, "the only real one, though a rehearsal is newer");
    let went_on = bench.resume().exits(0);
    assert_eq!((run_of(&went_on), &went_on.json()["sandbox"]), (rehearsal, &true.into()), "{went_on}");
    // Several rehearsals are nothing that a real job waits for.
    for name in ["e.csv", "f.csv"] {
        stop(&file(name, &names[..if name == "e.csv" { 3 } else { 2 }]), &["--sandbox"]);
    }
    let nothing = bench.resume().exits(0);
    assert!(nothing.stderr.contains("2 rehearsals"), "{nothing}");
}

/// The look-alike that ships, served as another program would meet it.
struct Served {
    child: Child,
    address: String,
}

impl Served {
    fn start(bench: &mut Bench, world: &str) -> Self {
        let world = bench.file("w.json", world).display().to_string();
        let state = bench.home().join("state-of-the-world").display().to_string();
        let mut child = bench.command(&["sandbox", &world, "--state", &state, "--quiet"]).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        bench.set("AWS_ENDPOINT_URL", url.trim());
        Self { child, address: url.trim().trim_start_matches("http://").to_owned() }
    }

    /// Asks as another program would.
    fn ask(&self, operation: &str, name: &str) {
        let (address, body) = (&self.address, format!(r#"{{"keyPairName":"{name}"}}"#));
        let mut stream = TcpStream::connect(address).unwrap();
        let request = format!(
            "POST / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nX-Amz-Target: Lightsail_20161128.{operation}\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential=OTHER/20260101/us-east-1/lightsail/aws4_request, \
             SignedHeaders=host, Signature=0\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The whole story against the look-alike that ships: run, re-created by somebody else, run again.
// SEMANTICS: P59
#[test]
fn the_story_of_a_re_created_key_pair_in_a_served_sandbox() {
    let mut bench = Bench::new();
    let world = r#"{"name":"story","key_pairs":{"us-east-1":[{"name":"one"},{"name":"two"}]}}"#;
    let served = Served::start(&mut bench, world);
    let manifest = bench.manifest(&["one", "two"]);
    let first = bench.run(&manifest, &[]).exits(0);
    served.ask("CreateKeyPair", "one");
    let refused = bench.run(&manifest, &[]).exits(4);
    assert!(refused.said().contains(&run_of(&first)), "{refused}");
    let again = bench.run(&manifest, &["--again"]).exits(3);
    let outcomes = &again.json()["outcomes"];
    assert_eq!((&outcomes["skipped"], &outcomes["absent"]), (&1.into(), &1.into()), "{again}");
    assert!(notes(&bench, "one").contains("recreated"));
    bench.verify().exits(0);
}

/// What an earlier run knows is read page by page, and the last page counts like the first one.
// SEMANTICS: P59
#[test]
fn a_large_run_is_remembered_to_its_last_row() {
    const ROWS: usize = 4_500;
    let mut bench = Bench::new();
    let world = format!(
        r#"{{"name":"large","page_size":1000,"generate":[{{"region":"us-east-1","prefix":"k-","count":{ROWS}}}]}}"#
    );
    let served = Served::start(&mut bench, &world);
    let names: Vec<String> = (1..=ROWS).map(|number| format!("k-{number:06}")).collect();
    bench.run(&bench.manifest(&names), &["--max-deletes", "1", "--concurrency", "1"]).exits(5);
    for name in [&names[1], &names[2_000], &names[4_499]] {
        served.ask("DeleteKeyPair", name);
        served.ask("CreateKeyPair", name);
    }
    // Others of the first run's names are not in this one.
    let other = bench.file("other.csv", format!("name,ticket\n{},x\n", names[1..].join(",x\n")));
    let plan = bench.run_unconfirmed(&other, &["--dry-run"]).exits(0);
    assert_eq!(plan.json()["note_counts"]["recreated"], 3, "{plan}");
    assert!(plan.said().contains(&names[4_499]), "{plan}");
}
