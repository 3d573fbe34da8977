//! The order in which help lists options, by what they are for; and what help ends with.

use clap::Command;

/// Options by heading. What is named nowhere stays under clap's own "Options".
const HEADINGS: [(&str, &[&str]); 5] = [
    (
        "Safety",
        &[
            "yes",
            "confirm",
            "dry_run",
            "again",
            "resume",
            "skip_invalid",
            "annotation",
            "allow_default_key_pair",
            "if_in_use",
            "if_recreated",
            "expect_account",
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
        ],
    ),
    ("Limits", &["max_deletes", "max_failures", "max_duration", "drain_timeout"]),
    ("AWS", &["profile", "region", "endpoint_url", "credentials_timeout"]),
    ("Records", &["journal", "reason", "ticket", "checkpoint_to"]),
];

/// What the help of `run` ends with.
const RUN: &str = "Examples:
  keybatch run deletions.csv --dry-run             what would be done; sends nothing but reads
  keybatch run deletions.csv --sandbox             a rehearsal against the built-in look-alike
  keybatch run deletions.csv --ticket OPS-17       ask for a confirmation, then delete
  keybatch run deletions.csv --confirm 2499        in a pipeline: only if exactly 2,499 would be deleted
  keybatch run deletions.csv --resume --confirm 12 begin, or continue this manifest's run";

/// What the help of `run` and `resume` says of their exit codes.
const EXITS: &str = "Exit codes:
   0 every row deleted, gone or absent            6 finished, some rows in doubt
   1 unexpected error                             7 the journal did not verify
   2 usage, or no terminal to confirm on          8 journal locked by another session
   3 finished, some rows failed or were skipped   9 environment: credentials, region, endpoint, journal
   4 refused before any delete was sent          10 declined at the prompt
   5 stopped with rows left: resume it           11 this manifest's run is unfinished: resume it
                                                 12 stopped while planning: run it again";

/// The command line with headings, examples and exit codes.
pub(super) fn arrange(command: Command) -> Command {
    command.mut_subcommands(|command| {
        let after = match command.get_name() {
            "run" => Some(format!("{RUN}\n\n{EXITS}")),
            "resume" => Some(EXITS.to_owned()),
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

    /// An option that is added later must be given its place, and one that is gone has none.
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
