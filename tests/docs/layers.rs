//! The import rules of the rooms, as `src/lib.rs` and `docs/ARCHITECTURE.md` state them: checked on the text of `src/`.

mod circles;
mod code;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The rooms in flow order, and what each may import. A room that is not here yet is none of this test's business.
const ROOMS: [(&str, &[&str]); 14] = [
    ("domain", &[]),
    ("record", &["domain"]),
    ("manifest", &[]),
    ("policy", &["domain", "record", "manifest"]),
    ("journal", &["domain", "record"]),
    ("lightsail", &["domain"]),
    ("lane", &["domain", "record", "journal"]),
    ("execute", &["domain", "record", "journal", "lightsail", "lane"]),
    ("plan", &["domain", "record", "manifest", "policy", "journal", "lightsail", "lane"]),
    ("verify", &["domain", "record", "manifest", "policy", "journal"]),
    ("review", &["domain", "record", "manifest", "journal"]),
    (
        "session",
        &[
            "domain",
            "record",
            "manifest",
            "policy",
            "journal",
            "lightsail",
            "lane",
            "execute",
            "plan",
            "verify",
            "review",
        ],
    ),
    ("sandbox", &[]),
    (
        "cli",
        &[
            "domain",
            "record",
            "manifest",
            "policy",
            "journal",
            "lightsail",
            "lane",
            "plan",
            "verify",
            "review",
            "session",
            "sandbox",
        ],
    ),
];

/// Files that hold nothing but tests, beside those that are called so.
const TESTS: [&str; 2] = ["execute/decide/table", "lane/rate/simulation"];

/// What is pure: no async, no clock, no I/O.
const PURE: [&str; 16] = [
    "domain",
    "manifest",
    "policy",
    "record",
    "journal/changes.rs",
    "journal/holder.rs",
    "journal/project.rs",
    "lightsail/classify.rs",
    "lightsail/error_names.rs",
    "execute/decide.rs",
    "execute/sentences.rs",
    "execute/step.rs",
    "lane/backoff.rs",
    "lane/rate.rs",
    "execute/row.rs",
    "lane/seen.rs",
];

/// The SDK's adapter.
const ADAPTER: [&str; 12] = [
    "lightsail/address.rs",
    "lightsail/aws.rs",
    "lightsail/capture.rs",
    "lightsail/credentials.rs",
    "lightsail/credentials",
    "lightsail/departure.rs",
    "lightsail/error_names.rs",
    "lightsail/hitch.rs",
    "lightsail/http.rs",
    "lightsail/load.rs",
    "lightsail/shapes.rs",
    "lightsail/unreached.rs",
];

/// A file of `src/`: its path from there, and its code without comments and tests.
struct Source {
    path: String,
    code: String,
}

impl Source {
    fn is_in(&self, place: &str) -> bool {
        self.path == place || self.path.starts_with(&format!("{place}/"))
    }

    fn room(&self) -> &str {
        self.path.split(['/', '.']).next().unwrap_or_default()
    }

    /// The rooms whose names stand behind `crate::`, its own among them.
    fn imported_rooms(&self) -> BTreeSet<&str> {
        assert!(!self.code.contains("crate::{"), "{}: name the room in each `use crate::…`", self.path);
        let names = self.code.split("crate::").skip(1);
        names
            .map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default())
            .filter(|name| ROOMS.iter().any(|(room, _)| room == name))
            .collect()
    }

    fn line_with(&self, what: &str) -> Option<&str> {
        self.code.lines().find(|line| line.contains(what))
    }
}

/// The files of `src/`: path from there, and text.
fn texts() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    let path = |file: &Path| file.strip_prefix(&root).unwrap().display().to_string();
    files.iter().map(|file| (path(file), std::fs::read_to_string(file).unwrap())).collect()
}

fn sources() -> Vec<Source> {
    let read = |(path, text): (String, String)| {
        let code: Vec<_> =
            without_tests(&text).lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
        Source { path, code: code.join("\n") }
    };
    let is_test = |path: &str| {
        TESTS.iter().any(|place| path.starts_with(place)) || path.ends_with("/tests.rs") || path.contains("/tests/")
    };
    texts().into_iter().filter(|(path, _)| !is_test(path)).map(read).collect()
}

/// Tests stand at the end of a file, in a module. What else is there for tests alone is code like any other here.
fn without_tests(text: &str) -> &str {
    let is_module = |at: &usize| {
        text[*at..].lines().skip(2).find(|line| !line.starts_with("#[")).is_some_and(|line| line.contains("mod "))
    };
    let begins = text.match_indices("\n#[cfg(test)]").map(|(at, _)| at).find(is_module);
    &text[..begins.unwrap_or(text.len())]
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for item in std::fs::read_dir(folder).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Only files in one of `places` have `what` in them.
#[track_caller]
fn only_in(what: &str, places: &[&str]) {
    for source in sources() {
        if !places.iter().any(|place| source.is_in(place)) {
            let line = source.line_with(what);
            assert!(line.is_none(), "{}: {what:?} belongs to {places:?} alone: {}", source.path, line.unwrap_or(""));
        }
    }
}

fn each_room_imports_only_what_it_may() {
    for source in sources() {
        let Some((room, may)) = ROOMS.iter().find(|(room, _)| *room == source.room()) else {
            assert!(["lib.rs", "main.rs"].contains(&source.path.as_str()), "{} is in no room", source.path);
            continue;
        };
        for name in source.imported_rooms() {
            assert!(name == *room || may.contains(&name), "{} imports {name}, {room} may import {may:?}", source.path);
        }
    }
}

/// Where the picture of rooms and arrows begins and ends in `docs/ARCHITECTURE.md`.
const PICTURE: (&str, &str) = ("<!-- arrows: UPDATE_DOCS=1 writes them -->\n", "<!-- end of the arrows -->");

fn the_picture_shows_the_arrows_that_there_are() {
    let sources = sources();
    let mut picture = "```text\n".to_owned();
    for (room, may) in ROOMS.iter().rev() {
        let own: Vec<_> = sources.iter().filter(|source| source.room() == *room).collect();
        let found: BTreeSet<_> = own.iter().flat_map(|source| source.imported_rooms()).collect();
        let arrows: Vec<_> = may.iter().copied().filter(|name| found.contains(name)).collect();
        assert_eq!(arrows, *may, "strike from what {room} may import what it does not import any more");
        let arrows = if arrows.is_empty() { "nothing of ours".to_owned() } else { arrows.join(", ") };
        picture += &format!("  {room:<9} ──► {arrows}\n");
    }
    picture += "```\n";
    let document = super::read("docs/ARCHITECTURE.md");
    let (before, rest) = document.split_once(PICTURE.0).unwrap();
    let (_, after) = rest.split_once(PICTURE.1).unwrap();
    super::generated("docs/ARCHITECTURE.md", &format!("{before}{}{picture}{}{after}", PICTURE.0, PICTURE.1));
    let listed = super::table(&document, "## The rooms").into_iter().map(|cells| cells[0].trim_matches('`').to_owned());
    assert!(listed.eq(ROOMS.iter().map(|(room, _)| *room)), "the table has each room, in flow order");
}

fn a_room_imports_only_rooms_before_it() {
    for (index, (room, may)) in ROOMS.iter().enumerate() {
        for name in *may {
            assert!(
                ROOMS[..index].iter().any(|(before, _)| before == name),
                "{room} imports {name}, which comes later"
            );
        }
    }
}

fn no_files_of_a_room_need_each_other() {
    let texts = texts();
    let found = circles::circles(&texts);
    if let Some(circle) = found.first() {
        panic!("a circle: {circle:#?}, because\n{}", circles::reasons(&texts, circle));
    }
}

fn a_circle_is_found_over_several_files_and_through_what_hands_names_on() {
    let found = |texts: &[(&str, &str)]| {
        let owned: Vec<_> = texts.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        circles::circles(&owned).into_iter().map(|circle| circle.join(" ")).collect::<Vec<_>>()
    };
    let contents = ("a/mod.rs", "mod b;\nmod c;\npub use b::B;\npub use c::{self as d, C};");
    // A table of contents is in no circle, and a name that it hands on leads to the file that has it.
    assert!(found(&[contents, ("a/b.rs", "use super::C;"), ("a/c.rs", "")]).is_empty());
    assert_eq!(found(&[contents, ("a/b.rs", "use super::C;"), ("a/c.rs", "fn f() -> super::B {}")]), ["a/b.rs a/c.rs"]);
    // Comments, strings and tests need nothing.
    let idle = "// super::B\nconst C: &str = \"super::B\";\n#[cfg(test)]\nmod tests {\n    use super::super::B;\n}";
    assert!(found(&[contents, ("a/b.rs", "use crate::a::d::C;"), ("a/c.rs", idle)]).is_empty());
    // A parent that calls its child, which has something from it.
    let parent = ("a/mod.rs", "mod b;\nstruct A;\nfn f() { b::g() }");
    assert_eq!(found(&[parent, ("a/b.rs", "fn g(a: super::A) {}")]), ["a/b.rs a/mod.rs"]);
    let over = [
        ("a/b.rs", "use super::c;\nfn f() { c::g() }"),
        ("a/c.rs", "use crate::a::e::E;"),
        ("a/e.rs", "use super::b::*;"),
    ];
    assert_eq!(found(&[[("a/mod.rs", "mod b; mod c; mod e;")].as_slice(), &over].concat()), ["a/b.rs a/c.rs a/e.rs"]);
}

fn the_map_lists_the_rooms_in_flow_order() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let listed: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let expected: Vec<_> = ROOMS.iter().map(|(room, _)| *room).filter(|room| listed.contains(room)).collect();
    assert_eq!(listed, expected);
    let described: Vec<_> =
        text.lines().filter_map(|line| line.strip_prefix("//! - [`")?.split_once("`]")).map(|(room, _)| room).collect();
    assert_eq!(described, listed, "each room has a line in the map");
}

fn only_the_store_mentions_the_database() {
    only_in("sqlx", &["journal/sqlite", "journal/postgres"]);
    only_in("postgres::", &["journal/postgres", "journal/open.rs", "journal/mod.rs"]);
    only_in("libsqlite3", &["journal/sqlite"]);
    // Which database keeps a journal is known where it is opened, and nowhere else. (`stage` is a scratch database of a plan, and
    // no journal.)
    only_in("sqlite::", &["journal/sqlite", "journal/open.rs", "journal/mod.rs"]);
    only_in("Sqlite", &["journal/sqlite", "journal/open.rs"]);
}

fn only_the_adapter_mentions_the_sdk() {
    let crates = [
        "aws_config::",
        "aws_credential_types::",
        "aws_runtime::",
        "aws_sdk_lightsail::",
        "aws_sdk_sso::",
        "aws_sdk_sts::",
        "aws_smithy_http_client::",
        "aws_smithy_runtime_api::",
        "aws_smithy_types::",
        "aws_types::",
    ];
    for name in crates {
        only_in(name, &ADAPTER);
    }
    // The adapter's classification takes one list of names from the SDK, and nothing else.
    let names = sources().into_iter().find(|source| source.path == "lightsail/error_names.rs").unwrap();
    let mentions: Vec<_> = names.code.lines().filter(|line| line.contains("aws_runtime::")).collect();
    assert_eq!(mentions.len(), 1, "{mentions:?}");
}

fn only_the_command_line_prints_reads_the_environment_and_leaves() {
    for what in ["println!", "eprintln!", "print!(", "eprint!(", "io::stdout", "io::stderr", "io::stdin", "anstream"] {
        only_in(what, &["cli"]);
    }
    only_in("std::env", &["cli", "main.rs"]);
    only_in("ExitCode", &["cli", "main.rs"]);
    only_in("process::exit", &[]);
    only_in("clap", &["cli"]);
}

fn only_the_clock_reads_the_time() {
    only_in("SystemTime", &["domain/clock.rs"]);
    only_in("Timestamp::now", &["domain/clock.rs", "sandbox/clock.rs"]);
}

/// A seed is a life of the simulation: the same one each time. What may wake in any order, or looks first at any of its branches, would
/// make each life another one, and its faults could not be looked for again.
fn what_simulated_lives_run_leaves_no_order_to_chance() {
    for source in
        sources().iter().filter(|source| ["session", "execute", "plan", "lane"].iter().any(|room| source.is_in(room)))
    {
        for what in ["sync::watch", "watch::channel", "sync::broadcast"] {
            assert!(source.line_with(what).is_none(), "{}: {:?}", source.path, source.line_with(what));
        }
        let branching = source.code.matches("select! {").count();
        let ordered =
            source.code.split("select! {").skip(1).filter(|rest| rest.trim_start().starts_with("biased;")).count();
        assert_eq!(branching, ordered, "{}: a `select!` that is not biased", source.path);
    }
}

fn what_is_pure_waits_for_nothing_and_touches_nothing() {
    for source in sources() {
        if !PURE.iter().any(|place| source.is_in(place)) {
            continue;
        }
        for what in ["async ", ".await", "tokio", "Instant::now", "std::fs", "std::net", "std::thread", "fastrand"] {
            assert!(source.line_with(what).is_none(), "{}: {:?}", source.path, source.line_with(what));
        }
    }
    for place in PURE {
        assert!(sources().iter().any(|source| source.is_in(place)), "there is no {place}");
    }
}

/// `verify` judges answers by lists of its own, since it may not know the code that it judges. Where only one of the two learnt a
/// name, honest journals would be called illegal.
fn both_readings_of_an_answer_know_the_same_names() {
    let lists = |path: &str| {
        let text = std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap().to_owned();
        let consts = code.split("\nconst ").skip(1).filter_map(|rest| Some(rest.split_once("];")?.0.to_owned()));
        let words = consts.filter(|list| list.contains("&str")).flat_map(|list| {
            let quoted: Vec<String> = list.split('"').skip(1).step_by(2).map(str::to_owned).collect();
            quoted
        });
        words.collect::<std::collections::BTreeSet<_>>()
    };
    let (mut judged, judging) = (lists("src/lightsail/error_names.rs"), lists("src/verify/claims/names.rs"));
    assert!(judging.len() > 30, "{judging:?}");
    // The SDK's own, which the product uses as they are.
    judged.extend(aws_runtime::retries::classifiers::THROTTLING_ERRORS.iter().map(|name| (*name).to_owned()));
    assert_eq!(judged, judging);
}

crate::harness::tests![
    each_room_imports_only_what_it_may,
    the_picture_shows_the_arrows_that_there_are,
    a_room_imports_only_rooms_before_it,
    no_files_of_a_room_need_each_other,
    a_circle_is_found_over_several_files_and_through_what_hands_names_on,
    the_map_lists_the_rooms_in_flow_order,
    only_the_store_mentions_the_database,
    only_the_adapter_mentions_the_sdk,
    only_the_command_line_prints_reads_the_environment_and_leaves,
    only_the_clock_reads_the_time,
    what_is_pure_waits_for_nothing_and_touches_nothing,
    what_simulated_lives_run_leaves_no_order_to_chance,
    both_readings_of_an_answer_know_the_same_names
];
