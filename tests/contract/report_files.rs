//! Where summaries are written, and what they say.

use crate::support::Bench;

#[test]
fn the_summary_as_json_has_the_exit_code_of_the_process() {
    let bench = Bench::new();
    let manifest = bench.manifest(&bench.world.keys("key", 1));
    let done = bench.run(&manifest, &["--summary-to", "/dev/full"]).exits(1);
    assert_eq!(done.json()["exit"], 1, "{done}");
    assert_eq!(done.json()["outcomes"]["deleted"], 1, "{done}");
}
