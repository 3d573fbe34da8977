//! The commands, and what each is about.

use std::path::PathBuf;

use clap::Subcommand;

use super::{
    CliError, Exit, Format, Sent, abandon, approve, checkpoint, completions, config, control, doctor, export,
    iam_policy, instances, inventory, journal, journals, log, man, plan, policy, prove, query, reconcile, report,
    resolve, resume, run, runs, sandbox, show, verify, work,
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Run(Box<run::Args>),
    Plan(Box<plan::Args>),
    Approve(Box<approve::Args>),
    Resume(Box<resume::Args>),
    Work(Box<work::Args>),
    Control(control::Args),
    Abandon(Box<abandon::Args>),
    Resolve(Box<resolve::Args>),
    Reconcile(Box<reconcile::Args>),
    Journal(Box<journal::Args>),
    Sandbox(sandbox::Args),
    Runs(runs::Args),
    Show(show::Args),
    Log(log::Args),
    Query(query::Args),
    Report(report::Args),
    Export(export::Args),
    Verify(verify::Args),
    Prove(prove::Args),
    Inventory(Box<inventory::Args>),
    Instances(instances::Args),
    Checkpoint(checkpoint::Args),
    Doctor(doctor::Args),
    Config(config::Args),
    IamPolicy(iam_policy::Args),
    Man(man::Args),
    Policy(policy::Args),
    Completions(completions::Args),
}

impl Command {
    /// Whether the command needs a journal's place. Packages are built where nobody has a home.
    pub(super) fn is_about_a_journal(&self) -> bool {
        match self {
            Self::Query(args) => args.reads_journal(),
            Self::Journal(args) => args.is_about_the_journal(),
            other => !matches!(other, Self::Config(_) | Self::IamPolicy(_) | Self::Man(_) | Self::Completions(_)),
        }
    }

    /// The journals of a command that takes several, if there are several.
    ///
    /// # Errors
    /// If another command is given several, or a directory is to be expanded and cannot be.
    pub(super) fn many(&self, named: &[PathBuf]) -> Result<Option<Vec<PathBuf>>, CliError> {
        if !journals::are_many(named) {
            return Ok(None);
        }
        match self {
            Self::Runs(_) | Self::Show(_) | Self::Query(_) | Self::Verify(_) => journals::expand(named).map(Some),
            // A directory in place of the journal is an error of its own.
            _ if named.len() == 1 => Ok(None),
            _ => Err(CliError::new(Exit::Usage, "this command works on one journal, and --journal names several")
                .hint("`runs`, `show`, `query` and `verify` take several")
                .sent(Sent::Nothing)),
        }
    }

    /// The format of the answer, where an option of the command's own says it: an error has it, too.
    pub(super) fn answers_as(&self) -> Option<Format> {
        matches!(self, Self::Report(args) if args.asks_for_json()).then_some(Format::Json)
    }

    /// Whether the command is refused where a file of settings has faults. `doctor` reports them among its findings.
    pub(super) fn needs_settings(&self) -> bool {
        !matches!(self, Self::Doctor(_) | Self::Man(_) | Self::Completions(_))
    }

    /// Whether its output may be long, and is a person's to read at leisure.
    pub(super) fn is_paged(&self) -> bool {
        match self {
            Self::Runs(args) => !args.pager.no_pager,
            Self::Show(args) => !args.pager.no_pager,
            Self::Log(args) => args.is_paged(),
            Self::Query(args) => !args.pager.no_pager,
            _ => false,
        }
    }

    /// Whether the command only reads the journal. Sessions tidy up by themselves.
    pub(super) fn only_reads(&self) -> bool {
        match self {
            Self::Run(args) => args.dry_run,
            Self::Reconcile(args) => args.only_reads(),
            Self::Resume(_)
            | Self::Work(_)
            | Self::Abandon(_)
            | Self::Resolve(_)
            | Self::Journal(_)
            | Self::Sandbox(_)
            | Self::Config(_)
            | Self::IamPolicy(_)
            | Self::Man(_)
            | Self::Policy(_)
            | Self::Completions(_) => false,
            Self::Plan(_)
            | Self::Approve(_)
            | Self::Control(_)
            | Self::Runs(_)
            | Self::Show(_)
            | Self::Log(_)
            | Self::Query(_)
            | Self::Report(_)
            | Self::Export(_)
            | Self::Verify(_)
            | Self::Prove(_)
            | Self::Inventory(_)
            | Self::Instances(_)
            | Self::Checkpoint(_)
            | Self::Doctor(_) => true,
        }
    }
}
