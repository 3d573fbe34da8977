//! `keybatch journal copy`: from any place to any other, by the program itself.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use keybatch::journal::postgres::Hold;
use keybatch::journal::{EntryStore as _, Import as _, Location, Lock, open};
use keybatch::record::{Entry, Sealed};
use serde_json::Value;

use crate::postgres::server::{ADMIN, Database, run};
use crate::postgres::{clock, holder};
use crate::support::{Act, Bench, Done, Effect, Live, TOKEN_CANARY};

crate::harness::tests![; async a_copy_between_files_is_the_journal_byte_for_byte, a_copy_through_databases_is_the_journal_byte_for_byte,
    once_one_has_gone_on_the_other_is_refused, what_verify_does_not_accept_is_not_copied,
    a_damaged_database_is_not_copied, a_place_that_holds_something_is_refused_and_unchanged,
    a_database_that_holds_something_else_is_refused_and_unchanged, a_journal_in_use_is_not_copied,
    a_database_in_use_is_not_copied, a_copy_into_a_database_goes_on_where_another_ended,
    a_signal_leaves_no_file, a_signal_leaves_what_is_in_a_database, a_sealed_journal_stays_sealed];

fn of(bench: &Bench, args: &[&str]) -> Done {
    Live::of(bench.command(args).spawn().unwrap()).wait()
}

fn copy(bench: &Bench, from: &str, to: &str) -> Done {
    of(bench, &["journal", "copy", from, to, "--output", "json"])
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn url(database: &Database) -> String {
    database.url(ADMIN, database.port)
}

/// A journal that continues an archive, with runs of every kind and bodies of every form. Its last run is stopped. Also the archive.
fn life() -> (Bench, PathBuf) {
    let bench = Bench::new();
    bench.run(&bench.manifest(&bench.world.keys("old", 2)), &[]).exits(0);
    let archived = bench.keybatch(&["journal", "archive", "--output", "json"]).exits(0).json();
    let names = bench.world.keys("strange", 6);
    let large: &'static str = Box::leak("<p>\u{e9} long</p>".repeat(10_000).into_boxed_str());
    let quoting: &'static str = Box::leak(format!("host:h\nx-amz-security-token:{TOKEN_CANARY}\n").into_boxed_str());
    let bodies = ["<html>$k$ 'quoted' \\ \u{1f511}\n</html>", "\0binary\0", large, quoting, "{\"a\":1,\"a\":2}"];
    for (name, body) in names.iter().zip(bodies) {
        bench.world.script("DeleteKeyPair", name, [Act::raw(503, "text/html", body)]);
    }
    let silent = names[5].clone();
    let lost = Act::cut().with(Effect::Delete).and(move |state| {
        state.always.insert(("GetKeyPair".to_owned(), silent.clone()), Act::server_error());
    });
    bench.world.script("DeleteKeyPair", &names[5], [lost]);
    bench.world.always("GetOperationsForResource", &names[5], Act::empty_object());
    bench.run(&bench.manifest(&names), &["--settle-timeout", "1s"]).exits(6);
    bench.keybatch(&["resolve", "latest", &names[5], "--outcome", "deleted", "--because", "I looked"]).exits(0);
    let manifest = bench.file("later.csv", format!("key_pair_name\n{}\n", bench.world.keys("later", 6).join("\n")));
    bench.run(&manifest, &["--max-deletes", "2"]).exits(5);
    (bench, archived["archive"].as_str().unwrap().into())
}

async fn stored(at: impl Into<Location>) -> Vec<(Entry, Sealed)> {
    let mut snapshot = open::snapshot(at).await.unwrap();
    snapshot.begin().await.unwrap();
    let (mut all, mut next) = (Vec::new(), 0);
    while let page = snapshot.page(next).await.unwrap()
        && let Some(last) = page.last()
    {
        for (seq, body, leaf) in page.entries() {
            let body = String::from_utf8(body.to_vec()).unwrap();
            all.push((Entry::parse(&body).unwrap(), Sealed { seq: u64::try_from(seq).unwrap(), body, leaf }));
        }
        next = last + 1;
    }
    snapshot.end().await;
    all
}

/// Everything in a directory, with what the files hold.
fn listed(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().path()).filter(|path| path.is_file());
    let mut files: Vec<_> = files.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
    files.retain(|(path, _)| !text(path).ends_with(".lock"));
    files.sort();
    files
}

fn names(directory: &Path) -> Vec<PathBuf> {
    listed(directory).into_iter().map(|(name, _)| name).collect()
}

/// Copies, and looks at both afterwards.
async fn is_copied(bench: &Bench, from: (&str, Location), to: (&str, Location)) -> Done {
    let before = stored(from.1.clone()).await;
    let done = copy(bench, from.0, to.0).exits(0);
    let told = done.json();
    assert_eq!((&told["schema"], &told["continued_from"]), (&"keybatch.copied/1".into(), &Value::Null), "{done}");
    assert_eq!((told["from"].as_str(), told["to"].as_str()), (Some(from.0), Some(to.0)));
    assert!(stored(from.1).await == before && stored(to.1).await == before, "byte for byte");
    let verdict = |at: &str| of(bench, &["verify", "--journal", at, "--output", "json"]).exits(0).json();
    for report in [verdict(from.0), verdict(to.0)] {
        assert_eq!((&report["root"], &report["entries"]), (&told["root"], &told["entries"]), "{report}");
        assert_eq!(report["entries"], before.len());
    }
    done
}

/// A session goes on with the copy, and another begins with it.
fn goes_on(bench: &Bench, at: &str, archive: &Path, copied: &Done) {
    of(bench, &["resume", "--journal", at, "--output", "json"]).exits(0);
    let more = bench.file("more.csv", format!("key_pair_name\n{}\n", bench.world.keys("more", 2).join("\n")));
    let args = ["run", &text(&more), "--journal", at, "--yes", "--output", "json"];
    let refused = of(bench, &args).exits(9);
    assert_eq!(refused.json()["code"], "journal.archive_missing", "{refused}");
    let (_, place) = copied.stderr.lines().find_map(|line| line.split_once("look for as ")).unwrap();
    std::fs::create_dir_all(Path::new(place).parent().unwrap()).unwrap();
    std::fs::copy(archive, place).unwrap();
    of(bench, &args).exits(0);
    of(bench, &["verify", "--journal", at]).exits(0);
}

// SEMANTICS: P141
async fn a_copy_between_files_is_the_journal_byte_for_byte() {
    let (bench, archive) = life();
    let (from, to) = (bench.journal(), bench.home().join("other/copy.db"));
    for form in
        ["\"text\":\"<html>$k$", "\"base64\":\"", "\"sha256\":\"", "\"cut\":true", "row_resolved", "\"previous\""]
    {
        assert!(stored(&from).await.iter().any(|(_, sealed)| sealed.body.contains(form)), "{form}");
    }
    let bytes = std::fs::read(&from).unwrap();
    let (other, home) = (to.with_file_name("other.db"), names(bench.home()));
    copy(&bench, &text(&from), &text(&other)).exits(0);
    assert_eq!((names(other.parent().unwrap()), names(bench.home())), (vec![other], home), "one file");
    let copied = is_copied(&bench, (&text(&from), (&from).into()), (&text(&to), (&to).into())).await;
    assert!(std::fs::read(&from).unwrap() == bytes, "it is only read");
    assert_eq!(std::fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
    goes_on(&bench, &text(&to), &archive, &copied);
}

// SEMANTICS: P141
async fn a_copy_through_databases_is_the_journal_byte_for_byte() {
    let (one, other) = (Database::with_schema().await, Database::with_schema().await);
    let (bench, archive) = life();
    let (from, to) = (bench.journal(), bench.home().join("back.db"));
    is_copied(&bench, (&text(&from), (&from).into()), (&url(&one), one.location())).await;
    let copied = is_copied(&bench, (&url(&one), one.location()), (&url(&other), other.location())).await;
    is_copied(&bench, (&url(&other), other.location()), (&text(&to), (&to).into())).await;
    goes_on(&bench, &url(&other), &archive, &copied);
    // What went on can be brought up to date in the one that did not: it holds the beginning of it.
    let size = stored(&from).await.len();
    assert_eq!(copy(&bench, &url(&other), &url(&one)).exits(0).json()["continued_from"], size);
    assert!(stored(one.location()).await == stored(other.location()).await);
}

// SEMANTICS: P141
async fn once_one_has_gone_on_the_other_is_refused() {
    for back in [false, true] {
        let (bench, _) = life();
        let (from, to) = (text(&bench.journal()), text(&bench.home().join("copy.db")));
        let done = of(&bench, &["journal", "copy", &from, &to]).exits(0);
        for said in [&*format!("continue with --journal {to}"), "put it away", "this machine refuses the other"] {
            assert!(done.stdout.contains(said), "{done}");
        }
        let (first, second) = if back { (&from, &to) } else { (&to, &from) };
        of(&bench, &["resume", "--journal", first]).exits(0);
        let refused = of(&bench, &["resume", "--journal", second, "--output", "json"]).exits(4);
        assert_eq!(refused.json()["code"], "journal.rolled_back", "{refused}");
    }
}

// SEMANTICS: P141
async fn what_verify_does_not_accept_is_not_copied() {
    let (bench, _) = life();
    let (from, to) = (bench.journal(), bench.home().join("copy.db"));
    let mut bytes = std::fs::read(&from).unwrap();
    let place = bytes.windows(8).position(|window| window == b"I looked").unwrap();
    bytes[place] = b'i';
    std::fs::write(&from, bytes).unwrap();
    let before = listed(bench.home());
    let refused = copy(&bench, &text(&from), &text(&to)).exits(7);
    assert_eq!(refused.json()["code"], "journal.unverified", "{refused}");
    assert!(listed(bench.home()) == before, "nothing was made");
}

async fn a_damaged_database_is_not_copied() {
    let database = Database::with_schema().await;
    let (bench, _) = life();
    copy(&bench, &text(&bench.journal()), &url(&database)).exits(0);
    let sql = "ALTER TABLE keybatch.intent DISABLE TRIGGER ALL; UPDATE keybatch.intent SET outcome = 'absent' WHERE outcome = 'deleted'";
    database.sql(sql).await.unwrap();
    let to = bench.home().join("copy.db");
    copy(&bench, &url(&database), &text(&to)).exits(7);
    assert!(!to.exists());
}

// SEMANTICS: P141
async fn a_place_that_holds_something_is_refused_and_unchanged() {
    let (bench, _) = life();
    let from = text(&bench.journal());
    let (taken, link, beside) = (bench.file("taken.db", "x"), bench.home().join("link.db"), bench.home().join("b.db"));
    std::os::unix::fs::symlink(bench.home().join("nowhere"), &link).unwrap();
    std::fs::write(bench.home().join("b.db-wal"), "left").unwrap();
    let before = listed(bench.home());
    for to in [&taken, &link, &beside, &bench.journal()] {
        let refused = copy(&bench, &from, &text(to));
        let refused = if *to == bench.journal() { refused.exits(2) } else { refused.exits(4) };
        let code = if *to == bench.journal() { "usage.arguments" } else { "journal.not_empty" };
        assert_eq!((refused.json()["code"].as_str(), refused.json()["sent"].as_str()), (Some(code), Some("nothing")));
    }
    bench.keybatch(&["journal", "copy", &from, &text(&bench.home().join("c.db"))]).exits(2);
    copy(&bench, &text(&bench.home().join("missing.db")), &text(&bench.home().join("c.db"))).exits(9);
    assert!(listed(bench.home()) == before);
}

async fn a_database_that_holds_something_else_is_refused_and_unchanged() {
    let database = Database::with_schema().await;
    let (bench, _) = life();
    let (from, to) = (text(&bench.journal()), url(&database));
    copy(&bench, &from, &to).exits(0);
    // It has gone on, so that it holds more than FROM.
    of(&bench, &["resume", "--journal", &to]).exits(0);
    let before = stored(database.location()).await;
    let (stranger, _) = life();
    for (bench, from) in [(&bench, &from), (&stranger, &text(&stranger.journal()))] {
        let refused = copy(bench, from, &to).exits(4);
        assert_eq!(refused.json()["code"], "journal.not_empty", "{refused}");
    }
    assert!(stored(database.location()).await == before);
    // The other way round, what has gone on needs an empty place as well.
    let bare = Database::new().await;
    let refused = copy(&bench, &from, &url(&bare)).exits(9);
    assert!(refused.stderr.contains(&format!("keybatch journal migrate --journal {}", url(&bare))), "{refused}");
}

async fn a_journal_in_use_is_not_copied() {
    let (bench, _) = life();
    let lock = Lock::take(&bench.journal()).unwrap();
    let to = bench.home().join("copy.db");
    assert_eq!(copy(&bench, &text(&bench.journal()), &text(&to)).exits(8).json()["code"], "journal.locked");
    drop(lock);
    copy(&bench, &text(&bench.journal()), &text(&to)).exits(0);
}

async fn a_database_in_use_is_not_copied() {
    let (one, other) = (Database::with_schema().await, Database::with_schema().await);
    let (bench, _) = life();
    copy(&bench, &text(&bench.journal()), &url(&one)).exits(0);
    for held in [&one, &other] {
        let hold = Hold::take(&held.address(), &holder("run")).await.unwrap();
        assert_eq!(copy(&bench, &url(&one), &url(&other)).exits(8).json()["code"], "journal.locked");
        hold.release().await;
    }
    // Neither is held by a copy that was refused.
    copy(&bench, &url(&one), &url(&other)).exits(0);
}

/// What a copy had committed when it was cut off, in the midst of a session.
async fn begun(database: &Database, entries: &[(Entry, Sealed)]) {
    let hold = Hold::take(&database.address(), &holder("journal copy")).await.unwrap();
    let at = database.location();
    let told = open::Told { on_absence: Box::new(|_| ()), on_unrecorded: std::sync::Arc::new(|_| ()) };
    let mut store = open::held_store(&at, &open::Hold::Server(hold), clock(), told).await.unwrap();
    store.import(entries.to_vec()).await.unwrap();
    store.close().await.unwrap();
}

// SEMANTICS: P141
async fn a_copy_into_a_database_goes_on_where_another_ended() {
    let database = Database::with_schema().await;
    let (bench, _) = life();
    let entries = stored(&bench.journal()).await;
    let part = entries.len() / 2;
    begun(&database, &entries[..part]).await;
    for (continued_from, told) in [(part, "the rest"), (entries.len(), "nothing is left to copy")] {
        let done = copy(&bench, &text(&bench.journal()), &url(&database)).exits(0);
        assert_eq!(done.json()["continued_from"], continued_from, "{told}: {done}");
        assert!(stored(database.location()).await == entries, "{told}");
    }
    of(&bench, &["resume", "--journal", &url(&database)]).exits(0);
}

// SEMANTICS: P141
async fn a_signal_leaves_no_file() {
    let (bench, _) = life();
    let to = bench.home().join("copy.db");
    let mut stopped = 0;
    for moment in 1..20 {
        let before = listed(bench.home());
        let live = Live::of(bench.command(&["journal", "copy", &text(&bench.journal()), &text(&to)]).spawn().unwrap());
        let mut live = live;
        live.runs_until(std::time::Duration::from_millis(moment * 15));
        live.signal(rustix::process::Signal::TERM);
        let done = live.wait();
        // Before it listens, a signal ends it as it ends any program.
        if done.code == Some(0) {
            of(&bench, &["verify", "--journal", &text(&to)]).exits(0);
            std::fs::remove_file(&to).unwrap();
        } else {
            stopped += u32::from(done.code == Some(5));
            assert!(done.code.is_none_or(|code| code == 5), "{done}");
        }
        assert!(listed(bench.home()) == before, "at {moment}: {:?}\n{done}", names(bench.home()));
    }
    assert!(stopped > 0, "no signal came in time");
}

async fn a_signal_leaves_what_is_in_a_database() {
    let database = Database::with_schema().await;
    let (bench, _) = life();
    let entries = stored(&bench.journal()).await;
    begun(&database, &entries[..20]).await;
    let connection = &mut database.connect(ADMIN).await;
    // It can still be read, but takes no entry.
    run(connection, "BEGIN; LOCK TABLE keybatch.entry IN EXCLUSIVE MODE").await.unwrap();
    let args = ["journal", "copy", &text(&bench.journal()), &url(&database)];
    let live = Live::of(bench.command(&args).spawn().unwrap());
    // Other tests wait for locks in other databases of the same server.
    let waits = "SELECT 1 FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database \
                 WHERE NOT l.granted AND d.datname = current_database()";
    while database.sql(waits).await.unwrap().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    live.signal(rustix::process::Signal::TERM);
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    run(connection, "ROLLBACK").await.unwrap();
    let done = live.wait().exits(5);
    assert!(done.stderr.contains("20 entries are in") && done.stderr.contains("goes on from there"), "{done}");
    let done = copy(&bench, &text(&bench.journal()), &url(&database)).exits(0);
    assert!(done.json()["continued_from"].as_u64().is_some_and(|from| from >= 20), "{done}");
    assert!(stored(database.location()).await == entries);
}

// SEMANTICS: P141
async fn a_sealed_journal_stays_sealed() {
    let (bench, archive) = life();
    let to = bench.home().join("copy.db");
    let done = copy(&bench, &text(&archive), &text(&to)).exits(0);
    assert_eq!(done.json()["sealed"], true);
    assert_eq!(std::fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o400);
    assert!(stored(&to).await == stored(&archive).await);
    of(&bench, &["verify", "--journal", &text(&to)]).exits(0);
    let more = bench.file("more.csv", format!("key_pair_name\n{}\n", bench.world.keys("more", 1)[0]));
    std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o600)).unwrap();
    let args = ["run", &text(&more), "--journal", &text(&to), "--yes", "--output", "json"];
    assert_eq!(of(&bench, &args).exits(4).json()["code"], "journal.sealed");
}
