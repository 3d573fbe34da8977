//! `keybatch verify`: is the journal what was written?

use std::path::PathBuf;
use std::sync::Arc;

use super::amount::count_between;
use super::brought::Brought;
use super::keygen::OwnKeygen;
use super::policy::PolicyFile;
use super::verify_proof::{self, Brings};
use super::{CliError, Context, Exit, Format, shown, signers};
use crate::domain::counted;
use crate::policy::{Liftable, Rule};
use crate::record::approval::MOST_APPROVALS;
use crate::record::ssh::Signers;
use crate::review::json_text;
use crate::verify::{BroughtPolicy, Demand, Options, Report, RunDemands, Verdict, verify};

/// Verify the journal, or a proof from it, offline
///
/// Reads every entry and checks its hash and position, whether the recorded history is possible, and whether the tables
/// match the entries. Only a checkpoint that was kept elsewhere can show whether entries are missing at the end, or
/// whether everything was rewritten.
///
/// A proof, which `keybatch prove` makes, is verified without the journal.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// File of a proof to verify instead of the journal
    #[arg(value_name = "PROOF")]
    proof: Option<PathBuf>,
    /// File of checkpoints that was kept elsewhere; all checkpoints of this journal in it are compared
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
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
    /// Fail if there is no outside checkpoint to compare with
    #[arg(long)]
    require_checkpoint: bool,
}

pub(super) async fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    if let Some(proof) = &args.proof {
        if args.require_approvals.is_some() {
            let refused = CliError::new(Exit::Usage, "--require-approvals is about the journal, and a proof was named");
            return Err(refused.hint("verify the journal itself to judge who approved its plans"));
        }
        let brings = Brings {
            checkpoints: args.checkpoint.as_deref(),
            signers: args.allowed_signers.as_deref(),
            require_checkpoint: args.require_checkpoint,
        };
        return verify_proof::run(proof, &brings, context);
    }
    let scratch = super::scratch::directory(context)?;
    let signers = args.allowed_signers.as_deref().map(|path| signers::read(path, context)).transpose()?;
    let brought = match &args.checkpoint {
        Some(path) => Brought::read(path, signers.as_ref(), context, args.require_checkpoint).await?,
        None => Brought::default(),
    };
    let demand = args.demand(signers, context)?;
    let options = Options {
        demand,
        checkpoint: brought.most,
        further: brought.further,
        signed: brought.signed,
        bad_signature: brought.bad_signature,
        unverified_signature: brought.unverified_signature,
        require_checkpoint: args.require_checkpoint,
        scratch: Some((scratch, format!("keybatch-{}", uuid::Uuid::new_v4()))),
    };
    let mut report = verify(&context.journal, options).await?;
    report.warnings.extend(brought.warnings);
    let exit = if report.accepted { Exit::Success } else { Exit::NotVerified };
    match context.ui.format {
        Format::Table => context.ui.data(&text(&report, args.require_checkpoint))?,
        Format::Json | Format::Jsonl | Format::Csv => {
            let value =
                serde_json::to_value(&report).map_err(|error| CliError::from_error(Exit::Unexpected, &error))?;
            context.ui.data(&format!("{}\n", json_text(&value)))?;
        }
    }
    Ok(exit)
}

impl Args {
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
        out += "no real run was started, so nothing is demanded of any\n";
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

fn text(report: &Report, require_checkpoint: bool) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    let word = report.verdict.as_str().replace('_', " ");
    let _ = writeln!(out, "{}: {}", word.to_uppercase(), shown(&report.detail));
    if let Some(seq) = report.first_bad {
        let _ = writeln!(out, "first bad entry: {seq}");
    }
    for (label, value) in [("expected", &report.expected), ("found", &report.found)] {
        let Some(value) = value else { continue };
        let mut lines = value.lines();
        let _ = writeln!(out, "{label}: {}", shown(lines.next().unwrap_or_default()));
        for line in lines {
            let _ = writeln!(out, "  {}", shown(line));
        }
    }
    if let (Some(checkpoint), Some(size)) = (&report.checkpoint, report.proved_up_to) {
        let _ = writeln!(
            out,
            "proved by the checkpoint: entries 0 to {} ({})",
            size.saturating_sub(1),
            shown(&checkpoint.origin)
        );
    }
    for finding in report.findings.iter().skip(1) {
        let _ = writeln!(out, "also {}: {}", finding.verdict.as_str().replace('_', " "), shown(&finding.detail));
    }
    for warning in &report.warnings {
        let _ = writeln!(out, "note: {}", shown(warning));
    }
    out += &report.demands.as_deref().map(demands).unwrap_or_default();
    let (entries, runs) = (counted(report.entries, "entry", "entries"), counted(report.runs, "run", "runs"));
    let _ = writeln!(out, "{entries}, {runs}\nroot {}", report.root);
    if report.verdict == Verdict::SelfConsistent && require_checkpoint {
        let _ = writeln!(
            out,
            "not accepted: --require-checkpoint needs a checkpoint that covers entries of this journal, and none was given"
        );
    }
    out
}
