//! `keybatch verify`: is the journal what was written?

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::amount::count_between;
use super::brought::{Brought, FileOf};
use super::headline::headline;
use super::keygen::OwnKeygen;
use super::policy::PolicyFile;
use super::verify_proof::{self, Brings};
use super::{CliError, Code, Context, Exit, Format, Ui, scratch, shown, signers};
use crate::domain::counted;
use crate::policy::{Liftable, Rule};
use crate::record::approval::MOST_APPROVALS;
use crate::record::ssh::Signers;
use crate::review::json_text;
use crate::verify::{BroughtPolicy, Coverage, Demand, NotNamed, Options, Report, RunCoverage, RunDemands, verify};

/// Verify the journal, or a proof from it, offline
///
/// Reads every entry and checks its hash and position, whether the recorded history is possible, and whether the tables
/// match the entries. Only a checkpoint that was kept elsewhere can show whether entries are missing at the end, or
/// whether everything was rewritten.
///
/// A proof, which `keybatch prove` makes, is verified without the journal.
#[derive(Debug, clap::Args)]
#[command(override_usage = "keybatch verify [RUN|PROOF] [OPTIONS]")]
pub(super) struct Args {
    /// The run that matters: its id, a unique prefix of it, or latest. With --require-checkpoint, a checkpoint must cover its end
    /// [default: every finished real run]. --policy, --four-eyes and --require-approvals judge all real runs. Or the file of a proof, to verify it instead of the journal
    #[arg(value_name = "RUN|PROOF")]
    pub(super) subject: Option<PathBuf>,
    /// Files of checkpoints that were kept elsewhere; all checkpoints of this journal in them are compared
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(super) checkpoint: Vec<PathBuf>,
    /// Accept only checkpoints that one of these people signed (ALLOWED SIGNERS in ssh-keygen(1)); bring your own file
    #[arg(long, env = "KEYBATCH_ALLOWED_SIGNERS", value_name = "FILE")]
    allowed_signers: Option<PathBuf>,
    /// Fail if a real run was started whose plan fewer than N people have approved, with N different keys
    #[arg(long, value_name = "N", value_parser = most_approvals, requires = "allowed_signers")]
    require_approvals: Option<usize>,
    /// Fail if the maker of the plan of a real run, or who ran it, is not known by --allowed-signers, or is one of those who approved
    #[arg(long, requires = "allowed_signers")]
    four_eyes: bool,
    /// Fail if a real run was started that is not under this policy or breaks its rules; bring your own file. May be repeated:
    /// then each run must be under one of them
    #[arg(long, value_name = "FILE")]
    policy: Vec<PathBuf>,
    /// Fail if there is no outside checkpoint to compare with, or none that covers the end of a finished real run
    #[arg(long)]
    require_checkpoint: bool,
}

/// What is verified.
enum Subject<'a> {
    Journal { run: Option<&'a str> },
    Proof(&'a Path),
}

impl<'a> Subject<'a> {
    /// A file of that name is a proof. What is none, and could be a run's id, names a run of the journal.
    fn of(named: Option<&'a Path>) -> Self {
        let Some(path) = named else { return Self::Journal { run: None } };
        let is_id = |text: &&str| text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        match path.to_str().filter(|text| *text == "latest" || is_id(text)) {
            Some(run) if !path.exists() => Self::Journal { run: Some(run) },
            _ => Self::Proof(path),
        }
    }
}

pub(super) async fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    let run = match Subject::of(args.subject.as_deref()) {
        Subject::Journal { run } => run,
        Subject::Proof(proof) => return args.verify_proof(proof, context),
    };
    let (report, files) = judge(args, run, context).await?;
    let named = run.map(|run| named(&report, run)).transpose()?;
    let exit = if report.accepted { Exit::Success } else { Exit::NotVerified };
    match context.ui.format {
        Format::Table => {
            let named = named.into_iter().collect::<Vec<_>>();
            let runs = if run.is_some() { named } else { report.coverage.runs.iter().collect() };
            context.ui.data(&text(&context.ui, &report, &runs, !args.checkpoint.is_empty()))?;
        }
        Format::Json | Format::Jsonl | Format::Csv => {
            context.ui.data(&format!("{}\n", json_text(&value(&report, &files)?)))?;
        }
    }
    Ok(exit)
}

/// A report as JSON.
pub(super) fn value(report: &Report, files: &[FileOf]) -> Result<Value, CliError> {
    let unexpected = |error| CliError::from_error(Exit::Unexpected, &error);
    let mut value = serde_json::to_value(report).map_err(unexpected)?;
    value["files"] = serde_json::to_value(files).map_err(unexpected)?;
    Ok(value)
}

/// Verifies the journal; also says what the files of checkpoints hold.
pub(super) async fn judge(
    args: &Args,
    run: Option<&str>,
    context: &Context,
) -> Result<(Report, Vec<FileOf>), CliError> {
    let scratch = scratch::directory(context)?;
    let signers = args.allowed_signers.as_deref().map(|path| signers::read(path, context)).transpose()?;
    let brought = Brought::read_all(&args.checkpoint, signers.as_ref(), context, args.require_checkpoint).await?;
    let demand = args.demand(signers, context)?;
    let Brought { warnings, files, .. } = &brought;
    let (warnings, files) = (warnings.clone(), files.clone());
    let options = Options {
        demand,
        require_checkpoint: args.require_checkpoint,
        run: run.map(str::to_owned),
        ..options(brought, scratch)
    };
    let mut report = verify(&context.journal, options).await?;
    report.warnings.extend(warnings);
    Ok((report, files))
}

/// The options of a verification against what was brought, with a scratch database in `scratch`.
pub(super) fn options(brought: Brought, scratch: PathBuf) -> Options {
    Options {
        checkpoint: brought.most,
        further: brought.further,
        signed: brought.signed,
        bad_signature: brought.bad_signature,
        unverified_signature: brought.unverified_signature,
        scratch: Some((scratch, format!("keybatch-{}", uuid::Uuid::new_v4()))),
        ..Options::default()
    }
}

impl Args {
    /// Whether a proof is to be verified, and no journal.
    pub(super) fn names_a_proof(&self) -> bool {
        matches!(Subject::of(self.subject.as_deref()), Subject::Proof(_))
    }

    fn verify_proof(&self, proof: &Path, context: &Context) -> Result<Exit, CliError> {
        let of_journal = [
            ("--require-approvals", self.require_approvals.is_some()),
            ("--four-eyes", self.four_eyes),
            ("--policy", !self.policy.is_empty()),
        ];
        if let Some((flag, _)) = of_journal.iter().find(|(_, is_given)| *is_given) {
            let refused = CliError::new(Exit::Usage, format!("{flag} is about the journal, and a proof was named"));
            return Err(refused.hint("verify the journal itself to judge its runs"));
        }
        let brings = Brings {
            checkpoints: &self.checkpoint,
            signers: self.allowed_signers.as_deref(),
            require_checkpoint: self.require_checkpoint,
        };
        verify_proof::run(proof, &brings, context)
    }

    /// What is demanded of each real run that was started, if anything is.
    fn demand(&self, signers: Option<Signers>, context: &Context) -> Result<Option<Demand>, CliError> {
        let policies = self.policy.iter().map(|path| {
            let PolicyFile { sha256, rules, .. } = PolicyFile::read(path)?;
            Ok(BroughtPolicy { sha256, rules })
        });
        let policies: Vec<_> = policies.collect::<Result<_, CliError>>()?;
        let needs_signers = |one: &BroughtPolicy| {
            [Rule::Approvals, Rule::FourEyes].iter().any(|rule| one.rules.liftable(*rule) != Liftable::NoRule)
        };
        if signers.is_none() && policies.iter().any(needs_signers) {
            let why = "the policy requires approvals, and only a list of signers says whose count";
            return Err(CliError::new(Exit::Usage, why).hint("bring your own list: --allowed-signers FILE"));
        }
        if self.require_approvals.is_none() && !self.four_eyes && policies.is_empty() {
            return Ok(None);
        }
        Ok(Some(Demand {
            approvals: self.require_approvals.unwrap_or_default(),
            four_eyes: self.four_eyes,
            signers,
            program: Arc::new(OwnKeygen(context.clone())),
            policies,
        }))
    }
}

/// What became of what was demanded, a few lines for each run.
fn demands(runs: &[RunDemands]) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    if runs.is_empty() {
        out += "no real run was started, so nothing is demanded (rehearsals are not judged)\n";
    }
    for run in runs {
        let said = match run.violation_count {
            0 => "has what is demanded".to_owned(),
            count => format!("lacks what is demanded, {}", counted(count, "time", "times")),
        };
        let _ = writeln!(out, "run {}: {said}", shown(&run.run));
        for one in &run.violations {
            let row = one.row.map(|row| format!(", row {row}")).unwrap_or_default();
            let _ = writeln!(out, "  {}: entry {}{row}: {}", one.rule, one.seq, shown(&one.detail));
        }
        let more = run.violation_count.saturating_sub(run.violations.len() as u64);
        if more > 0 {
            let _ = writeln!(out, "  and {more} more");
        }
        for one in &run.overridden {
            let why = one.why.as_ref().map(|why| format!(": {}", shown(why))).unwrap_or_default();
            let permitted = if one.permitted { "" } else { ", which no policy that was brought permits" };
            let _ = writeln!(out, "  overridden: {} by {}{permitted}{why}", shown(&one.rule), shown(&one.by));
        }
        for one in &run.not_judged {
            let _ = writeln!(out, "  not judged: {}: {}", one.rule, shown(&one.why));
        }
    }
    out
}

fn most_approvals(text: &str) -> Result<usize, String> {
    count_between(text, 0, MOST_APPROVALS).map(|count| count as usize)
}

/// The run that is named. A journal that could not be read to its end may lack it.
fn named<'a>(report: &'a Report, wanted: &str) -> Result<&'a RunCoverage, CliError> {
    report.coverage.named(wanted).map_err(|why| {
        let (code, what) = match why {
            NotNamed::Unknown => (Code::RunUnknown, "the journal has no run"),
            NotNamed::Ambiguous => (Code::RunAmbiguous, "several runs begin with"),
        };
        CliError::new(Exit::Usage, format!("{what} {}", shown(wanted))).code(code).hint(format!(
            "without a run, the verdict on the journal is: {}",
            report.verdict.as_str().replace('_', " ")
        ))
    })
}

/// How many runs are listed one by one.
const MOST_RUNS: usize = 20;

/// What the checkpoints cover, a line for each run.
fn coverage(report: &Report, runs: &[&RunCoverage]) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    let Coverage { entries, deletions, deletions_covered, ends, ends_covered, .. } = &report.coverage;
    let _ = writeln!(
        out,
        "covered by checkpoints: {entries} of {}, {deletions_covered} of {}, the ends of {ends_covered} of {}",
        counted(report.entries, "entry", "entries"),
        counted(*deletions, "deletion", "deletions"),
        counted(*ends, "run that is over", "runs that are over"),
    );
    // The newest are asked for most.
    for run in runs.iter().rev().take(MOST_RUNS).rev() {
        let label = if run.sandbox { "sandbox run" } else { "run" };
        let end = match (run.end, run.end_covered) {
            (None, _) => "not over yet".to_owned(),
            (Some(_), true) => "end covered".to_owned(),
            (Some(end), false) => format!("END NOT COVERED (entry {end})"),
        };
        let first = run.first_uncovered.map(|seq| format!(", not from entry {seq} on")).unwrap_or_default();
        let RunCoverage { run: id, deletions, deletions_covered, .. } = run;
        let deletions = counted(*deletions, "deletion", "deletions");
        let _ = writeln!(out, "  {label} {}: {deletions_covered} of {deletions} covered{first}; {end}", shown(id));
    }
    if runs.len() > MOST_RUNS {
        let _ = writeln!(out, "  and {} older ones: --output json lists all", runs.len() - MOST_RUNS);
    }
    out
}

/// The root. If something is wrong, it is the root of the entries that could be read, and proves nothing; if none could be read, it is
/// left out.
fn root(report: &Report) -> String {
    match report.entries {
        _ if report.verdict.is_sound() => format!("root {}\n", report.root),
        0 => String::new(),
        _ => format!("as they were read, the entries have the root {}, which proves nothing\n", report.root),
    }
}

pub(super) fn text(ui: &Ui, report: &Report, runs: &[&RunCoverage], is_compared: bool) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    let hashes = [("expected", &report.expected), ("found", &report.found)];
    out += &headline(ui, report.verdict, &report.detail, report.first_bad, hashes);
    if let (Some(checkpoint), Some(size)) = (&report.checkpoint, report.proved_up_to) {
        let _ = writeln!(
            out,
            "proved by the checkpoint: entries 0 to {} ({})",
            size.saturating_sub(1),
            shown(&checkpoint.origin)
        );
    }
    if is_compared {
        out += &coverage(report, runs);
    }
    for finding in report.findings.iter().skip(1) {
        let _ = writeln!(out, "also {}: {}", finding.verdict.as_str().replace('_', " "), shown(&finding.detail));
    }
    for warning in &report.warnings {
        let _ = writeln!(out, "note: {}", shown(warning));
    }
    out += &report.demands.as_deref().map(demands).unwrap_or_default();
    let (entries, runs) = (counted(report.entries, "entry", "entries"), counted(report.runs, "run", "runs"));
    let _ = writeln!(out, "{entries}, {runs}");
    out += &root(report);
    if let Some(why) = &report.not_accepted {
        let _ = writeln!(out, "not accepted: {}", shown(why));
    }
    out
}
