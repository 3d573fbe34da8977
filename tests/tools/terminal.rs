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

crate::harness::tests![the_prompt_on_a_terminal, bodies_are_escaped_on_a_terminal];
