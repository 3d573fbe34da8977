//! A temporary home with a stand-in, and the real binary run in it with nothing inherited from the outside.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::stand_in::StandIn;

/// The access key of every test; the id is no secret, the other two are canaries.
pub(crate) const ACCESS_KEY_ID: &str = "AKIATESTCANARY000000";
pub(crate) const SECRET_CANARY: &str = "SECRETCANARYwJalrXUtnFEMIK7MDENGbPxRfi00";
pub(crate) const TOKEN_CANARY: &str = "TOKENCANARYFwoGZXIvYXdzEBYaDHqa0AP1x7rQ9vKJm2";

/// No test waits longer than this for the program.
const HARD_LIMIT: Duration = Duration::from_secs(90);

/// Flags of `run` that keep a test quick; each is left out where the test gives its own.
const QUICK: [(&str, &str); 5] = [
    ("--rate", "unlimited"),
    ("--concurrency", "4"),
    ("--attempt-timeout", "1s"),
    ("--settle-timeout", "3s"),
    ("--operation-timeout", "3s"),
];

/// One test's home, world and journal.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) world: StandIn,
    home: tempfile::TempDir,
    journal: PathBuf,
    env: BTreeMap<String, String>,
}

/// What a run of the program left.
#[derive(Debug)]
pub(crate) struct Done {
    /// Nothing when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

/// A running program.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) child: Child,
    readers: Option<(JoinHandle<String>, JoinHandle<String>)>,
    start: Instant,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(StandIn::start())
    }

    pub(crate) fn with(world: StandIn) -> Self {
        let home = tempfile::Builder::new().prefix("keybatch-contract-").tempdir().expect("a temporary directory");
        for folder in ["config", "data", "state", "cache", "runtime", "tmp", "work"] {
            std::fs::create_dir(home.path().join(folder)).expect("a folder in it");
        }
        let text = |folder: &str| home.path().join(folder).display().to_string();
        let env = [
            ("HOME", home.path().display().to_string()),
            ("XDG_CONFIG_HOME", text("config")),
            ("XDG_DATA_HOME", text("data")),
            ("XDG_STATE_HOME", text("state")),
            ("XDG_CACHE_HOME", text("cache")),
            ("XDG_RUNTIME_DIR", text("runtime")),
            ("TMPDIR", text("tmp")),
            ("PATH", "/usr/bin:/bin".to_owned()),
            ("USER", "reviewer".to_owned()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_CANARY.to_owned()),
            ("AWS_SESSION_TOKEN", TOKEN_CANARY.to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ENDPOINT_URL", world.url()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            // `resume` takes no such flags in the contract; the variables speed it up where it reads them.
            ("KEYBATCH_RATE", "unlimited".to_owned()),
            ("KEYBATCH_CONCURRENCY", "4".to_owned()),
            ("KEYBATCH_ATTEMPT_TIMEOUT", "1s".to_owned()),
            ("KEYBATCH_SETTLE_TIMEOUT", "3s".to_owned()),
            ("KEYBATCH_OPERATION_TIMEOUT", "3s".to_owned()),
        ];
        let env = env.map(|(key, value)| (key.to_owned(), value)).into_iter().collect();
        let journal = home.path().join("journal.db");
        Self { world, home, journal, env }
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.journal.clone()
    }

    /// Keeps the journal there from now on.
    pub(crate) fn move_journal(&mut self, path: PathBuf) {
        self.journal = path;
    }

    /// Sets a variable for every later run.
    pub(crate) fn set(&mut self, key: &str, value: &str) {
        self.env.insert(key.to_owned(), value.to_owned());
    }

    /// Takes a variable away from every later run.
    pub(crate) fn unset(&mut self, key: &str) {
        self.env.remove(key);
    }

    /// Writes a file into the home.
    pub(crate) fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.home().join(name);
        std::fs::write(&path, text).expect("a file in the temporary home");
        path
    }

    /// A manifest with these names only.
    pub(crate) fn manifest(&self, names: &[impl AsRef<str>]) -> PathBuf {
        let rows: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        self.file("deletions.csv", format!("key_pair_name\n{}\n", rows.join("\n")))
    }

    /// The program with exactly these arguments and this home, not started yet.
    pub(crate) fn command(&self, args: &[impl AsRef<OsStr>]) -> Command {
        self.command_of(binary(), args)
    }

    /// Another program with exactly these arguments and this home, for one that starts the program under test.
    pub(crate) fn command_of(&self, program: &str, args: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(program);
        command.args(args).env_clear().envs(&self.env).current_dir(self.home().join("work"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the program to its end with `--journal` added.
    pub(crate) fn keybatch(&self, args: &[&str]) -> Done {
        self.spawn(args).wait()
    }

    /// Starts the program with `--journal` added.
    pub(crate) fn spawn(&self, args: &[&str]) -> Live {
        let journal = self.journal().display().to_string();
        let mut all = args.to_vec();
        all.extend(["--journal", &journal]);
        Live::of(self.command(&all).spawn().expect("the binary starts"))
    }

    /// Runs the program with something on stdin.
    pub(crate) fn keybatch_fed(&self, args: &[&str], stdin: &str) -> Done {
        let journal = self.journal().display().to_string();
        let mut all = args.to_vec();
        all.extend(["--journal", &journal]);
        let mut child = self.command(&all).stdin(Stdio::piped()).spawn().expect("the binary starts");
        let mut pipe = child.stdin.take().expect("a pipe");
        let text = stdin.to_owned();
        std::thread::spawn(move || pipe.write_all(text.as_bytes()));
        Live::of(child).wait()
    }

    /// `run MANIFEST --output json` with the quick flags and these, without `--yes`.
    pub(crate) fn run_args(manifest: &Path, more: &[&str]) -> Vec<String> {
        let mut args = vec!["run".to_owned(), manifest.display().to_string()];
        args.extend(["--output".to_owned(), "json".to_owned()]);
        for (flag, value) in QUICK {
            if !more.contains(&flag) {
                args.extend([flag.to_owned(), value.to_owned()]);
            }
        }
        args.extend(more.iter().map(|&text| text.to_owned()));
        args
    }

    /// Runs a manifest with `--yes` and these flags.
    pub(crate) fn run(&self, manifest: &Path, more: &[&str]) -> Done {
        self.spawn_run(manifest, more).wait()
    }

    /// Starts a run with `--yes` and these flags.
    pub(crate) fn spawn_run(&self, manifest: &Path, more: &[&str]) -> Live {
        let mut args = Self::run_args(manifest, more);
        args.push("--yes".to_owned());
        self.spawn(&args.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Runs a manifest without any confirmation but what these flags say.
    pub(crate) fn run_unconfirmed(&self, manifest: &Path, more: &[&str]) -> Done {
        let args = Self::run_args(manifest, more);
        self.keybatch(&args.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// `resume` of the latest unfinished run.
    pub(crate) fn resume(&self) -> Done {
        self.keybatch(&["resume", "--output", "json"])
    }

    /// `verify` as JSON.
    pub(crate) fn verify(&self) -> Done {
        self.keybatch(&["verify", "--output", "json"])
    }

    /// The rows of a query over the journal.
    pub(crate) fn query(&self, sql: &str) -> Vec<Value> {
        let done = self.keybatch(&["query", sql, "--output", "json"]);
        assert_eq!(done.code, Some(0), "query `{sql}`\n{done}");
        match serde_json::from_str(&done.stdout) {
            Ok(Value::Array(rows)) => rows,
            other => panic!("query `{sql}` gave no array of rows: {other:?}\n{done}"),
        }
    }
}

/// The program under test; `KEYBATCH_CONTRACT_BINARY` at build time names another one, a release build for example.
pub(crate) fn binary() -> &'static str {
    option_env!("KEYBATCH_CONTRACT_BINARY").unwrap_or(env!("CARGO_BIN_EXE_keybatch"))
}

impl Live {
    /// A child whose standard output and error are pipes.
    pub(crate) fn of(mut child: Child) -> Self {
        let stdout = child.stdout.take().expect("a pipe");
        let stderr = child.stderr.take().expect("a pipe");
        Self { child, readers: Some((drain(stdout), drain(stderr))), start: Instant::now() }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal; a process that is gone already is no error.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let _gone = rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal);
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("the child can be waited for").is_some()
    }

    /// Waits until that moment after the start, or the end; says whether it still runs.
    pub(crate) fn runs_until(&mut self, moment: Duration) -> bool {
        while self.start.elapsed() < moment {
            if self.has_ended() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        !self.has_ended()
    }

    /// Kills it with SIGKILL and gathers what it said.
    pub(crate) fn kill(mut self) -> Done {
        let _ended = self.child.kill();
        self.wait()
    }

    /// Waits for the end; after the hard limit the child is killed and the test fails.
    pub(crate) fn wait(mut self) -> Done {
        let status: ExitStatus = loop {
            if let Some(status) = self.child.try_wait().expect("the child can be waited for") {
                break status;
            }
            if self.start.elapsed() > HARD_LIMIT {
                let _ended = self.child.kill();
                let _reaped = self.child.wait();
                let (stdout, stderr) = self.gather();
                panic!("the program did not end within {HARD_LIMIT:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}");
            }
            std::thread::sleep(Duration::from_millis(3));
        };
        let took = self.start.elapsed();
        let (stdout, stderr) = self.gather();
        Done { code: status.code(), stdout, stderr, took }
    }

    fn gather(&mut self) -> (String, String) {
        let (stdout, stderr) = self.readers.take().expect("gathered once");
        (stdout.join().expect("stdout is read"), stderr.join().expect("stderr is read"))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if self.readers.is_some() {
            let _ended = self.child.kill();
            let _reaped = self.child.wait();
        }
    }
}

impl Done {
    /// Stdout as one JSON value and nothing else.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("stdout is not one JSON value: {error}\n{self}"))
    }

    /// Everything that was said.
    pub(crate) fn said(&self) -> String {
        format!("{}\n{}", self.stdout, self.stderr)
    }

    /// Fails unless the exit code is this one.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "another exit code than expected\n{self}");
        self
    }

    /// Fails unless the exit code is one of these; for where the contract leaves a choice.
    #[track_caller]
    pub(crate) fn exits_one_of(self, codes: &[i32]) -> Self {
        assert!(self.code.is_some_and(|code| codes.contains(&code)), "no exit code of {codes:?}\n{self}");
        self
    }
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { code, stdout, stderr, took } = self;
        write!(f, "exit {code:?} after {took:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

fn drain(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _cut = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
