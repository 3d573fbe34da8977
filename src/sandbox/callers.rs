//! Who acts in a world: access keys and sessions of roles, the account of each, and when they expire.
//!
//! Access key ids and session tokens are known by their digests alone, as in the record. The state follows from the
//! requests and their times, so a replayed record refuses the same callers.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::account::AccountSpec;
use super::clock::Micros;
use super::derive::{self, ACCOUNT, caller_arn, caller_digest, own_access_key};

/// The access key id that rehearsals use.
const REHEARSAL: &str = "SANDBOX";

/// Whose request it is.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    /// The account's place in the world.
    pub(super) account: usize,
    pub(super) account_id: Arc<str>,
    pub(super) arn: Arc<str>,
    pub(super) user_id: Arc<str>,
}

/// Why a caller is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Away {
    /// Nobody has this access key, or it needs another session token.
    Unknown,
    Expired,
}

/// All callers of a world.
#[derive(Debug)]
pub(super) struct Callers {
    known: HashMap<String, Known>,
    /// Anybody else, where the world does not say who may act in it.
    anybody: Option<Caller>,
    nobody: Caller,
    expired: HashSet<String>,
}

#[derive(Debug)]
struct Known {
    caller: Caller,
    /// The digest of the session token that its requests must carry.
    token: Option<String>,
    expires_after: Option<Micros>,
    expires_after_deletes: Option<u64>,
    /// When it expires, once that is known.
    until: Option<Micros>,
    deletes: u64,
}

impl Known {
    fn forever(caller: Caller) -> Self {
        Self { caller, token: None, expires_after: None, expires_after_deletes: None, until: None, deletes: 0 }
    }
}

/// A session of a role, as AssumeRole made it.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) caller: Caller,
    pub(super) access_key_id: String,
    pub(super) token: String,
    pub(super) until: Micros,
    pub(super) expires_after_deletes: Option<u64>,
}

impl Callers {
    /// Those that a world with these accounts besides that of zeros knows.
    pub(super) fn new(accounts: &BTreeMap<String, AccountSpec>) -> Self {
        let nobody = of(0, &Arc::from(ACCOUNT), None);
        let anybody = accounts.is_empty().then(|| nobody.clone());
        let mut known = HashMap::new();
        for own in [REHEARSAL.to_owned(), own_access_key(ACCOUNT)] {
            known.insert(caller_digest(&own), Known::forever(nobody.clone()));
        }
        for (account, (id, spec)) in (1..).zip(accounts) {
            let id = Arc::from(id.as_str());
            known.insert(caller_digest(&own_access_key(&id)), Known::forever(of(account, &id, None)));
            for (access_key, key) in &spec.access_keys {
                let one = Known {
                    expires_after: key.expires_after_ms.map(|ms| ms.saturating_mul(1_000)),
                    expires_after_deletes: key.expires_after_deletes,
                    ..Known::forever(of(account, &id, key.user.as_deref()))
                };
                known.insert(caller_digest(access_key), one);
            }
        }
        Self { known, anybody, nobody, expired: HashSet::new() }
    }

    /// Whose request arrives at this time, and whether it is turned away.
    pub(super) fn admit(&mut self, digest: &str, token: Option<&str>, at: Micros) -> (Caller, Option<Away>) {
        let is_expired = self.expired.contains(digest);
        let Some(known) = self.known.get_mut(digest) else {
            let away = if self.anybody.is_none() { Some(Away::Unknown) } else { is_expired.then_some(Away::Expired) };
            return (self.nobody.clone(), away);
        };
        if known.token.as_deref().is_some_and(|wanted| token != Some(wanted)) {
            return (self.nobody.clone(), Some(Away::Unknown));
        }
        if known.until.is_none() {
            known.until = known.expires_after.map(|after| at.saturating_add(after));
        }
        let is_over = known.until.is_some_and(|until| at >= until);
        (known.caller.clone(), (is_expired || is_over).then_some(Away::Expired))
    }

    /// From now on, the credentials of this caller have expired.
    pub(super) fn expire(&mut self, digest: &str) {
        self.expired.insert(digest.to_owned());
    }

    /// This caller has deleted a key pair.
    pub(super) fn count_delete(&mut self, digest: &str) {
        let Some(known) = self.known.get_mut(digest) else { return };
        known.deletes += 1;
        if known.expires_after_deletes == Some(known.deletes) {
            self.expire(digest);
        }
    }

    /// Everybody whose credentials had expired has new ones; only the sessions of roles end when they end.
    pub(super) fn renew(&mut self) {
        self.expired.clear();
        for known in self.known.values_mut().filter(|known| known.token.is_none()) {
            known.until = None;
        }
    }

    /// Knows a session from now on.
    pub(super) fn add(&mut self, session: Session) {
        let Session { caller, access_key_id, token, until, expires_after_deletes } = session;
        let known = Known {
            token: Some(caller_digest(&token)),
            until: Some(until),
            expires_after_deletes,
            ..Known::forever(caller)
        };
        self.known.insert(caller_digest(&access_key_id), known);
    }
}

/// A caller of an account: an IAM user, or else the rehearsal's role.
fn of(account: usize, id: &Arc<str>, user: Option<&str>) -> Caller {
    let (arn, user_id) = match user {
        Some(user) => (derive::user_arn(id, user), format!("SANDBOXUSER{user}")),
        None => (caller_arn(id), "SANDBOX:rehearsal".to_owned()),
    };
    Caller { account, account_id: Arc::clone(id), arn: arn.into(), user_id: user_id.into() }
}
