//! A report in a real Chromium: nothing leaves the page, nothing in it complains, and people without a mouse can use it.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::harness::ignore;
use crate::shell;
use crate::support::{Act, Bench, Effect};

/// A report on a run with every kind of row that needs no waiting, and with cells that want to be markup; looked at in Chromium.
fn seen(more: &[&str]) -> Value {
    shell::needs("chromium");
    shell::needs("python3");
    let bench = Bench::new();
    let names = bench.world.keys("deploy", 60);
    bench.world.always("DeleteKeyPair", &names[1], Act::denied());
    bench.world.script("DeleteKeyPair", &names[2], [Act::throttle()]);
    bench.world.script("DeleteKeyPair", &names[3], [Act::cut().with(Effect::Delete)]);
    bench.world.always("GetOperationsForResource", &names[3], Act::denied());
    // What the plan noted of a row stands in the place of a detail.
    bench.world.state().instances.push((("us-east-1".to_owned(), "web-1".to_owned()), names[5].clone()));
    let hostile = "\"</script><img src=http://127.0.0.1:9/x onerror=alert(1)><script>alert(2)</script>\"";
    let rows: String = names.iter().map(|name| format!("{name},{hostile},{hostile}\n")).collect();
    bench.run(&bench.file("deletions.csv", format!("key_pair_name,note,reason\n{rows}")), &[]).exits(3);
    let page = bench.home().join("report.html").display().to_string();
    bench.keybatch(&["report", "latest", "-o", &page]).exits(0);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/report/browse.py");
    let output =
        Command::new("timeout").args(["-k", "1", "120", "python3", script, &page]).args(more).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&said).unwrap()
}

// SEMANTICS: P128
fn nothing_leaves_the_page_and_keys_are_enough_to_read_it() {
    let seen = seen(&[]);
    assert_eq!(seen["requests"], Value::Array(Vec::new()), "nothing leaves the page");
    assert_eq!(seen["complaints"], Value::Array(Vec::new()), "no error, no dialog, nothing refused by the policy");
    assert_eq!(seen["count"], "60 of 60 rows");
    assert_eq!((&seen["active"], &seen["closed"]), (&"row-1".into(), &"grid".into()), "{seen}");
    let story = seen["story"].as_str().unwrap();
    for said in ["Row 2: deploy-02", "failed", "AccessDenied", "<script>alert(2)</script>"] {
        assert!(story.contains(said), "{said}: {story}");
    }
    let details: Vec<_> = seen["details"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    assert!(details.is_sorted_by(|left, right| left >= right), "sorted by what is shown: {details:?}");
    assert!(details.iter().any(|text| text.starts_with("in_use: ")), "{details:?}");
    assert!(seen["standing"].as_str().unwrap().contains("in_use: "), "and it is printed");
    for (width, wide) in seen["wide"].as_object().unwrap() {
        assert!(wide.as_u64().unwrap() <= width.parse().unwrap(), "at {width} pixels it is {wide} wide");
    }
    for (width, broken) in seen["broken"].as_object().unwrap() {
        assert_eq!(broken, &Value::Array(Vec::new()), "words are broken into pieces: {width}");
    }
    for (width, cut) in seen["narrow"].as_object().unwrap() {
        assert_eq!(cut, &Value::Array(Vec::new()), "labels are cut at {width} pixels");
    }
    assert!(seen["print_wide"].as_u64().unwrap() <= 718 && seen["row_px"].as_f64().unwrap() < 40.0, "{seen}");
    assert!(seen["pdf_bytes"].as_u64().unwrap() > 10_000);
}

/// The file of axe-core is named by `KEYBATCH_AXE`.
fn axe_core_finds_nothing() {
    let Some(axe) = std::env::var_os("KEYBATCH_AXE").map(PathBuf::from).filter(|path| path.exists()) else {
        ignore("no axe-core (KEYBATCH_AXE names its axe.min.js)");
    };
    let seen = seen(&["--axe", axe.to_str().unwrap()]);
    for state in ["light", "dark", "phone", "story"] {
        assert_eq!(seen["axe"][state], Value::Array(Vec::new()), "{state}");
    }
}

crate::harness::tests![nothing_leaves_the_page_and_keys_are_enough_to_read_it, axe_core_finds_nothing];
