//! The accounts of a run, and the connection to each.
//!
//! The *home account* is that of the default credentials: all rows are in it that name no account, or one that the configuration
//! does not say how to reach. Where each row names an account that the configuration says how to reach, the default credentials
//! are not needed, and the first of these accounts stands for it.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::error::{Outside, Refusal, Sent, SessionError};
use super::host::Host;
use super::place::{Connection, Place, Reached, Way};
use crate::domain::Target;
use crate::journal::{RunRecord, TargetRecord};
use crate::record::event::{SessionAccount, SessionOpened};
use crate::record::plan::PlanCaller;

/// The accounts of a run, and the connection to each.
pub(super) struct Connections<L> {
    /// Where requests go, and as whom.
    pub(super) place: Place,
    /// The run's accounts that are not reached, and why.
    pub(super) unreached: BTreeMap<String, Unreached>,
    /// Whether the home account is reached.
    is_at_home: bool,
    ports: BTreeMap<String, Arc<L>>,
    /// Kept while the connections live.
    _kept: Vec<Box<dyn Any + Send + Sync>>,
}

/// What was reached for a run, before its accounts are held against one another.
struct Found<L> {
    home: String,
    default: Option<Connection<L>>,
    configured: BTreeMap<String, Connection<L>>,
    unreached: BTreeMap<String, Unreached>,
}

/// Connects to the accounts of a run that begins, whose rows are in these targets. Those of the home account have none, or one that
/// is not `configured`.
///
/// # Errors
/// Where the home account cannot be reached, or requests for its accounts would go to different places.
pub(super) async fn connect<H: Host>(
    host: &H,
    way: Way<'_>,
    targets: &[Target],
    configured: &BTreeSet<String>,
) -> Result<Connections<H::Port>, SessionError> {
    let is_configured = |target: &&Target| configured.contains(&target.account);
    let named: BTreeSet<_> = targets.iter().filter(is_configured).map(|target| target.account.clone()).collect();
    let first = named.first().filter(|_| targets.iter().all(|target| is_configured(&target))).cloned();
    let (home, default) = match first {
        Some(first) => (first, None),
        None => {
            let default = host.connect(way).await.map_err(SessionError::outside)?;
            (default.place.caller.account.clone(), Some(default))
        }
    };
    let mut found = Found { home, default, configured: BTreeMap::new(), unreached: BTreeMap::new() };
    for account in named {
        found.reach(host, way, account).await;
    }
    found.join()
}

/// Connects to the accounts of a run that continues: those of `targets`. An account that is not reached is no error as long as
/// one is: its targets stop, and the others go on. `opened` is the run's first session, `configured` are the accounts that the
/// configuration says how to reach.
///
/// # Errors
/// Where no account is reached, the default credentials are those of another account than the run's (I11), or requests would go
/// to different places.
pub(super) async fn connect_again<H: Host>(
    host: &H,
    way: Way<'_>,
    (record, opened): (&RunRecord, &SessionOpened),
    targets: &[TargetRecord],
    configured: &BTreeSet<String>,
) -> Result<Connections<H::Port>, SessionError> {
    let home = record.account.clone().unwrap_or_default();
    let mut accounts: BTreeSet<_> = targets.iter().map(|target| target.target.account.clone()).collect();
    accounts.insert(home.clone());
    let was_configured = opened.accounts.iter().any(|account| account.account == home);
    let mut found = Found { home, default: None, configured: BTreeMap::new(), unreached: BTreeMap::new() };
    let mut missing = None;
    let at_home = |account: &String| *account == found.home && !was_configured;
    if accounts.iter().any(|account| !configured.contains(account) || at_home(account)) {
        match host.connect(way).await {
            Err(error) => missing = Some(error),
            Ok(default) => {
                let account = &default.place.caller.account;
                if !accounts.contains(account) {
                    let (expected, found) = (found.home, account.clone());
                    let refusal = Refusal::Bound { run: record.run, what: "account", expected, found };
                    return Err(SessionError::new(refusal).sent(Sent::Reads));
                }
                found.default = Some(default);
            }
        }
    }
    for account in accounts {
        if configured.contains(&account) {
            found.reach(host, way, account).await;
        } else if found.default_account() != Some(&account) {
            let unreached = match missing.take_if(|_| account == found.home && !was_configured) {
                Some(error) => Unreached::Failed(error),
                None => Unreached::Unconfigured(account.clone()),
            };
            found.unreached.insert(account, unreached);
        }
    }
    found.join()
}

/// Why an account is not reached.
#[derive(Debug)]
pub(super) enum Unreached {
    /// Connecting failed.
    Failed(Outside),
    /// Nothing says how to reach this account.
    Unconfigured(String),
}

impl Unreached {
    pub(super) fn refusal(self) -> Refusal {
        match self {
            Self::Failed(error) => Refusal::Outside(error),
            Self::Unconfigured(account) => Refusal::Unconfigured { account },
        }
    }
}

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Unconfigured(account) => Refusal::Unconfigured { account: account.clone() }.fmt(f),
        }
    }
}

impl<L> Found<L> {
    fn default_account(&self) -> Option<&String> {
        self.default.as_ref().map(|default| &default.place.caller.account)
    }

    /// Connects as the configuration says, unless the default credentials are for that account.
    async fn reach<H: Host<Port = L>>(&mut self, host: &H, way: Way<'_>, account: String) {
        if self.default_account() == Some(&account) {
            return;
        }
        match host.connect(Way { account: Some(&account), ..way }).await {
            Ok(connection) => drop(self.configured.insert(account, connection)),
            Err(error) => drop(self.unreached.insert(account, Unreached::Failed(error))),
        }
    }

    /// All of them go to one place (I11).
    fn join(self) -> Result<Connections<L>, SessionError> {
        let Self { home, default, configured, mut unreached } = self;
        let place = default.as_ref().or_else(|| configured.get(&home)).or_else(|| configured.values().next());
        let Some(mut place) = place.map(|connection| connection.place.clone()) else {
            // What failed says more than that nothing was configured.
            let first = unreached.extract_if(.., |_, why| matches!(why, Unreached::Failed(_))).next();
            let why = first.map_or(Unreached::Unconfigured(home), |(_, why)| why);
            return Err(SessionError::new(why.refusal()).sent(Sent::Reads));
        };
        for (account, connection) in &configured {
            let found = &connection.place;
            if (&found.endpoint, &found.world) != (&place.endpoint, &place.world) {
                let (account, expected, found) = (account.clone(), place.endpoint, found.endpoint.clone());
                return Err(SessionError::new(Refusal::Scattered { account, expected, found }).sent(Sent::Reads));
            }
        }
        place.accounts = configured.values().map(|connection| Reached::from(&connection.place)).collect();
        let is_at_home = place.caller.account == home;
        place.caller.account = home;
        let (mut ports, mut kept) = (BTreeMap::new(), Vec::new());
        for Connection { port, place, kept: own } in default.into_iter().chain(configured.into_values()) {
            ports.insert(place.caller.account, port);
            kept.extend(own);
        }
        Ok(Connections { place, unreached, is_at_home, ports, _kept: kept })
    }
}

impl<L> Connections<L> {
    /// What requests for this target go through, if its account is reached. A target without a region holds only rows that
    /// nothing is asked about.
    pub(super) fn port(&self, target: &Target) -> Option<&Arc<L>> {
        let any = || self.ports.values().next().filter(|_| target.region.is_empty());
        self.ports.get(&target.account).or_else(any)
    }

    /// A run begins only where each of its accounts is reached.
    ///
    /// # Errors
    /// Why one is not.
    pub(super) fn refuse_unreached(&mut self) -> Result<(), SessionError> {
        match self.unreached.pop_first() {
            None => Ok(()),
            Some((_, why)) => Err(SessionError::new(why.refusal())),
        }
    }

    /// The run's accounts, reached or not, in order.
    pub(super) fn accounts(&self) -> BTreeSet<&str> {
        self.ports.keys().chain(self.unreached.keys()).map(String::as_str).collect()
    }

    /// Whose credentials these are, one for each account that is reached, by account.
    pub(super) fn callers(&self) -> Vec<PlanCaller> {
        let home = Some(&self.place.caller).filter(|_| self.is_at_home);
        let all = home.into_iter().chain(self.place.accounts.iter().map(|reached| &reached.caller));
        let by_account: BTreeMap<_, _> = all.map(|caller| (caller.account.clone(), caller.arn.clone())).collect();
        by_account.into_iter().map(|(account, arn)| PlanCaller { account, arn }).collect()
    }

    /// What the session's first entry says of them, beside its place.
    pub(super) fn sign(&self, opened: &mut SessionOpened) {
        let signed = |reached: &Reached| SessionAccount {
            account: reached.caller.account.clone(),
            caller_arn: reached.caller.arn.clone(),
            profile: reached.profile.clone(),
            credentials_source: reached.credentials_source.clone(),
        };
        opened.accounts = self.place.accounts.iter().map(signed).collect();
        if !self.is_at_home {
            (opened.caller_arn, opened.profile, opened.credentials_source) = (None, None, None);
        }
    }
}
