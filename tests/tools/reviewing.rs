//! The commands of `docs/REVIEWING.md`, run as they stand there, in the place of a reviewer who was given a journal of a real run.

use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::json;

use crate::shell;
use crate::support::{Act, Bench, Effect};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Each block of commands on the page.
fn blocks() -> Vec<String> {
    let page = std::fs::read_to_string(repository().join("docs/REVIEWING.md")).unwrap();
    let blocks = page.split("```sh\n").skip(1);
    blocks.map(|rest| rest.split_once("```").expect("the block ends").0.to_owned()).collect()
}

/// A reviewer's directory: a journal of a real run that was signed and stopped once, and what else the page says to bring.
fn given() -> Bench {
    let mut bench = Bench::new();
    for name in ["old-key", "lost-answer", "refused", "other"] {
        bench.world.key(name);
    }
    bench.world.state().instances.push((("us-east-1".to_owned(), "web-1".to_owned()), "old-key".to_owned()));
    bench.world.script("DeleteKeyPair", "lost-answer", [Act::cut().with(Effect::Delete)]);
    bench.world.always("DeleteKeyPair", "refused", Act::denied());
    let key = bench.home().join("ops").display().to_string();
    let made = bench.command_of("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &key]).status().unwrap();
    assert!(made.success());
    let public = std::fs::read_to_string(format!("{key}.pub")).unwrap();
    bench.file("signers", format!("ops@example.com {public}"));
    let mailed = bench.home().join("mailed.txt").display().to_string();
    let manifest = bench.manifest(&["old-key", "lost-answer", "refused", "other"]);
    let more = ["--concurrency", "1", "--ticket", "SEC-1412", "--checkpoint-to", &mailed, "--sign-key", &key];
    bench.run(&manifest, &[&more[..], &["--max-deletes", "1"]].concat()).exits(5);
    bench.keybatch(&["resume", "--sign-key", &key]).exits(3);
    let records: Vec<_> = bench
        .query("SELECT a.run_id, a.key_pair_name, a.request_id, a.region, a.account_id, a.started_at, a.class FROM attempts AS a")
        .iter()
        .map(|attempt| {
            let mut record = json!({
                "eventVersion": "1.10", "eventSource": "lightsail.amazonaws.com", "eventName": "DeleteKeyPair",
                "eventID": uuid::Uuid::new_v4().to_string(), "eventTime": format!("{}Z", &attempt["started_at"].as_str().unwrap()[..19]),
                "awsRegion": attempt["region"], "recipientAccountId": attempt["account_id"], "requestID": attempt["request_id"],
                "requestParameters": { "keyPairName": attempt["key_pair_name"] },
                "userIdentity": { "type": "IAMUser", "accountId": attempt["account_id"] },
                "userAgent": format!("aws-sdk-rust/1.3 app/keybatch-{}", attempt["run_id"].as_str().unwrap()), "sourceIPAddress": "192.0.2.1",
            });
            if attempt["class"] == "denied" {
                record["errorCode"] = json!("AccessDenied");
            }
            record
        })
        .collect();
    std::fs::create_dir(bench.home().join("trail")).unwrap();
    bench.file("trail/day.json", json!({ "Records": records }).to_string());
    let programs = bench.home().join("programs");
    std::fs::create_dir(&programs).unwrap();
    symlink(crate::support::binary(), programs.join("keybatch")).unwrap();
    symlink(repository().join("contrib"), bench.home().join("contrib")).unwrap();
    bench.set("PATH", &format!("{}:/usr/local/bin:/usr/bin:/bin", programs.display()));
    bench
}

fn a_reviewer_who_follows_the_page_sees_what_it_says() {
    for program in ["sqlite3", "ssh-keygen", "python3", "awk"] {
        shell::needs(program);
    }
    let bench = given();
    let arrived = bench.world.state().log.len();
    let blocks = blocks();
    let expected: [&[&str]; 6] = [
        &["1262638152", "journal_created", "SEC-1412", "finished", "3 deleted"],
        &["VERIFIED", "\"verdict\": \"verified\"", "Good \"checkpoint@keybatch\" signature for ops@example.com"],
        &[
            "report written to report.html",
            "in-doubt",
            "old-key",
            "lost-answer",
            "refused",
            "nobody approved it",
            "us-east-1|refused|failed",
        ],
        &["4 rows written to rows.csv"],
        &["DeleteKeyPair", "VERIFIED", "\"verdict\": \"verified\"", "not that there are no others"],
        &["confirmed", "old-key", "web-1"],
    ];
    assert_eq!(blocks.len(), expected.len());
    let home = bench.home().display();
    let mut before = format!("set -eu\ncd '{home}'\n");
    for (block, expected) in blocks.iter().zip(expected) {
        let output = bench.command_of("sh", &["-c", &format!("{before}{block}")]).output().unwrap();
        let said = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{}\n{block}\n{said}", output.status);
        for word in expected {
            assert!(said.contains(word), "{word} is missing\n{block}\n{said}");
        }
        for line in block.lines().filter(|line| line.starts_with("export ")) {
            before += &format!("{line}\n");
        }
    }
    assert_eq!(bench.world.state().log.len(), arrived, "a reviewer asks nobody");
}

/// What the page says about an altered file.
fn an_altered_journal_is_convicted_by_the_same_commands() {
    for program in ["sqlite3", "ssh-keygen", "python3", "awk"] {
        shell::needs(program);
    }
    let bench = given();
    let journal = bench.home().join("journal.db");
    let update = "UPDATE entry SET body = replace(body, 'SEC-1412', 'SEC-1413')";
    let triggers =
        shell::read(&journal, "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'entry'");
    let drops: String = triggers.lines().map(|name| format!("DROP TRIGGER {name};")).collect();
    assert!(shell::write(&journal, &format!("{drops}{update}")).0);
    let blocks = blocks();
    let home = bench.home().display();
    let seen = format!("cd '{home}'\ncp journal.db seen.db\nexport KEYBATCH_JOURNAL='{home}/seen.db'\n");
    for line in blocks[1].lines().filter(|line| line.contains("verify") && !line.starts_with("ssh-keygen")) {
        let output = bench.command_of("sh", &["-c", &format!("{seen}{line}")]).output().unwrap();
        assert_eq!(output.status.code(), Some(7), "{line}\n{}", String::from_utf8_lossy(&output.stdout));
    }
}

crate::harness::tests![
    a_reviewer_who_follows_the_page_sees_what_it_says,
    an_altered_journal_is_convicted_by_the_same_commands
];
