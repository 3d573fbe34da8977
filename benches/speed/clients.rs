//! What people would use otherwise: a boto3 thread pool, and GNU parallel with the AWS CLI.

use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

use crate::Line;
use crate::process::{command, measure as run};
use crate::setting::Setting;

const BOTO3: &str = "
import csv, sys, boto3
from botocore.config import Config
from concurrent.futures import ThreadPoolExecutor
config = Config(retries={'total_max_attempts': 1}, max_pool_connections=64)
client = boto3.client('lightsail', endpoint_url=sys.argv[1], region_name='us-east-1', config=config)
names = [row['key_pair_name'] for row in csv.DictReader(open(sys.argv[2]))]
with ThreadPoolExecutor(64) as pool:
    for answer in pool.map(lambda name: client.delete_key_pair(keyPairName=name), names):
        assert answer['operation']['isTerminal']
";

pub(crate) fn measure() -> Vec<Line> {
    let what = "compared with a boto3 thread pool, and with GNU parallel and the AWS CLI";
    let target = "≥ 6 and ≥ 1,000 times as many per second";
    let Some(clients) = clients() else {
        return vec![Line::skipped(what, target, "boto3 and the AWS CLI could not be installed (python3-venv, pip)")];
    };
    let rate = |rows: usize, seconds: f64| rows as f64 / seconds;
    let many = Setting::new(&[("us-east-1", 2_000)], json!({}));
    many.run(&many.serve(), &["--rate", "unlimited", "--concurrency", "64"]);
    let own = rate(many.rows, many.seconds("run_started", "run_finished"));

    let server = many.serve();
    let mut boto3 = command(clients.join("python"), many.home());
    boto3.args(["-c", BOTO3, &server.url]).arg(many.manifest());
    let boto3 = own / rate(many.rows, run(&mut boto3, &many.path("boto3")).wall.as_secs_f64());

    if !available("parallel") {
        let _ = Command::new("apt-get").args(["install", "-y", "-qq", "--no-install-recommends", "parallel"]).output();
    }
    if !available("parallel") {
        return vec![Line::skipped(what, target, &format!("{boto3:.1} times boto3, but there is no GNU parallel"))];
    }
    let few = Setting::new(&[("us-east-1", 40)], json!({}));
    let server = few.serve();
    let mut parallel = command("parallel", few.home());
    parallel.args(["-j", "64", "--will-cite", "--colsep", ",", "--skip-first-line", "--halt", "now,fail=1"]);
    parallel.args(["-a".as_ref(), few.manifest().as_os_str()]).arg(clients.join("aws"));
    parallel.args(["lightsail", "delete-key-pair", "--region", "{2}", "--key-pair-name", "{1}"]);
    parallel.args(["--endpoint-url", &server.url]);
    let cli = own / rate(few.rows, run(&mut parallel, &few.path("parallel")).wall.as_secs_f64());
    let measured = format!("{boto3:.1} and {cli:.0} times");
    vec![Line::new(what, target, measured, boto3 >= 6.0 && cli >= 1_000.0)]
}

fn available(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// The directory of a Python environment that has both clients; made where there is none.
fn clients() -> Option<PathBuf> {
    let named = std::env::var_os("KEYBATCH_CLIENTS_VENV").map(PathBuf::from);
    let home = named.unwrap_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("clients"));
    let bin = home.join("bin");
    if !bin.join("aws").exists() {
        let made = Command::new("python3").args(["-m", "venv"]).arg(&home).status();
        made.ok().filter(std::process::ExitStatus::success)?;
        let pip = Command::new(bin.join("pip")).args(["install", "--quiet", "boto3", "awscli"]).status();
        pip.ok().filter(std::process::ExitStatus::success)?;
    }
    Some(bin)
}
