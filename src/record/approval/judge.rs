//! Which signatures count as approvals, and why the others do not.
//!
//! An approval is a signature over the approval text of the plan, by a key that the reviewer's list of signers gives to a person,
//! for [`PLAN_NAMESPACE`], at the time that counts. Of one person, and of one key, one approval counts. Under four eyes nobody
//! counts who made the plan or runs it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{CHECKPOINT_NAMESPACE, MAKER_NAMESPACE, PLAN_NAMESPACE, Principal};
use crate::record::ssh::{
    Answer, Bad, NeedsProgram, NotAllowed, Program, PublicKey, Question, Signature, SignatureError, Signers,
    Verification,
};

/// A signature that is presented as an approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    /// Where it is from, for people: a file's name.
    pub from: String,
    /// Who is said to have made it; a hint that nobody signed.
    pub named: Option<Principal>,
    /// The file's text.
    pub text: String,
}

/// Somebody who may not approve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// Why not.
    pub role: Role,
    /// The key with which that person signed the plan, or signs the session's checkpoints.
    pub key: PublicKey,
}

/// Why somebody may not approve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Made the plan.
    Maker,
    /// Runs it.
    Session,
}

/// Why a signature does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum NotCounted {
    #[error("no signature can be read: {0}")]
    Unreadable(SignatureError),
    #[error("{0}")]
    Bad(Bad),
    #[error("{0}")]
    NotAllowed(NotAllowed),
    #[error("{needs}, and ssh-keygen does not accept it for {principal}{}", because(why))]
    Refused { needs: NeedsProgram, principal: Principal, why: String },
    #[error("{needs}, which only ssh-keygen can verify, and it cannot be run: {why}")]
    NoProgram { needs: NeedsProgram, why: String },
    #[error("the list of signers gives its key to no person that can be named, only to {0}")]
    Nameless(String),
    #[error("{principal} has approved by {by} already")]
    SamePrincipal { principal: Principal, by: String },
    #[error("its key has approved by {by} already")]
    SameKey { by: String },
    #[error("it was made with the key {}", role.whose())]
    KeyOf { role: Role },
    #[error("{principal} also has the key {}", role.whose())]
    PersonOf { role: Role, principal: Principal },
}

impl Role {
    /// The word that the journal has for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Maker => "maker",
            Self::Session => "session",
        }
    }

    /// What the signature is made for.
    #[must_use]
    pub fn namespace(self) -> &'static str {
        match self {
            Self::Maker => MAKER_NAMESPACE,
            Self::Session => CHECKPOINT_NAMESPACE,
        }
    }

    fn whose(self) -> &'static str {
        match self {
            Self::Maker => "that signed the plan as its maker",
            Self::Session => "that signs the checkpoints of the session",
        }
    }
}

fn because(why: &str) -> String {
    if why.is_empty() { String::new() } else { format!(": {why}") }
}

impl NotCounted {
    /// A stable word for programs.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "unreadable",
            Self::Bad(Bad::Namespace { .. }) => "other_namespace",
            Self::Bad(Bad::Text) => "bad_signature",
            Self::NotAllowed(NotAllowed::NotYet { .. }) => "not_yet_valid",
            Self::NotAllowed(NotAllowed::NoLonger { .. }) => "no_longer_valid",
            Self::NotAllowed(_) | Self::Nameless(_) => "not_allowed",
            Self::Refused { .. } => "refused",
            Self::NoProgram { .. } => "no_program",
            Self::SamePrincipal { .. } => "same_principal",
            Self::SameKey { .. } => "same_key",
            Self::KeyOf { role: Role::Maker } | Self::PersonOf { role: Role::Maker, .. } => "maker",
            Self::KeyOf { role: Role::Session } | Self::PersonOf { role: Role::Session, .. } => "session",
        }
    }
}

/// What became of a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Where it is from.
    pub from: String,
    /// Whose it is, if it counts; else who is said to have made it.
    pub principal: Option<Principal>,
    /// Its key, if it could be read.
    pub key: Option<PublicKey>,
    /// Whether it counts.
    pub counts: Result<(), NotCounted>,
}

/// What signatures are judged by.
#[derive(Clone, Copy)]
pub struct Judge<'a> {
    /// The approval text, derived from the plan by the one who judges.
    pub text: &'a str,
    /// Who may sign.
    pub signers: &'a Signers,
    /// When keys must be valid: when the run starts, because a signature has no time.
    pub at: Timestamp,
    /// Who may not approve under four eyes; nobody where that is not demanded.
    pub apart: &'a [Party],
    /// Verifies what cannot be verified here.
    pub program: &'a dyn Program,
}

impl Judge<'_> {
    /// Judges signatures in the order in which they are presented. Whoever demands N approvals demands N that count.
    #[must_use]
    pub fn judge(&self, presented: &[Presented]) -> Vec<Judged> {
        let mut judged: Vec<Judged> = Vec::new();
        for one in presented {
            let signature = Signature::parse(&one.text);
            let counts = match &signature {
                Ok(signature) => self.person(signature, PLAN_NAMESPACE, one.named.as_ref()),
                Err(error) => Err(NotCounted::Unreadable(error.clone())),
            };
            let key = signature.ok().map(|signature| signature.key().clone());
            let counts = counts.and_then(|principal| {
                self.is_apart(&principal, key.as_ref())?;
                is_new(&judged, &principal, key.as_ref())?;
                Ok(principal)
            });
            let (principal, counts) = match counts {
                Ok(principal) => (Some(principal), Ok(())),
                Err(why) => (one.named.clone(), Err(why)),
            };
            judged.push(Judged { from: one.from.clone(), principal, key, counts });
        }
        judged
    }

    /// Who may not approve because of a signature over the approval text: the maker of the plan, or who runs it, with the key that
    /// signs the session's checkpoints. Its key must be somebody's by the list of signers, or its owner could approve with another
    /// key.
    ///
    /// # Errors
    /// Where it does not hold, or nobody is known by its key.
    pub fn party(&self, role: Role, armour: &str) -> Result<Party, NotCounted> {
        let signature = Signature::parse(armour).map_err(NotCounted::Unreadable)?;
        self.person(&signature, role.namespace(), None)?;
        Ok(Party { role, key: signature.key().clone() })
    }

    /// Whose signature it is: the person who is named, if the list gives that person its key; else the first whom it gives it.
    fn person(
        &self,
        signature: &Signature,
        namespace: &str,
        named: Option<&Principal>,
    ) -> Result<Principal, NotCounted> {
        let needs = match signature.verify(namespace, self.text.as_bytes()) {
            Verification::Verified => None,
            Verification::NeedsProgram(needs) => Some(needs),
            Verification::Bad(bad) => return Err(NotCounted::Bad(bad)),
        };
        let key = signature.key();
        let of_named = named.map(|named| self.signers.allows(named.as_str(), key, namespace, self.at));
        let principals = match (named, of_named) {
            (Some(named), Some(Ok(()))) => vec![named.clone()],
            (_, of_named) => {
                // What is wrong with the person who is named says more than that there is nobody else.
                let found = self.signers.somebody(key, namespace, self.at);
                let found = found.map_err(|nobody| NotCounted::NotAllowed(nearer(of_named, nobody)))?;
                let parsed: Vec<Principal> = found.iter().filter_map(|name| name.parse().ok()).collect();
                if parsed.is_empty() {
                    return Err(NotCounted::Nameless(found.join(", ")));
                }
                parsed
            }
        };
        let Some(needs) = needs else {
            return principals.into_iter().next().ok_or_else(|| NotCounted::Nameless(String::new()));
        };
        let mut refused = NotCounted::Nameless(String::new());
        for principal in principals {
            match self.ask(signature, namespace, &principal) {
                Answer::Good => return Ok(principal),
                Answer::Bad(why) => refused = NotCounted::Refused { needs: needs.clone(), principal, why },
                Answer::Unavailable(why) => return Err(NotCounted::NoProgram { needs, why }),
            }
        }
        Err(refused)
    }

    fn ask(&self, signature: &Signature, namespace: &str, principal: &Principal) -> Answer {
        self.program.verify(&Question {
            text: self.text.as_bytes(),
            signature,
            namespace,
            principal: principal.as_str(),
            signers: &self.signers.text(),
            at: self.at,
        })
    }

    /// Refuses the maker and the session, by key and by person.
    fn is_apart(&self, principal: &Principal, key: Option<&PublicKey>) -> Result<(), NotCounted> {
        for Party { role, key: of_party } in self.apart {
            if key.is_some_and(|key| key.is_same_key(of_party)) {
                return Err(NotCounted::KeyOf { role: *role });
            }
            if self.signers.knows(principal.as_str(), of_party) {
                return Err(NotCounted::PersonOf { role: *role, principal: principal.clone() });
            }
        }
        Ok(())
    }
}

/// The reason that says more: that the named person's key may not sign, rather than that it is nobody's.
fn nearer(of_named: Option<Result<(), NotAllowed>>, nobody: NotAllowed) -> NotAllowed {
    match (of_named, nobody) {
        (Some(Err(why)), NotAllowed::NobodysKey(_)) => why,
        (_, nobody) => nobody,
    }
}

/// Refuses a person and a key that were counted before.
fn is_new(judged: &[Judged], principal: &Principal, key: Option<&PublicKey>) -> Result<(), NotCounted> {
    for before in judged.iter().filter(|before| before.counts.is_ok()) {
        let by = before.from.clone();
        if before.principal.as_ref() == Some(principal) {
            return Err(NotCounted::SamePrincipal { principal: principal.clone(), by });
        }
        if before.key.as_ref().zip(key).is_some_and(|(one, other)| one.is_same_key(other)) {
            return Err(NotCounted::SameKey { by });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
