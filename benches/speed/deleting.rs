//! Deletions per second, their CPU time, and what the journal adds to one of them alone.

use std::time::Instant;

use serde_json::json;

use crate::Line;
use crate::setting::{Setting, median};

const ROWS: usize = 10_000;
const ROUNDS: usize = 5;
const IN_FLIGHT: usize = 64;

/// At full load: 64 in flight, no latency, everything durable.
pub(crate) fn measure() -> Vec<Line> {
    let setting = Setting::new(&[("us-east-1", ROWS)], json!({}));
    let (mut rate, mut whole, mut cpu, mut size, mut peak) = (vec![], vec![], vec![], 0.0, 0);
    let in_flight = IN_FLIGHT.to_string();
    for _ in 0..ROUNDS {
        let bare = setting.bare(&setting.serve(), IN_FLIGHT);
        let cost = setting.run(&setting.serve(), &["--rate", "unlimited", "--concurrency", &in_flight]);
        assert_eq!(setting.summary()["outcomes"]["deleted"], ROWS);
        rate.push(bare.wall.as_secs_f64() / setting.seconds("run_started", "run_finished"));
        whole.push(bare.wall.as_secs_f64() / cost.wall.as_secs_f64());
        cpu.push(cost.cpu.as_secs_f64() / bare.cpu.as_secs_f64());
        size = std::fs::metadata(setting.journal()).expect("the journal").len() as f64 / ROWS as f64;
        peak = cost.peak;
    }
    let (rate, whole, cpu) = (median(rate), median(whole), median(cpu));
    vec![
        Line::new(
            "deletions per second, 64 in flight, no latency, everything durable",
            "≥ 0.80 of the bare loop",
            format!("{rate:.2} while deleting; {whole:.2} with reading the manifest, the inventory and the plan"),
            rate >= 0.80,
        ),
        Line::new(
            "CPU seconds per deletion, whole process",
            "≤ 1.5 of the bare loop",
            format!("{cpu:.2}; peak memory {:.0} MiB", peak as f64 / 1048576.0),
            cpu <= 1.5,
        ),
        Line::new(
            "journal size, everything included",
            "≤ 1.5 KiB per deletion",
            format!("{:.2} KiB", size / 1024.0),
            size <= 1536.0,
        ),
    ]
}

/// One at a time.
pub(crate) fn alone() -> Vec<Line> {
    const ALONE: usize = 1_000;
    let setting = Setting::new(&[("us-east-1", ALONE)], json!({}));
    let mut added = vec![];
    for _ in 0..ROUNDS {
        let bare = setting.bare(&setting.serve(), 1).wall.as_secs_f64() / ALONE as f64;
        setting.run(&setting.serve(), &["--rate", "unlimited", "--concurrency", "1"]);
        let own = setting.seconds("run_started", "run_finished") / ALONE as f64;
        added.push((own - bare) / commit_seconds(&setting));
    }
    let added = median(added);
    let measured = format!("{added:.2} commits of one entry to the same disk");
    vec![Line::new("added latency of a single deletion", "≤ 2 commits", measured, added <= 2.0)]
}

/// What one commit of the journal takes: appends of one entry after another.
fn commit_seconds(setting: &Setting) -> f64 {
    use keybatch::domain::SystemClock;
    use keybatch::journal::open;
    use keybatch::journal::{Journal, WriterOptions};
    use keybatch::record::Draft;
    use keybatch::record::event::{Event, OverrideUsed};
    const COMMITS: usize = 500;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let path = setting.path("commits.db");
        let _ = std::fs::remove_file(&path);
        let store = open::store(&path, std::sync::Arc::new(SystemClock::start())).await.expect("a journal");
        let options = WriterOptions { new_journal_id: "bench".into(), on_checkpoint: Box::new(|_, _| Ok(())) };
        let (journal, _) = Journal::start(store, options).await.expect("a journal");
        let mut each = Vec::with_capacity(COMMITS);
        for _ in 0..COMMITS {
            let event = Event::OverrideUsed(OverrideUsed {
                which: "bench".into(),
                by: "bench".into(),
                why: None,
                lost: Vec::new(),
            });
            let began = Instant::now();
            journal.append(vec![Draft::of(event)]).await.expect("a commit");
            each.push(began.elapsed().as_secs_f64());
        }
        journal.close().await.expect("closed");
        each.iter().sum::<f64>() / COMMITS as f64
    })
}
