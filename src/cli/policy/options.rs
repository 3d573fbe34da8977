//! The options that name a policy, and those that lift its rules.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};

use super::load::PolicyFile;
use crate::cli::{CliError, Code, Context, Exit, Sent};
use crate::policy::{Liftable, Rule, Rules};
use crate::session::Policy;

/// Which policy holds.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct PolicyOptions {
    /// Keep the rules in this file, and those of /etc/keybatch/policy.toml, of which the stricter hold
    #[arg(long, env = "KEYBATCH_POLICY", value_name = "FILE")]
    policy: Option<PathBuf>,
}

/// Which of its rules are lifted.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct OverrideOptions {
    /// Lift this rule of the policy, if the policy permits that; may be repeated
    #[arg(long = "override", value_name = "RULE", requires = "because", group = "lifting", value_parser = rule_parser())]
    overrides: Vec<Rule>,
}

fn rule_parser() -> impl clap::builder::TypedValueParser<Value = Rule> {
    let names = PossibleValuesParser::new(Rule::ALL.iter().map(|rule| rule.as_str()));
    names.try_map(|name| Rule::of(&name).ok_or("no such rule"))
}

impl OverrideOptions {
    /// Whether there are any.
    pub(crate) fn is_given(&self) -> bool {
        !self.overrides.is_empty()
    }
}

impl PolicyOptions {
    /// What holds: the rules of the files, without those that are lifted, for the reason `because`.
    ///
    /// # Errors
    /// If a file cannot be read or has faults, or a rule cannot be lifted.
    pub(crate) fn policy(
        &self,
        lifted: &OverrideOptions,
        because: Option<&str>,
        context: &Context,
    ) -> Result<Policy, CliError> {
        let own = self.policy.as_deref().map(PolicyFile::read).transpose()?;
        let machine = PolicyFile::of_machine(context)?;
        let rules = [&own, &machine].into_iter().flatten().fold(Rules::default(), |all, one| all.join(&one.rules));
        let lifted: BTreeSet<Rule> = lifted.overrides.iter().copied().collect();
        for rule in &lifted {
            refuse_firm(&rules, *rule)?;
        }
        Ok(Policy {
            limits: rules.in_force(&lifted),
            rules,
            sha256: own.map(|own| own.sha256),
            machine_sha256: machine.map(|machine| machine.sha256),
            because: because.filter(|_| !lifted.is_empty()).map(str::to_owned),
            lifted,
        })
    }
}

/// Refuses to lift a rule that cannot be lifted.
fn refuse_firm(rules: &Rules, rule: Rule) -> Result<(), CliError> {
    let refuse = |exit, code, message: String| Err(CliError::new(exit, message).code(code).sent(Sent::Nothing));
    match rules.liftable(rule) {
        Liftable::Yes | Liftable::InPart => Ok(()),
        Liftable::NoRule => {
            let message = format!("--override {rule}: no policy has this rule, so there is nothing to override");
            refuse(Exit::Usage, Code::Usage, message)
        }
        Liftable::No => {
            let message = format!("the policy does not permit its rule {rule} to be overridden");
            let refused: Result<(), CliError> = refuse(Exit::Refused, Code::PolicyFirm, message);
            refused.map_err(|error| error.hint("a policy names under `overridable` what may be"))
        }
    }
}
