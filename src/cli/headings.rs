//! The headings under which help lists options, and the text at its end.

use clap::Command;

/// Options by heading. All others stay under clap's own heading, "Options".
const HEADINGS: [(&str, &[&str]); 5] = [
    (
        "Safety",
        &[
            "yes",
            "confirm",
            "dry_run",
            "only",
            "of",
            "again",
            "on_drift",
            "approvals",
            "allowed_signers",
            "require_approvals",
            "four_eyes",
            "resume",
            "skip_invalid",
            "annotation",
            "without_annotations",
            "allow_default_key_pair",
            "if_in_use",
            "if_recreated",
            "expect_account",
            "policy",
            "overrides",
            "accept_rollback",
            "because",
        ],
    ),
    (
        "Pace",
        &[
            "rate",
            "concurrency",
            "max_attempts",
            "attempt_timeout",
            "settle_timeout",
            "operation_timeout",
            "max_observation_age",
            "signature_life",
            "share",
        ],
    ),
    ("Limits", &["canary", "max_deletes", "max_failures", "max_duration", "drain_timeout", "journal_patience"]),
    ("AWS", &["profile", "region", "endpoint_url", "credentials_timeout"]),
    (
        "Records",
        &[
            "journal",
            "reason",
            "ticket",
            "summary_to",
            "metrics_file",
            "metrics_listen",
            "checkpoint_to",
            "checkpoint_exec",
            "require_anchor",
            "sign_key",
            "sign_all",
        ],
    ),
];

/// What the help of `run` ends with. No line is longer than 58 characters: clap would break it in the middle, also in a narrow
/// terminal.
const RUN: &str = "Examples:
  Show what would be done; send only read requests:
    keybatch run deletions.csv --dry-run
  Rehearse against the built-in look-alike:
    keybatch run deletions.csv --sandbox
  Ask for a confirmation, then delete:
    keybatch run deletions.csv --ticket OPS-17
  In a pipeline, only if exactly 2,499 would be deleted:
    keybatch run deletions.csv --confirm 2499
  Begin this manifest's run, or continue it:
    keybatch run deletions.csv --resume --confirm 12
  Try those rows of the latest run again that failed:
    keybatch run --only failed --of latest";

/// What the help of `run` and `resume` says about exit codes, as narrow as the examples.
const EXITS: &str = "Exit codes:
   0  every row is deleted, gone or absent
   1  unexpected error
   2  usage error, or no terminal to confirm on
   3  finished; some rows failed or were skipped
   4  refused before any delete was sent
   5  stopped with rows left: resume it
   6  finished; some rows are in doubt
   7  the journal failed verification
   8  the journal is locked by another session
   9  environment: credentials, region, endpoint, journal
  10  declined at the prompt
  11  this manifest's run is unfinished: resume it
  12  stopped while planning: run it again";

/// The command line with headings, examples and exit codes.
pub(super) fn arrange(command: Command) -> Command {
    command.mut_subcommands(|command| {
        let after = match command.get_name() {
            "run" => Some(format!("{RUN}\n\n{EXITS}")),
            "resume" | "work" => Some(EXITS.to_owned()),
            _ => None,
        };
        let command = command.mut_args(|arg| match heading(arg.get_id().as_str()) {
            Some(heading) => arg.help_heading(heading),
            None => arg,
        });
        match after {
            Some(after) => command.after_help(after),
            None => command,
        }
    })
}

fn heading(id: &str) -> Option<&'static str> {
    HEADINGS.iter().find(|(_, ids)| ids.contains(&id)).map(|(heading, _)| *heading)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::super::Cli;
    use super::*;

    #[test]
    fn examples_and_exit_codes_fit_a_narrow_terminal() {
        for line in [RUN, EXITS].iter().flat_map(|text| text.lines()) {
            assert!(line.chars().count() <= 58, "{line}");
        }
    }

    /// An option that is added later must be given a heading.
    #[test]
    fn each_option_of_run_and_resume_has_its_heading() {
        let command = Cli::command();
        let ids = |name: &str| {
            let command = command.get_subcommands().find(|command| command.get_name() == name).unwrap();
            command.get_arguments().filter(|arg| !arg.is_positional()).map(|arg| arg.get_id().to_string()).collect()
        };
        let [mut known, resume]: [Vec<String>; 2] = ["run", "resume"].map(ids);
        known.extend(resume);
        let plain = ["sandbox", "help", "version"];
        for id in &known {
            assert!(heading(id).is_some() || plain.contains(&id.as_str()), "{id} has no heading");
        }
    }
}
