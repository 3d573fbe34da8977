//! What keybatch prints on a terminal, and asks there. util-linux's `script` provides the terminal.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::shell;
use crate::support::{ACCOUNT, Act, Bench, NASTY, binary, steers};

/// Exit 10: declined at the prompt of a terminal; the right number goes on. Uses util-linux's `script` for a terminal.
// SEMANTICS: P10
fn the_prompt_on_a_terminal() {
    shell::needs("script");
    for (typed, code, left) in
        [("1\n\n", 10, 3), ("no\n", 10, 3), ("3\n", 0, 0), ("33\n3\n", 0, 0), ("1\n2\n4\n", 10, 3)]
    {
        let bench = Bench::new();
        let names = bench.world.keys("key", 3);
        bench.world.script("GetKeyPairs", "*", [Act::ok().after(Duration::from_millis(900))]);
        let manifest = bench.manifest(&names).display().to_string();
        let journal = bench.journal().display().to_string();
        let binary = binary();
        let line = format!("{binary} run {manifest} --rate unlimited --journal {journal}");
        let inner = bench.command(&["--version"]);
        let mut command = Command::new("timeout");
        command.args(["-k", "1", "60", "script", "-qec", &line, "/dev/null"]).env_clear().env("TERM", "xterm");
        command.envs(inner.get_envs().filter_map(|(key, value)| value.map(|value| (key, value))));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("script starts");
        let mut pipe = child.stdin.take().unwrap();
        // The pipe stays open until the end: its closing would reach the program as an end of file.
        std::io::Write::write_all(&mut pipe, typed.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        drop(pipe);
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "typed {typed:?}\n{said}");
        assert_eq!(bench.world.state().keys.len(), left, "typed {typed:?}\n{said}");
        assert!(said.contains(ACCOUNT) && said.contains("us-east-1") && said.contains("key-01"), "{said}");
        // Declining is no error (seen: it ended as one).
        assert!(!said.contains("error") && (code == 0) != said.contains("declined: nothing was deleted"), "{said}");
        assert!(said.contains("127.0.0.1"), "the endpoint is shown\n{said}");
        assert!(said.contains("planning: 0 key pairs seen"), "nobody is left waiting in silence\n{said}");
        // A plan that was declined is not in the journal (seen: 1.5 MB for 2,500 rows); one that was confirmed is shown with its root.
        let intents = bench.query("SELECT count(*) AS rows FROM intents")[0]["rows"].clone();
        assert_eq!(intents, if code == 0 { 3 } else { 0 }, "{said}");
        assert_eq!(said.contains("checkpoint of the sealed plan"), code == 0, "{said}");
        bench.verify().exits(0);
        if code == 10 {
            bench.run(&bench.manifest(&names), &[]).exits(0);
            assert!(bench.world.state().keys.is_empty(), "a later run is confirmed");
        }
    }
}

/// What strangers wrote into a manifest and into an answer is escaped on a terminal, also where it is handed on as it is
/// stored elsewhere.
fn bodies_are_escaped_on_a_terminal() {
    shell::needs("script");
    let bench = Bench::new();
    let names = bench.world.keys("key", 2);
    bench.world.always("DeleteKeyPair", &names[1], Act::denied().saying(NASTY));
    let text = format!(
        "key_pair_name,\"{NASTY}\",=HYPERLINK(1)\n{},\"{NASTY}\",=1+1\n{},\"a\nb\",-2\n\"{NASTY}\",@x,+3\n",
        names[0], names[1]
    );
    bench.run(&bench.file("hostile.csv", text), &["--skip-invalid"]).exits(3);
    let (program, journal) = (binary(), bench.journal().display().to_string());
    let line = format!("{program} log --last 0 --output jsonl --journal {journal}");
    let plain = bench.command(&["--version"]);
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).env_clear().envs(plain.get_envs().filter_map(|(k, v)| Some((k, v?))));
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap().replace("\r\n", "\n");
    assert!(
        said.contains("journal_created") && said.contains("attempt_finished") && said.contains("<script>"),
        "{said}"
    );
    let found = said.chars().find(|c| steers(*c));
    assert_eq!(found, None, "{said}");
}

/// What the program shows on a terminal of 60 columns, with these variables.
fn on_a_terminal(bench: &Bench, args: &str, variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let line = format!("{} {args} --journal {}", binary(), bench.journal().display());
    let plain = bench.command(&["--version"]);
    let mut command = Command::new("timeout");
    command.args(["-k", "1", "30", "script", "-qec", &line, "/dev/null"]).env_clear();
    command.envs(plain.get_envs().filter_map(|(key, value)| Some((key, value?))));
    command.env("TERM", "xterm").env("COLUMNS", "60").envs(variables.iter().copied());
    let output = command.stdin(Stdio::null()).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).replace("\r\n", "\n"))
}

/// On a terminal, lists go through the pager that a variable names; not with --no-pager, on a dumb terminal or while following.
fn lists_go_through_a_pager_on_a_terminal() {
    shell::needs("script");
    let bench = Bench::new();
    bench.world.key("one");
    bench.run(&bench.manifest(&["one"]), &[]).exits(0);
    let mark = "sed 's/^/PAGED:/'";
    for (args, variables, is_paged) in [
        ("log", &[("KEYBATCH_PAGER", mark)][..], true),
        ("log --output jsonl", &[("KEYBATCH_PAGER", mark)], true),
        ("show", &[("PAGER", mark)], true),
        ("show one", &[("PAGER", "false"), ("KEYBATCH_PAGER", mark)], true),
        ("runs", &[("PAGER", mark), ("KEYBATCH_PAGER", "")], true),
        ("query --name run-sums", &[("PAGER", mark)], true),
        ("query --list", &[("PAGER", mark)], true),
        ("log --no-pager", &[("KEYBATCH_PAGER", mark)], false),
        ("log", &[("KEYBATCH_PAGER", mark), ("KEYBATCH_NO_PAGER", "1")], false),
        ("log", &[("KEYBATCH_PAGER", mark), ("TERM", "dumb")], false),
        ("log -f latest", &[("KEYBATCH_PAGER", mark)], false),
        ("log", &[("KEYBATCH_PAGER", "cat"), ("PAGER", mark)], false),
        ("verify", &[("PAGER", mark)], false),
    ] {
        let (code, said) = on_a_terminal(&bench, args, variables);
        assert_eq!(code, Some(0), "{args} {variables:?}\n{said}");
        let paged = said.lines().filter(|line| line.starts_with("PAGED:")).count();
        assert!(said.lines().count() > 0 && (paged > 0) == is_paged, "{args} {variables:?}\n{said}");
    }
    // Whoever leaves the pager wants nothing more, also where the answer would never end.
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let rows = endless.replace("count(*)", "i");
    for (sql, pager) in [(endless, "sleep 0.5"), (&rows, "head -n 1"), (&rows, "true")] {
        let (code, said) = on_a_terminal(&bench, &format!("query '{sql}'"), &[("PAGER", pager)]);
        assert!(code == Some(0) && !said.contains("error"), "{pager}: {code:?}\n{said}");
    }
    // An error is said after the pager's page, and keeps its exit code.
    let (code, said) = on_a_terminal(&bench, "query 'SELECT nowhere'", &[("PAGER", mark)]);
    assert!(code == Some(2) && said.contains("no such column"), "{code:?}\n{said}");
}

/// Rows that are too wide for the terminal stand below one another, as in psql's automatic mode; narrow ones stay a table.
fn wide_rows_turn_vertical() {
    shell::needs("script");
    let bench = Bench::new();
    bench.world.key("one");
    bench.run(&bench.manifest(&["one"]), &[]).exits(0);
    let query = |sql: &str, variables: &[(&str, &str)]| {
        on_a_terminal(&bench, &format!("query --no-pager '{sql}'"), variables).1
    };
    let wide = query("SELECT run_id, row_no, key_pair_name, arn, outcome FROM intents", &[]);
    assert!(wide.starts_with("row 1\n") && wide.contains("\n  key_pair_name  one\n"), "{wide}");
    let narrow = query("SELECT row_no, outcome FROM intents", &[]);
    assert!(narrow.contains("\u{2502}") && !narrow.contains("row 1"), "{narrow}");
    let roomy = query("SELECT row_no, key_pair_name, outcome, evidence, verdict FROM intents", &[("COLUMNS", "200")]);
    assert!(roomy.contains("\u{2502}"), "{roomy}");
}

/// A terminal shows one picture, which is replaced, until Ctrl-C: also where nothing is at work.
fn a_terminal_shows_one_picture_until_ctrl_c() {
    shell::needs("script");
    let mut bench = Bench::new();
    bench.set("TERM", "xterm");
    bench.run(&bench.manifest(&bench.world.keys("key", 4)), &[]).exits(0);
    let journal = bench.journal().display().to_string();
    let command =
        format!("timeout --foreground --preserve-status -s INT 4 {} runs --watch --journal {journal}", binary());
    let done = bench.command_of("script", &["-qec", &command, "/dev/null"]).output().unwrap();
    let shown = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{shown}");
    assert!(shown.matches("4 rows: 4 deleted").count() >= 2, "{shown}");
    assert!(shown.matches("\u{1b}[3A\r\u{1b}[J").count() >= 1 && shown.ends_with("\u{1b}[?7h"), "{shown:?}");
}

crate::harness::tests![
    the_prompt_on_a_terminal,
    bodies_are_escaped_on_a_terminal,
    lists_go_through_a_pager_on_a_terminal,
    wide_rows_turn_vertical,
    a_terminal_shows_one_picture_until_ctrl_c
];
