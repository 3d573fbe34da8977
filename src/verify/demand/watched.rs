//! A real run, while what is demanded of it is looked for in its entries.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::super::history::Approvals;
use super::brought::{Demand, Needs};
use super::row;
use super::told::{Overridden, RunDemands};
use crate::domain::{Target, counted, parse_time, service_behind};
use crate::policy::in_use::IfInUse;
use crate::policy::limits::{AWS, Limits};
use crate::policy::{Liftable, Rule, Rules};
use crate::record::Entry;
use crate::record::approval::Role;
use crate::record::event::{Event, IntentRecorded, OverrideUsed, PlanSealed, RateChanged, SessionOpened};
use crate::record::plan::Verdict;

/// What the word of an entry begins with where a policy's rule was lifted.
const POLICY: &str = "policy.";

/// A real run.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) told: RunDemands,
    pub(super) is_started: bool,
    /// The policies that it is under, of those that were brought.
    rules: Rules,
    is_under_one: bool,
    /// The rules that are lifted, as far as that is permitted, and what is left.
    lifted: BTreeSet<Rule>,
    limits: Limits,
    has_annotations: bool,
    /// Key pairs to delete, by account and region.
    deletes: BTreeMap<(String, String), u64>,
    /// The youngest of them: when it was created, its row and its entry.
    youngest: Option<(Timestamp, u64, u64)>,
}

impl Watched {
    pub(super) fn new(opened: &SessionOpened, demand: &Demand) -> Self {
        let shas = [&opened.policy_sha256, &opened.machine_policy_sha256];
        let own = demand.policies.iter().filter(|one| shas.iter().any(|sha256| sha256.as_ref() == Some(&one.sha256)));
        let is_under_one = own.clone().next().is_some();
        let rules = own.fold(Rules::default(), |all, one| all.join(&one.rules));
        let told = RunDemands {
            run: opened.run_id.clone().unwrap_or_default(),
            policy_sha256: opened.policy_sha256.clone(),
            machine_policy_sha256: opened.machine_policy_sha256.clone(),
            ..RunDemands::default()
        };
        Self {
            told,
            is_started: false,
            limits: rules.in_force(&BTreeSet::new()),
            rules,
            is_under_one,
            lifted: BTreeSet::new(),
            has_annotations: opened.settings.get("without_annotations").is_none_or(|value| value != "true"),
            deletes: BTreeMap::new(),
            youngest: None,
        }
    }

    /// Takes an entry of the run. `signed` is what was signed of its plan.
    pub(super) fn take(&mut self, entry: &Entry, demand: &Demand, signed: Option<&Approvals>) {
        match &entry.event {
            Event::OverrideUsed(used) => self.lift(used),
            Event::IntentRecorded(intent) if intent.verdict() == Verdict::Delete => self.intend(intent, entry.seq),
            Event::PlanSealed(sealed) => self.seal(sealed, entry.seq, !demand.policies.is_empty()),
            Event::RunStarted(_) => {
                self.is_started = true;
                self.approve(entry, demand, signed);
            }
            // A later session goes on with the run: the person who runs it now must not be one of those who are needed.
            Event::PlanSigned(by) if self.is_started && by.role == Role::Session => self.approve(entry, demand, signed),
            Event::RateChanged(changed) => self.change_rate(changed, entry.seq),
            _ => {}
        }
    }

    fn lift(&mut self, used: &OverrideUsed) {
        let Some(word) = used.which.strip_prefix(POLICY) else { return };
        let rule = Rule::of(word);
        let is_liftable = |rule: Rule| matches!(self.rules.liftable(rule), Liftable::Yes | Liftable::InPart);
        let lifted = rule.filter(|rule| is_liftable(*rule));
        let (by, why) = (used.by.clone(), used.why.clone());
        self.told.overridden.push(Overridden { rule: word.to_owned(), by, why, permitted: lifted.is_some() });
        self.lifted.extend(lifted);
        self.limits = self.rules.in_force(&self.lifted);
    }

    fn intend(&mut self, intent: &IntentRecorded, seq: u64) {
        let created = row::judge(intent, seq, &self.limits, self.has_annotations, &mut self.told);
        let target = (intent.line.account.clone(), intent.line.region.clone());
        *self.deletes.entry(target).or_default() += 1;
        let own = created.map(|created| (created, intent.line.row, seq));
        self.youngest = self.youngest.max(own);
    }

    /// The plan is complete: what is judged of it as a whole.
    fn seal(&mut self, sealed: &PlanSealed, seq: u64, is_policy_brought: bool) {
        let (limits, told) = (&self.limits, &mut self.told);
        if is_policy_brought && !self.is_under_one {
            let under = match (&told.policy_sha256, &told.machine_policy_sha256) {
                (None, None) => "no policy".to_owned(),
                (one, other) => [one, other]
                    .into_iter()
                    .flatten()
                    .map(|sha256| format!("SHA-256 {sha256}"))
                    .collect::<Vec<_>>()
                    .join(" and "),
            };
            told.violated(
                "policy",
                seq,
                None,
                format!("its run is under none of the policies that were brought, but under {under}"),
            );
        }
        let endpoint = &sealed.header.endpoint;
        let is_behind = |word: &str| word == AWS && service_behind(endpoint) == AWS;
        if !limits.endpoints.allows(|glob| is_behind(glob.as_str()) || glob.matches(endpoint)) {
            let text = format!("its plan is for the endpoint {endpoint}, which the policy does not allow");
            told.violated(Rule::Endpoints.as_str(), seq, None, text);
        }
        let deletes: u64 = self.deletes.values().sum();
        if let Some(most) = limits.maximum_deletes.filter(|most| deletes > *most) {
            let pairs = counted(deletes, "key pair", "key pairs");
            let text = format!("its plan deletes {pairs}, and the policy permits at most {most}");
            told.violated(Rule::MaximumDeletes.as_str(), seq, None, text);
        }
        for read in &sealed.targets {
            let own = self.deletes.get(&(read.account.clone(), read.region.clone())).copied().unwrap_or_default();
            let (region, of) = (&read.region, read.key_pairs);
            if let Some(most) = limits.maximum_percent.filter(|most| most.is_exceeded_by(own, of)) {
                let text = format!(
                    "its plan deletes {own} of {of} key pairs in {}/{region}, and the policy permits at most {most}",
                    read.account
                );
                told.violated(Rule::MaximumPercent.as_str(), seq, None, text);
            }
            if limits.if_in_use > IfInUse::Warn && own > 0 && read.instances.is_none() {
                let text = format!(
                    "the instances in {}/{region} were not listed, so nothing shows which key pairs they use",
                    read.account
                );
                told.not_judged(Rule::IfInUse.as_str(), text);
            }
        }
        let made_at = parse_time(&sealed.header.made_at);
        if let (Some(least), Some(made_at), Some((created, row, at))) = (limits.minimum_age, made_at, self.youngest)
            && Duration::try_from(made_at.duration_since(created)).unwrap_or_default() < least
        {
            let text = format!(
                "a key pair is to be deleted that was created {created}, and the plan was made {made_at}: it is younger than the policy permits"
            );
            told.violated(Rule::MinimumAge.as_str(), at, Some(row), text);
        }
        if !limits.rates.is_empty() {
            let text = "the journal has the permitted rate only where it changed, and not the pace of each request";
            told.not_judged(Rule::Rates.as_str(), text);
        }
    }

    fn approve(&mut self, entry: &Entry, demand: &Demand, signed: Option<&Approvals>) {
        let four_eyes = demand.four_eyes || self.limits.four_eyes;
        let approvals = demand.approvals.max(self.limits.approvals as usize);
        let nothing = Approvals::default();
        let judged = demand.judge(Needs { approvals, four_eyes }, signed.unwrap_or(&nothing), entry.at);
        if let Err((rule, why)) = judged {
            self.told.violated(rule.as_str(), entry.seq, None, why);
        }
    }

    fn change_rate(&mut self, changed: &RateChanged, seq: u64) {
        let target = Target { account: changed.account.clone(), region: changed.region.clone() };
        let Some(most) = self.limits.rate_per_s(&target) else { return };
        let is_above = |text: &String| text.parse().map_or(true, |rate: f64| rate > most * ROUNDED);
        if let Some(rate) = [&changed.from_per_s, &changed.to_per_s].into_iter().find(|rate| is_above(rate)) {
            let text = format!(
                "up to {rate} requests per second were permitted in {target}, and the policy permits at most {most}"
            );
            self.told.violated(Rule::Rates.as_str(), seq, None, text);
        }
    }
}

/// Rates are written in few digits.
const ROUNDED: f64 = 1.001;
